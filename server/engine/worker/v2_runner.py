"""The adapter to vLLM's V2 model runner: the sampler, and a logits processor that maps slots to rows.

Tokens stay on the device there: each step's are read back before the next step's are sampled.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from vllm.sampling_params import SamplingParams
from vllm.v1.worker.gpu.input_batch import InputBatch
from vllm.v1.worker.gpu.sample.logits_processor.interface import LogitsContext, LogitsProcessor
from vllm.v1.worker.gpu.sample.output import SamplerOutput
from vllm.v1.worker.gpu.sample.sampler import Sampler
from vllm.v1.worker.gpu.spec_decode.rejection_sampler import RejectionSampler
from vllm.v1.worker.gpu.spec_decode.utils import DraftTokensHandler

from server.engine.seams import require
from server.engine.worker.drafted_step import REJECTED
from server.engine.worker.enforcer import Enforcer
from server.engine.worker.row import BatchRow
from server.engine.worker.row_registry import RowRegistry
from server.engine.worker.tables import move
from server.engine.worker.v2_drafts import Drafts


class BudgetSlots(LogitsProcessor):
    """Maps slot to row. `req_states`: the runner's lengths, by slot."""

    def __init__(self, req_states: Any) -> None:
        self.enforcer = Enforcer(req_states.device)
        self.registry = RowRegistry(self.settle)
        self.drafts = Drafts()
        self._req_states = req_states
        self._slots: dict[int, BatchRow] = {}
        self._seated: dict[int, BatchRow] = {}
        self._sampled: list[tuple[int, BatchRow]] = []
        self._verifies: Sequence[Sequence[int]] = ()
        """The drafts that the last step verified, by batch index."""
        self._verified = 0
        """Logits of the step whose tokens are committed; vLLM verifies large batches a part at a time."""

    def add_request(self, req_idx: int, sampling_params: SamplingParams) -> bool:
        """A request gets a slot: for the first time, or after a preemption, with its output in the prompt.

        Returns:
            Whether it has a plan.

        Raises:
            RuntimeError: It comes back with more tokens than were seen to be sampled.
        """
        self.settle()
        self.drafts.joins(req_idx)
        came = int(self._req_states.prefill_len.np[req_idx] - self._req_states.prompt_len.np[req_idx])
        known = self.registry.known(sampling_params)
        output = known.output if known is not None else []
        del output[came:]  # sampled, and discarded with the preemption
        row = self.registry.admit(sampling_params, output)
        if row is None:
            self._slots.pop(req_idx, None)
            return False
        if len(output) != came:
            raise RuntimeError(f"a request comes back with {came} tokens, of which {len(output)} are known")
        self._slots[req_idx] = row
        return True

    def apply(self, logits: torch.Tensor, ctx: LogitsContext) -> torch.Tensor:
        """Before sampling; see `Enforcer.prepare`. `logits`: [rows, vocab], changed in place and returned.

        Where drafts are verified: [positions, vocab], in the order of the rows.
        """
        if (step := self.enforcer.drafted) is not None:
            step.prepare(logits, step.in_order[self._verified : self._verified + logits.shape[0]])
            return logits
        slots = ctx.idx_mapping_np.tolist()
        self._seat(slots)
        self._verifies = [()] * len(slots)
        return self.enforcer.prepare(logits)

    def _seat(self, slots: Sequence[int]) -> None:
        self.settle()
        rows = self.rows_of(slots)
        if rows != self._seated:  # by identity: the order of a batch changes seldom
            self._seated = rows
            self.enforcer.seat(rows)

    def begin_drafted(self, slots: Sequence[int], counts: Sequence[int], width: int) -> None:
        """Before a step that verifies so many drafts of the requests in these slots.

        `width`: see `Enforcer.begin_drafted`.
        """
        self._seat(slots)
        self._verifies = [self.drafts.of(*each) for each in zip(slots, counts, strict=True)]
        self.enforcer.begin_drafted(self._verifies, width)
        self._verified = 0

    def commit_drafted(self, sampled: torch.Tensor, counts: torch.Tensor, verified: int) -> torch.Tensor:
        """After sampling, of the batch's next rows.

        Args:
            sampled: [rows, width], token ids, changed in place.
            counts: [rows], how many of a row's are accepted, or taken instead.
            verified: For how many logits.

        Returns:
            [rows], how many of a row's it is given.
        """
        if self.enforcer.drafted is None:
            return counts
        self._verified += verified
        places = torch.arange(sampled.shape[1], device=sampled.device)
        sampled.masked_fill_(places >= counts.unsqueeze(1), REJECTED)
        self.enforcer.commit_drafted(sampled)
        return (sampled != REJECTED).sum(dim=1).to(counts.dtype)

    def rows_of(self, slots: Sequence[int]) -> dict[int, BatchRow]:
        """Batch index to row, of those that have a plan."""
        return {index: self._slots[slot] for index, slot in enumerate(slots) if slot in self._slots}

    def sampled(self, output: SamplerOutput, slots: Sequence[int]) -> None:
        """After sampling: the step's tokens [rows, width], of the requests in these slots, row by row."""
        if rows := self.rows_of(slots):
            # num_sampled is 0 where a prefill has only got a chunk further.
            self.enforcer.send(output.num_sampled, *output.sampled_token_ids.unbind(dim=1))
            self._sampled = list(rows.items())

    def drafted(self, slots: Sequence[int], drafts: torch.Tensor) -> None:
        """Behind a step: what is known to be forced next is drafted in the place of what the drafter says.

        `drafts`: [rows, drafted tokens], of the requests in these slots; changed in place, as the runner's.
        """
        if self.rows_of(slots):
            self._draft_scripts(slots, drafts)
        self.drafts.made(slots, drafts)

    def _draft_scripts(self, slots: Sequence[int], drafts: torch.Tensor) -> None:
        scripts = self.enforcer.scripts_behind(self._verifies, drafts.shape[1])
        of_tokens = [
            (index, slots[index], at, token)
            for index, script in scripts.items()
            for at, token in enumerate(script)
        ]
        if of_tokens:
            rows, here, at, tokens = move(list(zip(*of_tokens, strict=True)), drafts.device)
            for each, of in ((drafts, rows), (self._req_states.draft_tokens, here)):
                each[of, at] = tokens.to(each.dtype)

    def settle(self) -> None:
        """Tell the rows what came in the last step."""
        if came := self.enforcer.take():
            counts, *tokens = came
            for index, row in self._sampled:
                row.output += [column[index] for column in tokens[: counts[index]]]


