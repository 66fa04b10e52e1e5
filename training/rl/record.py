"""The metrics of a run, a line a step, and the rewards of each rollout; a resumed run goes on with both."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from transformers import TrainerCallback

from training.metrics import StepLog, lines_until
from training.rl.prompts import Prompt
from training.rl.reward import distance, right
from training.rl.rollout import Rollout

REWARDS = "rewards.jsonl"


@dataclass(frozen=True, slots=True)
class StepRollouts:
    """The rollouts of a step, by problem, with the seconds of the weights' exchange and of drawing them."""

    step: int
    update_s: float
    seconds: float
    drawn: Sequence[Sequence[Rollout]]

    @classmethod
    def timed(cls, step: int, update_s: float, draw: Callable[[], list[list[Rollout]]]) -> Self:
        """Draw, and look at the clock."""
        began = time.monotonic()
        drawn = draw()
        return cls(step, update_s, time.monotonic() - began, drawn)

    @property
    def all(self) -> list[Rollout]:
        """Of all problems."""
        return [one for some in self.drawn for one in some]

    @property
    def tokens(self) -> int:
        """Generated tokens."""
        return sum(len(one.ids) for one in self.all)

    def mean(self, of: Callable[[Rollout], float]) -> float:
        """The mean over the rollouts."""
        return sum(map(of, self.all)) / len(self.all)


class RlRecord(TrainerCallback):
    """`prompts`: those of all steps, `each` for a step."""

    def __init__(
        self, folder: Path, prompts: Sequence[Prompt], each: int, steps: int, resumed: int, watched: bool
    ) -> None:
        self._log = StepLog(folder, steps, resumed, watched)
        self._rewards, self._prompts, self._each = folder / REWARDS, prompts, each
        lines_until(self._rewards, resumed)
        last = self._log.kept[-1] if self._log.kept else {"tokens": 0, "seconds": 0.0}
        self.tokens, self.seconds = int(last["tokens"]), float(last["seconds"])
        self._began = time.monotonic()
        self._found: StepRollouts | None = None

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start timing the step."""
        self._began = time.monotonic()

    def see(self, found: StepRollouts) -> None:
        """The rollouts of the step that is under way."""
        self._found = found

    def record(self, step: int, logs: dict[str, Any]) -> None:
        """Write the step, which is over, with the rollouts that it was made of."""
        found = self._found
        assert found is not None and found.step == step - 1
        seconds = time.monotonic() - self._began
        self.tokens, self.seconds = self.tokens + found.tokens, self.seconds + seconds
        line = {
            "step": step,
            **{name: logs[name] for name in ("loss", "learning_rate", "grad_norm", "entropy")},
            **{name: logs[name] for name in ("reward", "reward_std", "logprob_drift")},
            "right": logs["rewards/reward_right/mean"],
            "distance": logs.get("rewards/reward_distance/mean"),
            "thinking_tokens": found.mean(lambda one: one.thinking_tokens),
            "natural": found.mean(lambda one: one.end == "natural"),
            "cut": found.mean(lambda one: one.is_cut),
            "forced": sum(one.forced for one in found.all) / found.tokens,
            "tokens": self.tokens,
            "tokens_per_s": found.tokens / seconds,
            "rollout_tokens_per_s": found.tokens / found.seconds,
            "update_s": found.update_s,
            "seconds": self.seconds,
        }
        self._write_rewards(step, found)
        shown = {"reward": f"{line['reward']:.3f}", "thinking": f"{line['thinking_tokens']:.0f}"}
        self._log.write(line, [name for name in line if name not in ("step", "tokens", "seconds")], shown)

    def _write_rewards(self, step: int, found: StepRollouts) -> None:
        prompts = self._prompts[found.step * self._each :]
        with self._rewards.open("a") as file:
            for prompt, drawn in zip(prompts, found.drawn, strict=False):
                told = {
                    "step": step,
                    "problem": sha256(prompt.question.encode()).hexdigest()[:16],
                    "told": prompt.told or None,
                    "right": [right(one.answer, prompt.answer) for one in drawn],
                    "distance": [round(distance(one.thinking_tokens, prompt.told), 4) for one in drawn],
                    "thinking_tokens": [one.thinking_tokens for one in drawn],
                    "ends": [one.end for one in drawn],
                }
                file.write(json.dumps(told) + "\n")

    def close(self) -> None:
        """Close TensorBoard's writer and the progress bar."""
        self._log.close()
