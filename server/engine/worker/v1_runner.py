"""The adapter to vLLM's V1 model runner: a logits processor that follows the batch's rows, and the sampler.

The sampler is the one point where a sampled token can be replaced before its logprob is gathered and before
anyone sees it.
"""

from copy import copy
from dataclasses import replace
from typing import Any

import torch
from vllm.v1.outputs import DraftTokenIds, SamplerOutput
from vllm.v1.sample.logits_processor.interface import BatchUpdate, LogitsProcessor, MoveDirectionality
from vllm.v1.sample.logits_processor.state import LogitsProcessors
from vllm.v1.sample.metadata import SamplingMetadata
from vllm.v1.sample.rejection_sampler import RejectionSampler
from vllm.v1.sample.sampler import Sampler
from vllm.v1.spec_decode.metadata import SpecDecodeMetadata

from server.engine.seams import SeamError, require
from server.engine.worker.cpu_drafts import mend_sampling, name_placeholders
from server.engine.worker.cpu_generators import take_back_discarded_draws
from server.engine.worker.enforcer import Enforcer
from server.engine.worker.row import BatchRow
from server.engine.worker.row_registry import RowRegistry


class BudgetProcessor(LogitsProcessor):
    """Maps batch index to row, through adds, moves and removals."""

    def __init__(self, runner: Any) -> None:
        self.enforcer = Enforcer(runner.device)
        self.registry = RowRegistry(self.enforcer.take)
        self._runner = runner
        self._rows: dict[int, BatchRow] = {}

    def is_argmax_invariant(self) -> bool:
        """It forbids and forces tokens, greedy sampling included."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow the batch's rows: removed, added, moved, in this order (vLLM's contract)."""
        if batch_update is None:
            return
        self.enforcer.take()
        rows = self._rows
        for index in batch_update.removed:
            if (left := rows.pop(index, None)) is not None:
                left.leave()
        for index, params, _, output in batch_update.added:
            row = self.registry.admit(params, output)
            if row is None:
                rows.pop(index, None)
            else:
                rows[index] = row
        for source, target, direction in batch_update.moved:
            moved, replaced = rows.pop(source, None), rows.pop(target, None)
            if moved is not None:
                rows[target] = moved
            if replaced is not None and direction is MoveDirectionality.SWAP:
                rows[source] = replaced
        self._check_outputs()
        self.enforcer.seat(rows)

    def _check_outputs(self) -> None:
        """The lists that the rows follow are the runner's own, which grow; copies would freeze the rows.

        Raises:
            SeamError: They are copies.
        """
        outputs = self._runner.input_batch.req_output_token_ids
        if any(row.output is not outputs[index] for index, row in self._rows.items()):
            raise SeamError("this release of vLLM shares no InputBatch.req_output_token_ids")

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Before sampling; see `Enforcer.prepare`. `logits`: [rows, vocab], changed in place and returned.

        Where drafts are verified, they are those behind whole drafts.
        """
        if (step := self.enforcer.drafted) is None:
            return self.enforcer.prepare(logits)
        step.prepare(logits, step.behind)
        return logits


class V1BudgetSampler(Sampler):
    """vLLM's sampler, with the budget's word after it."""

    enforcer: Enforcer

    def sample(
        self, logits: torch.Tensor, sampling_metadata: SamplingMetadata, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As the base class, from logits [rows, vocab].

        Returns:
            The token ids to emit [rows], and the base class's logprobs.
        """
        sampled, logprobs = super().sample(logits, sampling_metadata, *args, **kwargs)
        return self.enforcer.commit(sampled), logprobs

    def forward(self, *args: Any, **kwargs: Any) -> SamplerOutput:
        """As the base class, which has a way past `sample` on some devices."""
        output = super().forward(*args, **kwargs)
        self.enforcer.send()
        return output


