"""vLLM's sampler, with the budget's word after it: the one point where a sampled token can be replaced."""

from typing import Any

import torch
from vllm.v1.sample.metadata import SamplingMetadata
from vllm.v1.sample.sampler import Sampler

from server.engine.worker.processor import BudgetProcessor


class BudgetSampler(Sampler):
    """Replaces what the base class sampled, before its logprob is gathered and before anyone sees it."""

    def sample(
        self, logits: torch.Tensor, sampling_metadata: SamplingMetadata, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """[rows, vocab] -> the sampled token of each row [rows], and the base class's logprobs."""
        sampled, logprobs = super().sample(logits, sampling_metadata, *args, **kwargs)
        for processor in sampling_metadata.logitsprocs.non_argmax_invariant:
            if isinstance(processor, BudgetProcessor):
                sampled = processor.commit(sampled)
        return sampled, logprobs
