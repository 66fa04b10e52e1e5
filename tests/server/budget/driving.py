"""Fake models for driving a controller without an engine, and the loop that does so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

from server.budget.budget import NEVER
from server.budget.plan import Plan
from server.budget.running.action import LANDED, NONE
from server.budget.running.controller import Controller
from tests.server.budget.obvious import IsLikely, never_likely
from tests.server.budget.obvious_text import Sample
from tests.server.budget.plans import END, STOP, TOOL, VOCABULARY


def drive(
    the_plan: Plan,
    sample: Sample,
    requested_at: int = NEVER,
    is_likely: IsLikely = never_likely,
    is_late: bool = False,
) -> tuple[list[int], Controller]:
    """Run a controller with a sampler as an engine does: action, sample, replace, observe.

    `is_late`: the control request arrives when the action at `requested_at` has already been taken.
    """
    controller = Controller(the_plan, NEVER if is_late else requested_at)
    out: list[int] = []
    while len(out) < the_plan.room:
        if is_late and len(out) == requested_at:
            controller.next_action()
            controller.requested_at = requested_at
        action = controller.next_action()
        token, ended = action.force, NONE
        if token == NONE or action.spare != NONE:
            forbidden = frozenset(action.forbidden)
            sampled = sample(out, forbidden)
            if token == NONE or sampled == action.spare:
                token = sampled
            if sampled in (*action.watched, *action.completing):
                token, ended = action.substitute, sampled
            elif action.force == NONE and action.likely != NONE and is_likely(out, forbidden):
                token, ended = action.likely, LANDED
        controller.observe(token, ended)
        out.append(token)
        if token in the_plan.end_of_turn:
            break
    return out, controller


def says(tokens: Iterable[int]) -> Sample:
    """A model that samples these tokens, one per step, then ends its turn."""
    script = list(tokens)

    def sample(_: Sequence[int], forbidden: frozenset[int]) -> int:
        """The next token."""
        wanted = script.pop(0) if script else STOP
        return 0 if wanted in forbidden else wanted

    return sample


@dataclass(frozen=True, slots=True)
class Model:
    """A model whose choices depend on the last `memory` tokens; they may be ends and marks.

    The smaller its memory, the sooner it loops; the larger its patience, the rarer it ends thinking.
    """

    seed: int
    memory: int
    patience: float

    def sample(self, out: Sequence[int], forbidden: frozenset[int]) -> int:
        """Its next token."""
        order, chance = list(range(VOCABULARY)), self._chance(out, "next")
        chance.shuffle(order)
        if chance.random() < self.patience:
            order.sort(key=(END, STOP, TOOL).__contains__)
        return next(token for token in order if token not in forbidden)

    def is_likely(self, out: Sequence[int], _: frozenset[int]) -> bool:
        """Whether the model might end thinking here."""
        return self._chance(out, "end").random() < 0.2

    def _chance(self, out: Sequence[int], what: str) -> Random:
        return Random(f"{self.seed} {what} {list(out)[-self.memory :]}")


MODELS = st.builds(
    Model, st.integers(0, 1 << 30), st.sampled_from([1, 2, 1000]), st.sampled_from([0.0, 0.9, 1.0])
)