class V1BudgetRejectionSampler(RejectionSampler):
    """vLLM's sampler where drafts are verified, with the budget's word after it."""

    enforcer: Enforcer

    def forward(
        self, metadata: SpecDecodeMetadata, draft_probs: Any, logits: Any, sampling_metadata: SamplingMetadata
    ) -> SamplerOutput:
        """As the base class: token ids [rows, positions], -1 behind those that a row is given.

        Raises:
            RuntimeError: The drafts that are verified are not those that the batch has.
        """
        # The list may go on behind the batch.
        drafts = (sampling_metadata.spec_token_ids or [])[: len(metadata.num_draft_tokens)]
        if [len(draft) for draft in drafts] != metadata.num_draft_tokens:
            raise RuntimeError("thinking budgets are not enforced: other drafts are verified than are known")
        if draft_probs is not None and len(draft_probs) != len(metadata.draft_token_ids):
            raise RuntimeError("thinking budgets are not enforced: drafts have other drafts' probabilities")
        name_placeholders(metadata.draft_token_ids)
        self.enforcer.begin_drafted(drafts, metadata.max_spec_len + 1)
        output = super().forward(metadata, draft_probs, logits, sampling_metadata)
        self.enforcer.commit_drafted(output.sampled_token_ids)
        self.enforcer.send()
        return output

    def apply_logits_processors(
        self, logits: torch.Tensor, sampling_metadata: SamplingMetadata, metadata: SpecDecodeMetadata
    ) -> torch.Tensor:
        """As the base class, from logits [drafted tokens, vocab], in the order of the other sampler.

        Returns:
            The same tensor: masked, under budgets, then with penalties.
        """
        masks = replace(sampling_metadata, no_penalties=True)
        logits = super().apply_logits_processors(logits, masks, metadata)
        if (step := self.enforcer.drafted) is not None:
            step.prepare(logits, step.of_drafts)
        if sampling_metadata.no_penalties:
            return logits
        penalties = replace(
            sampling_metadata,
            allowed_token_ids_mask=None,
            bad_words_token_ids={},
            logitsprocs=LogitsProcessors(),
            thinking_budget_state_holder=None,
        )
        return super().apply_logits_processors(logits, penalties, metadata)

    def _get_logprobs_tensors(self, *args: Any) -> Any:
        """Of the tokens that are given, the last argument."""
        self.enforcer.commit_drafted(args[-1])
        return super()._get_logprobs_tensors(*args)


def install(runner: Any) -> RowRegistry:
    """Put budgets into a V1 model runner that is up.

    Not by `--logits-processors`, which wants another class on each runner, and none with speculation.

    Raises:
        RuntimeError: They cannot be enforced in it; the message names what stands in the way.
    """
    require(runner, "sampler", "input_batch", "discard_request_mask", "_sample", "_bookkeeping_sync")
    require(runner, "speculative_config")
    sampler, batch = runner.sampler, runner.input_batch
    require(batch, "logitsprocs", "logitsprocs_need_output_token_ids", "req_output_token_ids", "generators")
    require(batch.logitsprocs, "non_argmax_invariant")
    require(Sampler, "sample", "forward")
    if type(sampler) is not Sampler:
        raise RuntimeError(f"its sampler is a {type(sampler).__name__}")
    processor = BudgetProcessor(runner)
    batch.logitsprocs.non_argmax_invariant.append(processor)
    batch.logitsprocs_need_output_token_ids = True  # under async scheduling the lists are not filled else
    if runner.speculative_config is not None and hasattr(runner, "rejection_sampler"):
        _install_drafted(runner, processor.enforcer)
    # The class alone: whatever the sampler was made with stays.
    sampler.__class__ = V1BudgetSampler
    sampler.enforcer = processor.enforcer
    take_back_discarded_draws(runner)
    return processor.registry


def _install_drafted(runner: Any, enforcer: Enforcer) -> None:
    """The same where drafts are verified, which only the last stage of a pipeline does.

    Raises:
        RuntimeError: Its rejection sampler is not the one that is known here.
    """
    rejection = runner.rejection_sampler
    require(RejectionSampler, "forward", "apply_logits_processors", "_get_logprobs_tensors")
    require(rejection, "sampler")
    if type(rejection) is not RejectionSampler:
        raise RuntimeError(f"its rejection sampler is a {type(rejection).__name__}")
    # What it samples behind whole drafts is committed with the rest, not by its own sampler.
    rejection.sampler = copy(runner.sampler)
    rejection.__class__ = V1BudgetRejectionSampler
    rejection.enforcer = enforcer
    mend_sampling(runner.device)
    draft_scripts(runner, enforcer)


def draft_scripts(runner: Any, enforcer: Enforcer) -> None:
    """What will be forced is drafted in the place of what the drafter says: it comes in one step.

    Where the drafter is a model, each row of its probabilities is as long as its drafts, and a script no
    longer: vLLM may let it draft less in large batches.
    """
    require(runner, "take_draft_token_ids", "num_spec_tokens", "_draft_token_ids")
    take = runner.take_draft_token_ids

    def take_with_scripts() -> DraftTokenIds | None:
        drafts: DraftTokenIds | None = take()
        if drafts is not None:
            made = runner._draft_token_ids
            most = made.shape[1] if isinstance(made, torch.Tensor) else runner.num_spec_tokens
            for index, script in enforcer.scripts(most).items():
                drafts.draft_token_ids[index] = script
        return drafts

    runner.take_draft_token_ids = take_with_scripts
