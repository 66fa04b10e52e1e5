"""A slow reference implementation of budget forcing: one loop over one sequence.

The controller must equal it.
"""

from collections.abc import Callable, Sequence
from random import Random

from server.budget.budget import NEVER
from server.budget.loops import LoopRule
from server.budget.plan import Opening, Plan
from tests.server.budget.obvious_text import Sample, obvious_text

IsLikely = Callable[[Sequence[int], frozenset[int]], bool]
"""(the output so far, what must not be sampled) to whether the end is likely there."""


def never_likely(_: Sequence[int], __: frozenset[int]) -> bool:
    """A model whose ends of thinking are never predictable."""
    return False


def obvious(
    plan: Plan, sample: Sample, requested_at: int = NEVER, is_likely: IsLikely = never_likely
) -> list[int]:
    """The whole output of a request, up to an end of turn or the length limit.

    The delimiter is distinct, or has two tokens; steps are counted. From `requested_at` on a control request
    wants thinking closed.
    """
    if plan.text is not None:
        return obvious_text(plan, sample, requested_at)
    out: list[int] = list(plan.start) if plan.opening is Opening.FORCE else []
    may_not: frozenset[int] = frozenset({plan.start[0], plan.end[0]})
    if plan.opening is Opening.CLOSED:
        return _answer(plan, out, sample, may_not)
    if plan.opening is Opening.AWAIT:
        while out[-len(plan.start) :] != list(plan.start):
            if len(out) >= plan.room:
                return out[: plan.room]
            out.append(sample(out, frozenset({plan.end[0]} - {plan.start[0]})))
            if out[-1] in plan.end_of_turn:
                return out
            blank = next((at for at, token in enumerate(out) if token not in plan.blanks), len(out))
            if tuple(out[blank:]) != plan.start[: len(out) - blank]:
                return _answer(plan, out, sample, may_not)
    began, waits, left = len(out), 0, plan.steering.max_steps
    steering, silent = plan.steering, frozenset(plan.steering.suppressed)
    nudge: list[int] = []  # tokens of a nudge still to be forced
    is_ours = False  # the last token
    while len(out) < plan.room:
        thinking = out[began:]
        is_short = len(thinking) < plan.min_tokens
        lands = len(thinking) >= steering.land_from
        waiting = is_short or (waits < plan.num_waits and not lands)
        may_close = len(out) + len(plan.end) < plan.room
        over = plan.max_tokens != -1 and len(thinking) >= plan.max_tokens
        late = len(out) >= min(plan.close_at, requested_at) and may_close
        if over or late or (lands and _ends_sentence(plan, thinking)):
            return _answer(plan, [*out, *_close(plan, out)], sample, may_not)
        is_at_mark = left > 0 and thinking[-1:] == [plan.end[0]]
        if is_at_mark and left == 1:
            return _answer(plan, [*out, *plan.end[1:]], sample, may_not)
        if may_close and steering.loop_rule and loops(steering.loop_rule, thinking):
            if not waiting:
                return _answer(plan, [*out, *_close(plan, out)], sample, may_not)
            waits += 1
            nudge = list(steering.loop_nudge)
        elif not nudge and not is_ours and _inserts_nudge(plan, thinking, len(out)):
            nudge = list(plan.nudges[waits % len(plan.nudges)])
        is_ours = bool(nudge)
        if nudge:
            out.append(nudge.pop(0))
            continue
        token = sample(out, frozenset() if is_at_mark else silent)
        if is_at_mark and token == plan.end[1]:
            return _answer(plan, [*out, token], sample, may_not)
        if is_at_mark:
            left -= 1
            token, *nudge = steering.step_marks[left - 1][1:]
            is_ours = True
            out.append(token)
            continue
        slow = steering.slow_words if not waiting and steering.is_past_alpha(len(thinking)) else ()
        end = plan.end[:1] if plan.end_is_distinct else ()
        if token in (*end, *plan.end_of_turn, *plan.tool_call, *slow):
            if not waiting:
                moved = [token] if token in plan.tool_call else []
                return _answer(plan, [*out, *plan.end, *moved], sample, may_not)
            token, *nudge = plan.nudges[waits % len(plan.nudges)]
            waits, is_ours = waits + 1, True
        elif end and lands and not is_short and is_likely(out, silent):
            return _answer(plan, [*out, *plan.end], sample, may_not)
        out.append(token)
    return out[: plan.room]


def _ends_sentence(plan: Plan, thinking: Sequence[int]) -> bool:
    steering = plan.steering
    if not thinking or thinking[-1] not in steering.sentence_ends:
        return False
    is_decimal = len(thinking) > 1 and thinking[-1] in steering.points and thinking[-2] in steering.digits
    return not is_decimal


def _inserts_nudge(plan: Plan, thinking: Sequence[int], position: int) -> bool:
    alpha = plan.steering.alpha_tokens
    if alpha is None or not thinking or thinking[-1] not in plan.steering.paragraph_ends:
        return False
    chance = Random(f"{plan.steering.seed} {position}").random()
    return len(thinking) < alpha and chance < 1 - len(thinking) / alpha


def loops(rule: LoopRule, thinking: Sequence[int]) -> bool:
    """Whether the tokens loop, checked by trying every period."""
    if not thinking or len(thinking) % rule.stride:
        return False
    return _copies(rule, thinking) or _recurs(rule, thinking)


def _copies(rule: LoopRule, thinking: Sequence[int]) -> bool:
    kept = list(thinking)[-rule.longest_period - rule.longest_copy :]
    for period in range(1, min(rule.longest_period, len(kept) - rule.tail) + 1):
        if kept[-rule.tail :] == kept[-rule.tail - period : -period]:
            copied = max((rule.fewest_copies - 1) * period, rule.fewest_tokens - period)
            copied = min(copied, rule.longest_copy)
            return copied + period <= len(kept) and kept[-copied:] == kept[-copied - period : -period]
    return False


def _recurs(rule: LoopRule, thinking: Sequence[int]) -> bool:
    text, total, copies = list(thinking), 0.0, set[int]()
    for count in range(1, len(text) + 1):
        # An alarm of before has been answered: thinking went on.
        if (count - 1) % rule.stride == 0 and total >= rule.copied_limit:
            total = 0.0
        if count % rule.phrase_stride == 0:
            known = len(copies)
            copies |= _phrase(rule, text[:count], max(copies, default=-1))
            total = max(0.0, total + len(copies) - known - rule.copied_share * rule.phrase_stride)
    return total >= rule.copied_limit


def _phrase(rule: LoopRule, text: list[int], since: int) -> set[int]:
    """The positions, after `since`, of the copied phrase that the text ends with."""
    length = rule.shortest_phrase
    for period in range(1, min(rule.phrase_window, len(text) - length) + 1):
        if text[-length:] == text[-length - period : -period]:
            while since < len(text) - length - 1 >= period and text[~length] == text[~length - period]:
                length += 1
            return set(range(max(since + 1, len(text) - length), len(text)))
    return set()


def _close(plan: Plan, out: Sequence[int]) -> list[int]:
    needs_break = plan.line_breaks and (not out or out[-1] not in plan.line_breaks)
    return [*(plan.line_break if needs_break else ()), *plan.end, *plan.cue]


def _answer(plan: Plan, out: list[int], sample: Sample, may_not: frozenset[int]) -> list[int]:
    while len(out) < plan.room:
        out.append(sample(out, may_not))
        if out[-1] in plan.end_of_turn:
            break
    return out[: plan.room]
