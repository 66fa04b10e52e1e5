"""Budget forcing the slow, obvious way, one loop over one sequence: what the controller must equal."""

from collections.abc import Callable, Sequence

from server.budget.plan import NEVER, Opening, Plan

Sample = Callable[[Sequence[int], frozenset[int]], int]
"""(the output so far, what must not be sampled) to the next token."""


def obvious(plan: Plan, sample: Sample, requested_at: int = NEVER) -> list[int]:
    """The whole output of a request with a distinct delimiter: until an end of turn, or no room is left.
    From the position `requested_at` on a control request wants thinking closed."""
    out: list[int] = list(plan.start) if plan.opening is Opening.FORCE else []
    may_not: frozenset[int] = frozenset({plan.start[0], plan.end[0]})
    if plan.opening is Opening.CLOSED:
        return _answer(plan, out, sample, may_not)
    if plan.opening is Opening.AWAIT:
        while out[-len(plan.start) :] != list(plan.start):
            if len(out) >= plan.room:
                return out[: plan.room]
            if len(out) >= 8 + len(plan.start) - 1:
                return _answer(plan, out, sample, frozenset())
            out.append(sample(out, frozenset()))
            if out[-1] in plan.end_of_turn:
                return out
    thinking, waits = 0, 0
    while len(out) < plan.room:
        if plan.max_tokens != -1 and thinking >= plan.max_tokens:
            return _answer(plan, [*out, *_close(plan, out)], sample, may_not)
        if len(out) >= min(plan.close_at, requested_at) and len(out) + len(plan.end) < plan.room:
            return _answer(plan, [*out, *_close(plan, out)], sample, may_not)
        token = sample(out, frozenset())
        if token not in (plan.end[0], *plan.end_of_turn, *plan.tool_call):
            out.append(token)
            thinking += 1
        elif waits < plan.num_waits or thinking < plan.min_tokens:
            for nudge in plan.nudges[waits % len(plan.nudges)]:
                over = plan.max_tokens != -1 and thinking >= plan.max_tokens
                late = len(out) >= min(plan.close_at, requested_at) and len(out) + len(plan.end) < plan.room
                if over or late:
                    break
                out.append(nudge)
                thinking += 1
            waits += 1
        else:
            moved = [token] if token in plan.tool_call else []
            return _answer(plan, [*out, *plan.end, *moved], sample, may_not)
    return out[: plan.room]


def _close(plan: Plan, out: Sequence[int]) -> list[int]:
    needs_break = plan.line_breaks and (not out or out[-1] not in plan.line_breaks)
    return [*(plan.line_break if needs_break else ()), *plan.end, *plan.cue]


def _answer(plan: Plan, out: list[int], sample: Sample, may_not: frozenset[int]) -> list[int]:
    while len(out) < plan.room:
        out.append(sample(out, may_not))
        if out[-1] in plan.end_of_turn:
            break
    return out[: plan.room]
