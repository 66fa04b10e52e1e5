"""A row is told of every token that begins a mark, however many come in one step."""

import pytest

from server.engine.worker.row import BatchRow
from tests.server.budget.plans import ONE_SPELLING, TEXT_END, TEXT_START, plan

THOUGHT = 0
"""A token that is no part of a mark."""


@pytest.mark.parametrize("came", [(TEXT_END[0],), TEXT_END[:2], (THOUGHT, *TEXT_END[:2])])
def test_begun_mark_wakes_the_row_though_its_first_token_is_not_the_last_that_came(
    came: tuple[int, ...],
) -> None:
    waits = plan(start=TEXT_START, end=TEXT_END, end_is_distinct=False, text=ONE_SPELLING, num_waits=1)
    output = [THOUGHT] * 3
    row = BatchRow(waits, output)
    row.listen()
    row.catch_up()
    assert len(output) + len(came) < row.wake
    output += came
    row.listen()
    assert row.wake <= len(output)
    row.catch_up()
    assert (TEXT_END[-1] in row.action.completing) == (came[-1] == TEXT_END[1])
