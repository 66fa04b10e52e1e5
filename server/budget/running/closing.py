"""What a close writes of the delimiter: the rest of one that the model has begun to spell, or all of it."""

from server.budget.budget import UNLIMITED, TokenIds
from server.budget.plan import Plan
from server.budget.text_marks import MarksMatch, TextMark


def close_in_place(plan: Plan, marks: MarksMatch | None, tokens: int) -> tuple[TokenIds, int]:
    """(token ids, how many of the last thinking tokens are a part of the delimiter with them).

    A part of the delimiter may stand where thinking is closed. It is finished, so that no broken mark is left
    in the thinking; unless the minimum needs those tokens as thinking.

    Args:
        plan: The request's.
        marks: Where its text stands; None where single tokens are the marks.
        tokens: Thinking tokens so far.
    """
    if marks is None or not marks.end.state or plan.steering.max_steps:
        return plan.end, 0
    rest, begun = _rest(marks.end.mark, marks.end.state, plan.end), marks.end.tokens
    if not rest or len(rest) > len(plan.end) or tokens - begun < plan.min_tokens:
        return plan.end, 0
    return rest, begun


def close_when_due(plan: Plan, marks: MarksMatch | None, tokens: int) -> tuple[TokenIds, int]:
    """The same where a close is due, which is for the maximum only.

    Of what else may be due nobody who sees the output alone could tell the rest of a delimiter from one that
    an end of turn was replaced by.
    """
    is_spent = plan.max_tokens != UNLIMITED and tokens >= plan.max_tokens
    return close_in_place(plan, marks, tokens) if is_spent else (plan.end, 0)


def reaches_maximum(plan: Plan, marks: MarksMatch | None, tokens: int, close: TokenIds) -> bool:
    """Whether the maximum falls inside a delimiter that is put in an end's place: then it is what closes."""
    is_limited = marks is not None and plan.max_tokens != UNLIMITED and not plan.steering.max_steps
    return is_limited and tokens + len(close) > plan.max_tokens


def _rest(mark: TextMark, state: int, end: TokenIds) -> TokenIds:
    """Tokens that write what is missing of the mark, those of `end` where it can be; () if none do."""
    joins, written = dict[bytes, TokenIds](), b""
    for n in range(len(end) - 1, 0, -1):
        written = mark.pieces[end[n]] + written
        joins[written] = end[n:]
    ids: list[int] = []
    missing = mark.rest(state)
    while missing not in joins:
        if not missing:
            return tuple(ids)
        parts = (missing[:size] for size in range(len(missing), 0, -1))
        part = next((part for part in parts if part in mark.parts), None)
        if part is None:
            return ()
        ids.append(mark.parts[part])
        missing = missing[len(part) :]
    return (*ids, *joins[missing])
