"""The server's own scaling methods, one request per problem: "majority:8", "short_m:8:m=3", "auto".

A value without a name is `n`; a backslash with an n in a value is a line break. The server defines the
fields of each method; fields of a thinking budget go into the budget.
"""

from dataclasses import fields
from typing import Any

from evals.methods.arm import Arm, ArmError, Budget, EvalMethod, Promise

Value = int | float | str  # a bool is an int

METHOD = "scaling"
GREEDY = frozenset({"auto", "beyond_context", "token_conditional", "step_conditional", "class_conditional"})
"""Methods with a single chain of thinking: they need no temperature."""
BUDGET = frozenset(each.name for each in fields(Budget))
# Fields that limit thinking, and whether the limit applies to all samples together.
PROMISES = {"accept_up_to": False, "total_tokens": True}


def arm(value: str) -> Arm:
    """The arm of one setting, such as "majority:8".

    Raises:
        ArmError: The setting cannot be parsed.
    """
    name, *rest = value.split(":")
    if not name:
        raise ArmError(f"--method: {value!r} names no method")
    given: dict[str, Value] = {}
    for part in rest:
        key, equals, text = part.partition("=")
        if not equals:
            key, text = "n", part
        if not key or not text or key in given:
            raise ArmError(f"--method: {part!r} in {value!r} is neither n nor field=value")
        given[key] = _value(text)
    budget: dict[str, Any] = {
        key: given.pop(key) for key in BUDGET & given.keys()
    }  # the server validates them
    return Arm(
        METHOD,
        value,
        Budget(**budget),
        promise=_promise(given),
        sampled=name not in GREEDY,
        scaling={"method": name, **given},
    )


def _promise(given: dict[str, Value]) -> Promise:
    for key, of_all in PROMISES.items():
        limit = given.get(key)
        if isinstance(limit, int):
            return Promise(at_most=limit, of_all=of_all)
    return Promise()


def _value(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text.replace("\\n", "\n")


SCALED = EvalMethod(
    "method",
    'methods of the server\'s `scaling`, e.g. "majority:8,short_m:8:m=3,majority:total_tokens=600"',
    arm,
)
