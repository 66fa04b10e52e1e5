"""Which endpoints have a budget where the client names none."""

import pytest

from server.api.requests import UNGOVERNED_PATHS, default_call
from server.budget.budget import ThinkingBudget
from server.budget.parsing.defaults import BudgetDefaults

DEFAULTS = BudgetDefaults(ThinkingBudget(max_tokens=0))


@pytest.mark.parametrize("path", sorted(UNGOVERNED_PATHS))
def test_token_that_is_no_text_has_no_plan(path: str) -> None:
    call = default_call(path, DEFAULTS)
    assert (call.is_governed, call.asked) == (False, False)


@pytest.mark.parametrize("path", ["/inference/v1/generate", "/v1/audio/transcriptions", "/v1/decisions/more"])
def test_every_other_endpoint_has_the_servers_default(path: str) -> None:
    call = default_call(path, DEFAULTS)
    assert call.is_governed
    assert (call.budget.max_tokens, call.asked) == (0, True)
