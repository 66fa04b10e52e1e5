"""Request bodies, and what is read from them."""

import pytest

from server.budget.budget import BudgetError
from server.budget.parsing.read import BudgetDefaults, ReadBudget, read_budget

Json = dict[str, object]


def read(body: Json, defaults: BudgetDefaults | None = None) -> ReadBudget:
    return read_budget(body, defaults or BudgetDefaults())


def refused(body: Json, defaults: BudgetDefaults | None = None) -> BudgetError:
    with pytest.raises(BudgetError) as caught:
        read_budget(body, defaults or BudgetDefaults())
    return caught.value


def written(name: str, value: object) -> Json:
    """The body with this one spelling."""
    if name.startswith("model:"):
        return {"model": f"{name.replace(':', '-nano:')}={value}"}
    *parents, key = name.split(".")
    body: Json = {key: value}
    for parent in reversed(parents):
        body = {parent: body}
    return body
