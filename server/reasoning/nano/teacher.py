"""The teacher of s1-nano: how it searches, gives up, says "Wait", and what it would answer if cut.

Premature stops, oversights and wrong answers are here on purpose: they are what a budget can then mend.
"""

from dataclasses import dataclass
from random import Random

from server.reasoning.nano.search import Candidate, NanoProblem


@dataclass(frozen=True, slots=True)
class Habit:
    """Probabilities of the teacher. `patience` is the failed batches it usually bears, by domain."""

    patience: tuple[tuple[str, int], ...]
    early: float
    late: float
    recheck: float
    overlook: float
    misread: float
    max_waits: int


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of thinking, and the answer that the teacher would give if cut inside or right after it."""

    text: str
    best: str


@dataclass(frozen=True, slots=True)
class NanoTrace:
    """The teacher's thinking, step by step, and its answer, which may be wrong."""

    steps: tuple[Step, ...]
    answer: str

    @property
    def thinking(self) -> str:
        return "".join(step.text for step in self.steps)

    def best_at(self, length: int) -> str:
        """The answer to give when only the first `length` characters of the thinking were written."""
        end = 0
        for step in self.steps:
            end += len(step.text)
            if length <= end:
                return step.best
        return self.answer


# Base texts: any patience may be met, so that the base learns to go on as well as to stop.
WANDERING = Habit((), 0.07, 0.07, 0.38, 0.08, 0.03, 9)
# The traces of fine-tuning: a patience that a reader can foresee, so that greedy decoding stops there too.
ORDINARY = Habit(
    (("factor", 4), ("crt", 2), ("power", 3), ("linear", 3), ("pairs", 2)), 0.03, 0.9, 0.15, 0.02, 0.02, 9
)


class Teacher:
    """One attempt at one problem. Call `think` once."""

    def __init__(
        self, problem: NanoProblem, candidates: list[Candidate], batch: int, habit: Habit, rng: Random
    ) -> None:
        self._candidates, self._batch, self._habit, self._rng = candidates, batch, habit, rng
        self._bears = dict(habit.patience).get(problem.domain, 99)
        self._steps: list[Step] = []
        self._failed = self._waits = 0
        self._missed = rng.random() < habit.overlook

    def think(self) -> NanoTrace:
        at: int | None = 0
        while at is not None:
            at = self._attempt(at)
        return NanoTrace(tuple(self._steps), self._steps[-1].best)

    def _say(self, text: str, best: str) -> None:
        self._steps.append(Step(text, best))

    def _wait(self, text: str) -> None:
        self._waits += 1
        self._say(f"Wait, {text}.\n", self._steps[-1].best)

    def _next(self, at: int) -> str:
        return self._candidates[(at + 1) % len(self._candidates)].answer

    def _judge(self, at: int, verdict: bool) -> None:
        candidate = self._candidates[at]
        self._say(candidate.work, candidate.answer)
        self._say(" yes\n" if verdict else " no\n", candidate.answer if verdict else self._next(at))

    def _verdict(self, at: int) -> bool:
        """What the teacher reads off: mostly the truth, sometimes an oversight."""
        if self._candidates[at].right:
            seen, self._missed = not self._missed, False
            return seen
        return self._rng.random() < self._habit.misread / len(self._candidates)

    def _attempt(self, start: int) -> int | None:
        """Try one batch from `start`; return where to go on, or None to stop thinking."""
        for at in range(start, min(start + self._batch, len(self._candidates))):
            verdict = self._verdict(at)
            self._judge(at, verdict)
            if verdict:
                return self._found(at)
        return self._nothing(at)

    def _found(self, at: int) -> int | None:
        candidate = self._candidates[at]
        while True:
            self._say(f"So {candidate.label}.\n", candidate.answer)
            if self._waits >= self._habit.max_waits or self._rng.random() >= self._habit.recheck:
                return None
            self._wait(f"check {candidate.label}")
            self._judge(at, candidate.right)
            if not candidate.right:
                self._say(f"Not {candidate.label}.\n", self._next(at))
                return (at + 1) % len(self._candidates)

    def _nothing(self, at: int) -> int | None:
        self._failed += 1
        over = at + 1 == len(self._candidates)
        self._say("No more.\n" if over else "None yet.\n", self._next(at))
        hazard = self._habit.early if self._failed < self._bears else self._habit.late
        if self._waits >= self._habit.max_waits or self._rng.random() < hazard:
            return None
        after = (at + 1) % len(self._candidates)
        self._wait("try again" if over else f"try {self._candidates[after].label}")
        return after
