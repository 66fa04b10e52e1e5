"""The budget in a model's name, "s1-nano:think=200,waits=2", for clients that can set only the model."""

import re

from server.budget.budget import BudgetError
from server.budget.parsing.values import quoted

SUFFIX_KEYS = ("think", "max", "min", "waits", "nudge", "grace", "effort")

# The first ":" that a `key=` follows; "qwen3:8b" has none. A model's own name keeps its other colons.
SUFFIX = re.compile(r"(.+?):([A-Za-z_]\w*=.*)", re.DOTALL)
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_STRINGS = ("nudge", "effort")


def split_model(model: object) -> tuple[object, dict[str, object]]:
    """Split a model's name into (the name without suffix, the suffix as JSON values).

    Anything else than a suffix passes unchanged. A value extends to the next comma: a nudge with a comma
    needs the object in the body.

    Raises:
        BudgetError: The suffix has a key that is unknown, or one twice.
    """
    found = SUFFIX.fullmatch(model) if isinstance(model, str) else None
    if found is None:
        return model, {}
    values: dict[str, object] = {}
    for part in found[2].split(","):
        key, value = _pair(part)
        if key in values:
            raise BudgetError(f"model:{key}", f"The suffix of the model's name sets {key} twice.")
        values[key] = int(value) if key not in _STRINGS and _INTEGER.fullmatch(value) else value
    return found[1], values


def _pair(part: str) -> tuple[str, str]:
    key, equals, value = part.partition("=")
    if not equals or key not in SUFFIX_KEYS:
        raise BudgetError(
            "model",
            f"The model's suffix has {quoted(part)}: it takes KEY=VALUE, commas between, "
            f"with the keys {', '.join(SUFFIX_KEYS)}.",
        )
    return key, value
