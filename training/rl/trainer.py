"""TRL's GRPOTrainer with rollouts of the real server, a stop at NaN, and the metrics of a run."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

import torch
from torch import Tensor

from training.errors import TrainingError
from training.guard import StopsAtNonsense
from training.rl.grpo import GRPOTrainer
from training.rl.record import RlRecord, StepRollouts
from training.rl.reward import distance, right
from training.rl.rollout import Rollout

Messages = Sequence[Mapping[str, str]]


class Server(Protocol):
    """What a trainer wants of the server: see `RolloutServer`."""

    def exchange(self, weights: Mapping[str, Tensor]) -> float:
        """Serve these weights, of shape [rows, columns] or [width], from now on."""
        ...

    def rollouts(self, questions: Sequence[str], step: int) -> list[list[Rollout]]:
        """Some rollouts of each question."""
        ...


class RlTrainer(StopsAtNonsense, GRPOTrainer):
    """One process. `record` is told of every step."""

    def __init__(self, *args: Any, record: RlRecord, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._record = record
        self._policy: Tensor | None = None
        self.add_callback(record)

    def _get_per_token_logps_and_entropies(self, *args: Any, **kw: Any) -> Any:
        found = super()._get_per_token_logps_and_entropies(*args, **kw)
        self._policy = found[0].detach()
        return found

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """The loss, a scalar; measures how far the server's logprobs are from the trainer's.

        TRL 1.16 corrects for that only where it draws the rollouts itself (`use_vllm`); of a rollout_func's
        logprobs it takes no notice.
        """
        loss: Tensor = super()._compute_loss(model, inputs)
        assert self._policy is not None
        mask = inputs["completion_mask"] * inputs["tool_mask"]
        drift = (self._policy - inputs["sampling_per_token_logps"]).abs() * mask
        self._metrics["train"]["logprob_drift"].append((drift.sum() / mask.sum().clamp(min=1)).item())
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Record the metrics of a step."""
        super().log(logs, start_time)  # puts TRL's own into `logs`
        if "loss" in logs:
            self._record.record(self.state.global_step, logs)


def rollout_func(
    server: Server, samples: int, seen: Callable[[StepRollouts], None]
) -> Callable[[list[Messages], RlTrainer], dict[str, Any]]:
    """TRL's `rollout_func`: exchanges the weights, then draws `samples` rollouts of each problem.

    TRL 1.16 hands it every prompt as many times as it wants rollouts of it (its documentation says once).
    """

    def draw(prompts: list[Messages], trainer: RlTrainer) -> dict[str, Any]:
        questions = questions_of(prompts, samples)
        step = trainer.state.global_step
        update_s = server.exchange(served_weights(trainer.accelerator.unwrap_model(trainer.model)))
        found = StepRollouts.timed(step, update_s, lambda: server.rollouts(questions, step))
        seen(found)
        drawn = [one for some in found.drawn for one in some]
        return {
            "prompt_ids": [list(one.prompt_ids) for one in drawn],
            "completion_ids": [list(one.ids) for one in drawn],
            "logprobs": [list(one.logprobs) for one in drawn],
            "env_mask": [list(one.own) for one in drawn],
            "reply": [one.answer for one in drawn],
            "thinking_tokens": [one.thinking_tokens for one in drawn],
        }

    return draw


def questions_of(prompts: Sequence[Messages], samples: int) -> list[str]:
    """Each problem's question once.

    Raises:
        TrainingError: This release of TRL does not repeat each prompt `samples` times in a row.
    """
    asked = [prompt[-1]["content"] for prompt in prompts]
    found = [(question, len(list(same))) for question, same in groupby(asked)]
    if any(count != samples for _, count in found):
        raise TrainingError(
            f"TRL asks for {[n for _, n in found]} rollouts of its prompts, not {samples} each"
        )
    return [question for question, _ in found]


def served_weights(model: Any) -> dict[str, Tensor]:
    """The weights as the server's checkpoint has them, of shape [rows, columns] or [width].

    They are in bf16, and tied ones are there once.
    """
    tied = getattr(model, "all_tied_weights_keys", {})
    return {
        name: weight.detach().to(torch.bfloat16).contiguous()
        for name, weight in model.state_dict().items()
        if name not in tied
    }


def reward_right(reply: Sequence[str], answer: Sequence[str], **_: Any) -> list[float]:
    """1 for each right answer."""
    return [right(said, reference) for said, reference in zip(reply, answer, strict=True)]


def reward_distance(thinking_tokens: Sequence[int], told: Sequence[int], **_: Any) -> list[float]:
    """The distance to the told budget, to be weighed negatively."""
    return [distance(tokens, budget) for tokens, budget in zip(thinking_tokens, told, strict=True)]
