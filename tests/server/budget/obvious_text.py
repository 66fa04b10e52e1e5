"""A slow reference implementation for marks that are ordinary text: it looks at the text alone."""

from collections.abc import Callable, Sequence

from server.budget.plan import Opening, Plan
from tests.server.budget.plans import TEXT, VOCABULARY, spellings

Sample = Callable[[Sequence[int], frozenset[int]], int]
"""(the output so far, what must not be sampled) to the next token."""

RESTS: dict[str, tuple[int, ...]] = {"": (), "<": (), "</": (5, 14), "</t": (14,), "C": (8, 14), "CD": (14,)}
"""By what stands of the delimiter: what writes the rest. No token is "/"."""


class Written:
    """The prompt's last tokens and the output, as text."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.starts, self.ends = spellings(plan)
        self.before = said(plan.before)
        self.out: list[int] = list(plan.start) if plan.opening is Opening.FORCE else []

    @property
    def text(self) -> str:
        """All of it."""
        return self.before + said(self.out)

    def completing(self, marks: Sequence[str]) -> frozenset[int]:
        """The tokens with which the text would have one mark more."""

        def count(text: str) -> int:
            return sum(text.count(mark) for mark in marks)

        return frozenset(t for t in range(VOCABULARY) if count(self.text + TEXT[t]) > count(self.text))

    def begun(self, since: int = 0) -> str:
        """The longest beginning of a delimiter at the end of the text from the character `since` on."""
        prefixes = (end[:n] for end in self.ends for n in range(len(end)))
        return max((it for it in prefixes if self.text[since:].endswith(it)), key=len)

    def close(self, began: int) -> tuple[int, ...]:
        """The rest of the delimiter that stands at the end, or all of it."""
        rest = RESTS[self.begun()]
        keeps_minimum = self.thinking_tokens(began, unless_mark=True) >= self.plan.min_tokens
        return rest if rest and keeps_minimum else self.plan.end

    def thinking_tokens(self, began: int, *, unless_mark: bool) -> int:
        """How many tokens of the output say anything from the character `began` on, a whole mark at the end
        left out; and, `unless_mark`, the beginning of one as well."""
        text = self.text
        ended = [text.index(end, began) for end in self.ends if end in text[began:]]
        until = min(ended, default=len(text))
        if unless_mark and not ended:
            until -= len(self.begun(began))
        at, count = len(self.before), 0
        for token in self.out:
            at, here = at + len(TEXT[token]), at
            count += here < until and at > began
        return count


def said(tokens: Sequence[int]) -> str:
    """Their text."""
    return "".join(TEXT[token] for token in tokens)


def obvious_text(plan: Plan, sample: Sample, requested_at: int) -> list[int]:
    """The whole output of a request without steering."""
    it = Written(plan)
    out, began = it.out, len(it.before)
    if plan.opening is Opening.CLOSED:
        return _answer(it, sample)
    if plan.opening is Opening.AWAIT:
        prefixes = (start[:n] for start in it.starts for n in range(len(start)))
        begun = max((prefix for prefix in prefixes if it.before.endswith(prefix)), key=len)
        while len(out) < plan.room:
            opening = it.completing(it.starts)
            out.append(sample(out, it.completing(it.ends)))
            if out[-1] in plan.end_of_turn:
                return out
            if out[-1] in opening:
                break
            if not any(start.startswith((begun + said(out)).lstrip()) for start in it.starts):
                return _answer(it, sample)
    if plan.opening is not Opening.OPEN:
        began = max(it.text.rfind(start) + len(start) for start in it.starts)
    waits, nudge = 0, list[int]()
    while len(out) < plan.room:
        over = plan.max_tokens != -1 and it.thinking_tokens(began, unless_mark=False) >= plan.max_tokens
        may_close = len(out) + len(plan.end) < plan.room
        if over or (len(out) >= min(plan.close_at, requested_at) and may_close):
            out += [*(it.close(began) if over else plan.end), *plan.cue]
            return _answer(it, sample)
        if nudge:
            out.append(nudge.pop(0))
            continue
        waiting = it.thinking_tokens(began, unless_mark=True) < plan.min_tokens or waits < plan.num_waits
        completing = it.completing(it.ends)
        bare = frozenset(t for t in completing if not TEXT[t].endswith(">"))
        token = sample(out, bare if plan.ends_bare and not waiting else frozenset())
        is_end = token in (*plan.end_of_turn, *plan.tool_call)
        if waiting and (is_end or token in completing):
            token, *nudge = plan.nudges[waits % len(plan.nudges)]
            waits += 1
            is_end = False
        if is_end:
            close = it.close(began)
            count = it.thinking_tokens(began, unless_mark=False)
            is_due = plan.max_tokens != -1 and count + len(close) > plan.max_tokens
            out += [*close, *(plan.cue if is_due else [token] if token in plan.tool_call else [])]
            return _answer(it, sample)
        out.append(token)
        if token in completing:
            return _answer(it, sample)
    return out[: plan.room]


def _answer(it: Written, sample: Sample) -> list[int]:
    plan, out = it.plan, it.out
    while len(out) < plan.room and (not out or out[-1] not in plan.end_of_turn):
        out.append(sample(out, it.completing((*it.starts, *it.ends))))
    return out[: plan.room]
