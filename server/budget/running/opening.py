"""Before thinking has opened: whether it still may, by the same rule as the response's text is split."""

from server.budget.plan import Plan
from server.budget.text_marks import MarksMatch


def matched_with(plan: Plan, matched: int, token: int) -> int:
    """How many tokens of the start mark stand at the end of the output with `token`, if `matched` did before.

    White space that ends the mark may be any: a tokenizer makes one token of two line breaks.
    """
    start, last = plan.start, len(plan.start) - 1
    is_blank = 0 < matched == last and start[last] in plan.blanks and token in plan.blanks
    return matched + 1 if token == start[matched] or is_blank else int(token == start[0])


def standing(matched: int, text: MarksMatch | None) -> int:
    """How much of the start mark stands at the end of the output: tokens, or bytes of ordinary text."""
    return matched if text is None else len(text.start.mark.begins[text.start.state])


def may_open(plan: Plan, token: int, stood: int, stands: int) -> bool:
    """Whether nothing but white space and a beginning of the start mark has come, with `token` the last.

    Args:
        plan: The request's.
        token: The output's last.
        stood: How much of the mark stood before it.
        stands: And with it; not all of it.
    """
    if stood:
        return stands > stood
    if not stands or plan.text is None:
        return bool(stands) or token in plan.blanks
    return not plan.text.start.pieces[token][:-stands].strip()
