"""The teacher of s1-nano: it searches, gives up, says "Wait", and has a best answer at every point.

It stops too early, overlooks answers and misreads candidates on purpose: a budget can then correct this.
"""

from dataclasses import dataclass
from random import Random

from server.reasoning.nano.search import NanoProblem, TriedNumber


@dataclass(frozen=True, slots=True)
class TeacherHabit:
    """The teacher's probabilities.

    `patience` is, per domain, the number of failed batches after which it tends to stop; `early` and `late`
    are the probabilities of stopping before and after that.
    """

    patience: tuple[tuple[str, int], ...]
    early: float
    late: float
    recheck: float
    overlook: float
    misread: float
    max_waits: int


@dataclass(frozen=True, slots=True)
class TeacherStep:
    """A piece of thinking, and the teacher's answer if it is cut inside or right after this piece."""

    text: str
    best: str


@dataclass(frozen=True, slots=True)
class NanoTrace:
    """The teacher's thinking, step by step, and its answer, which may be wrong."""

    steps: tuple[TeacherStep, ...]
    answer: str

    @property
    def thinking(self) -> str:
        """The whole thinking text."""
        return "".join(step.text for step in self.steps)

    def best_at(self, length: int) -> str:
        """The answer to give if only the first `length` characters of the thinking were written."""
        end = 0
        for step in self.steps:
            end += len(step.text)
            if length <= end:
                return step.best
        return self.answer


# For pretraining texts: no fixed patience, so that the base model learns both to go on and to stop.
WANDERING = TeacherHabit((), 0.07, 0.07, 0.38, 0.08, 0.03, 9)
# For fine-tuning traces: a predictable patience, so that greedy decoding stops there too.
ORDINARY = TeacherHabit(
    (("factor", 4), ("crt", 2), ("power", 3), ("linear", 3), ("pairs", 2)), 0.03, 0.9, 0.15, 0.02, 0.02, 9
)


class ImpatientTeacher:
    """One attempt at one problem. Call `think` once."""

    def __init__(
        self,
        problem: NanoProblem,
        candidates: list[TriedNumber],
        batch: int,
        habit: TeacherHabit,
        rng: Random,
    ) -> None:
        self._candidates, self._batch, self._habit, self._rng = candidates, batch, habit, rng
        self._patience = dict(habit.patience).get(problem.domain, 99)
        self._steps: list[TeacherStep] = []
        self._failed = self._waits = 0
        self._overlooks_next = rng.random() < habit.overlook

    def think(self) -> NanoTrace:
        """Search until the teacher stops, and return the trace."""
        at: int | None = 0
        while at is not None:
            at = self._attempt(at)
        return NanoTrace(tuple(self._steps), self._steps[-1].best)

    def _say(self, text: str, best: str) -> None:
        self._steps.append(TeacherStep(text, best))

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
        """The teacher's verdict on a candidate: usually correct, sometimes an oversight or a misreading."""
        if self._candidates[at].right:
            seen, self._overlooks_next = not self._overlooks_next, False
            return seen
        return self._rng.random() < self._habit.misread / len(self._candidates)

    def _attempt(self, start: int) -> int | None:
        """Try one batch from `start`; return where to continue, or None to stop thinking."""
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
        hazard = self._habit.early if self._failed < self._patience else self._habit.late
        if self._waits >= self._habit.max_waits or self._rng.random() < hazard:
            return None
        after = (at + 1) % len(self._candidates)
        self._wait("try again" if over else f"try {self._candidates[after].label}")
        return after
