"""The server's own methods of scaling, one request a problem: "majority:8", "short_m:8:m=3", "auto".

The value without a name is `n`. What a method's fields mean is the server's affair; a budget's fields go into
the budget.
"""

from dataclasses import fields
from typing import Any

from evals.methods.arm import Arm, ArmError, Budget, Method, Promise

Value = int | float | str

METHOD = "scaling"
GREEDY = frozenset({"auto", "beyond_context", "token_conditional", "step_conditional", "class_conditional"})
"""Methods of one line of thinking: they need no temperature."""
BUDGET = frozenset(each.name for each in fields(Budget))
# What the server takes as a promise, and whether it is one about all samples together.
PROMISES = {"accept_up_to": False, "total_tokens": True}


def arm(value: str) -> Arm:
    name, *rest = value.split(":")
    if not name:
        raise ArmError(f"--method: {value!r} names no method")
    said: dict[str, Value] = {}
    for part in rest:
        key, equals, text = part.partition("=")
        if not equals:
            key, text = "n", part
        if not key or not text or key in said:
            raise ArmError(f"--method: {part!r} in {value!r} is neither n nor field=value")
        said[key] = _value(text)
    budget: dict[str, Any] = {key: said.pop(key) for key in BUDGET & said.keys()}  # checked by the server
    return Arm(
        METHOD,
        value,
        Budget(**budget),
        promise=_promise(said),
        sampled=name not in GREEDY,
        scaling={"method": name, **said},
    )


def _promise(said: dict[str, Value]) -> Promise:
    for key, of_all in PROMISES.items():
        limit = said.get(key)
        if isinstance(limit, int):
            return Promise(at_most=limit, of_all=of_all)
    return Promise()


def _value(text: str) -> Value:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


SCALED = Method(
    "method", 'the server\'s own methods, e.g. "majority:8,short_m:8:m=3,majority:total_tokens=600"', arm
)