class V2BudgetSampler(Sampler):
    """vLLM's sampler, with the budget's word after it, before the tokens' logprobs are gathered."""

    budgets: BudgetSlots

    def sample(self, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """As the base class, from logits [rows, vocab].

        Returns:
            The token ids to emit [rows], and the logits [rows, vocab] that they were sampled from.
        """
        sampled, processed_logits = super().sample(*args, **kwargs)
        return self.budgets.enforcer.commit(sampled), processed_logits

    def __call__(self, logits: torch.Tensor, input_batch: InputBatch) -> SamplerOutput:
        """As the base class; the rows are told what came."""
        output = super().__call__(logits, input_batch)
        self.budgets.sampled(output, input_batch.idx_mapping_np.tolist())
        return output


class V2BudgetRejectionSampler(RejectionSampler):
    """vLLM's sampler where drafts are verified, with the budget's word after it."""

    budgets: BudgetSlots

    def __call__(
        self, logits: torch.Tensor, input_batch: InputBatch, *args: Any, **kwargs: Any
    ) -> SamplerOutput:
        """As the base class, from logits [positions, vocab]; the rows are told what came."""
        slots = input_batch.idx_mapping_np.tolist()
        counts = (np.diff(input_batch.cu_num_logits_np) - 1).tolist()
        self.budgets.begin_drafted(slots, counts, self.num_speculative_steps + 1)
        output = super().__call__(logits, input_batch, *args, **kwargs)
        self.budgets.sampled(output, slots)
        return output

    def _verify(
        self, logits: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As the base class, from logits [positions, vocab], of the batch's next rows.

        Returns:
            The logits that were sampled from, the token ids [rows, width], and how many of them each row is
            given.
        """
        processed_logits, sampled, counts = super()._verify(logits, *args, **kwargs)
        counts = self.budgets.commit_drafted(sampled, counts, logits.shape[0])
        return processed_logits, sampled, counts


class BudgetDraftTokensHandler(DraftTokensHandler):
    """vLLM's, which is handed each step's drafts as they are made."""

    budgets: BudgetSlots

    def set_draft_tokens(self, input_batch: InputBatch, draft_tokens: torch.Tensor) -> None:
        """As the base class. `draft_tokens`: [rows, drafted tokens]."""
        self.budgets.drafted(input_batch.idx_mapping_np.tolist(), draft_tokens)
        super().set_draft_tokens(input_batch, draft_tokens)


def install(runner: Any) -> RowRegistry | None:
    """Put budgets into a V2 model runner that is up; None on a stage of a pipeline that samples nothing.

    Raises:
        RuntimeError: They cannot be enforced in it; the message names what stands in the way.
    """
    require(runner, "sampler", "req_states", "batch_sharder", "rejection_sampler", "draft_tokens_handler")
    require(runner.req_states, "device", "prefill_len", "prompt_len", "draft_tokens")
    sampler = runner.sampler
    if sampler is None:
        return None
    require(sampler, "logits_processors", "penalties_state", "trace_replay_state", "return_sampling_mask")
    require(sampler, "sample", "needs_logits_processing")
    if type(sampler) is not Sampler:
        raise RuntimeError(f"its sampler is a {type(sampler).__name__} (watermarks, diffusion)")
    unsupported = {
        "batch-sharded sampling": runner.batch_sharder is not None,
        "trace replay": sampler.trace_replay_state is not None,
        "sampling masks": sampler.return_sampling_mask,
    }
    for name, is_on in unsupported.items():
        if is_on:
            raise RuntimeError(f"{name} is on")
    budgets = BudgetSlots(runner.req_states)
    # Before penalties, where the V1 runner has custom processors, too: what is likely, the model itself says.
    processors = sampler.logits_processors
    processors.insert(processors.index(sampler.penalties_state), budgets)
    sampler.__class__ = V2BudgetSampler
    sampler.budgets = budgets
    if runner.rejection_sampler is not None:
        _install_drafted(runner, budgets)
    return budgets.registry


def _install_drafted(runner: Any, budgets: BudgetSlots) -> None:
    """The same where drafts are verified.

    Raises:
        RuntimeError: Its rejection sampler, or what keeps its drafts, is not the one that is known here.
    """
    rejection, handler = runner.rejection_sampler, runner.draft_tokens_handler
    require(RejectionSampler, "__call__", "_verify")
    require(rejection, "num_speculative_steps")
    require(DraftTokensHandler, "set_draft_tokens")
    for each, known in ((rejection, RejectionSampler), (handler, DraftTokensHandler)):
        if type(each) is not known:
            raise RuntimeError(f"its {known.__name__} is a {type(each).__name__}")
    rejection.__class__ = V2BudgetRejectionSampler
    rejection.budgets = budgets
    handler.__class__ = BudgetDraftTokensHandler
    handler.budgets = budgets
