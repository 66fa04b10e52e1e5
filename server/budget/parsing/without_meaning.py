"""Fields of other APIs that say how to think and mean nothing here: refused by name, with the reason.

A value that changes nothing passes: it is what the client's library says by itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from server.budget.budget import BudgetError
from server.budget.parsing.values import shown

MODE = ("reasoning", "mode")


@dataclass(frozen=True, slots=True)
class Foreign:
    """`path` in the JSON; `harmless`: values that ask for nothing."""

    path: tuple[str, ...]
    why: str
    harmless: tuple[object, ...] = ()


FOREIGN = (
    Foreign(
        MODE,
        "there is one mode; thinking_budget (num_waits, min_tokens) makes a model think longer",
        ("standard",),
    ),
)
FOREIGN_NAMES = frozenset(".".join(each.path) for each in FOREIGN)


def refuse_foreign(body: Mapping[str, object], modes: Iterable[str] = ()) -> None:
    """Refuse a field of the table with a value that would change something.

    `modes`: the operator's presets, which were read before; the message names them.

    Raises:
        BudgetError: It names the field.
    """
    for each in FOREIGN:
        value: object = body
        for key in each.path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None and value not in each.harmless:
            name, why = ".".join(each.path), each.why
            if each.path == MODE and (known := ", ".join(("standard", *modes))) != "standard":
                why = f"this server's modes are {known}"
            raise BudgetError(name, f"{name} ({shown(value)}) is not supported: {why}.")
