"""Simulated model runners: what vLLM's V1 and V2 do to a batch, as far as the budget's adapters see it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import exp
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from vllm.sampling_params import SamplingParams
from vllm.v1.sample.logits_processor.interface import BatchUpdate, MoveDirectionality

from server.budget.budget import NEVER
from server.budget.plan import Plan
from server.budget.running.report import ForcedRecord
from server.engine.worker.row_registry import PLAN_KEY, ROW_KEY, RowRegistry
from server.engine.worker.v1_runner import BudgetProcessor
from server.engine.worker.v2_runner import BudgetSlots
from tests.server.budget.obvious import IsLikely
from tests.server.budget.obvious_text import Sample
from tests.server.budget.plans import TWO_SPELLINGS, VOCABULARY

ON_ITS_WAY = -1
SLOTS = 5


def preference(request: int, output: Sequence[int]) -> list[float]:
    """The logits of a model whose every choice depends on the whole output so far."""
    order: list[float] = [float(place) for place in range(VOCABULARY)]
    Random(f"{request} {list(output)}").shuffle(order)
    return order


def model(request: int, the_plan: Plan) -> tuple[Sample, IsLikely]:
    """The greedy model of these logits, without an engine."""

    def sample(out: Sequence[int], forbidden: frozenset[int]) -> int:
        logits = preference(request, out)
        return max((token for token in range(VOCABULARY) if token not in forbidden), key=logits.__getitem__)

    def is_likely(out: Sequence[int], forbidden: frozenset[int]) -> bool:
        logits = preference(request, out)
        total = sum(exp(logits[token]) for token in range(VOCABULARY) if token not in forbidden)
        return exp(logits[the_plan.end[0]]) >= 0.1 * total

    return sample, is_likely


class Request:
    """A request in the simulated engine: its real output, and the list that the processor sees."""

    def __init__(self, number: int, the_plan: Plan | None, prefill: int) -> None:
        self.number = number
        # The marks of ordinary text are the model's: all requests of an engine have the same.
        self.plan = replace(the_plan, text=TWO_SPELLINGS) if the_plan and the_plan.text else the_plan
        self.prefill = prefill
        """Steps whose sampled token is discarded."""
        self.requested_at = NEVER
        """Where its thinking was ended by request, as the processor said."""
        self.true_output: list[int] = []
        self.shared: list[int] = []

    @property
    def params(self) -> SamplingParams:
        if self.plan is None:
            return SamplingParams()
        return SamplingParams(extra_args={PLAN_KEY: self.plan.to_wire(), ROW_KEY: str(self.number)})

    @property
    def finished(self) -> bool:
        if self.plan is None:
            return len(self.true_output) >= 12
        ended = bool(self.true_output) and self.true_output[-1] in self.plan.end_of_turn
        return ended or len(self.true_output) >= self.plan.room


class Engine:
    """A runner's batch: requests that come, go, are preempted and resumed, with or without async scheduling;
    how its rows are laid out is the subclass's."""

    registry: RowRegistry

    def __init__(self, requests: Sequence[Request], chance: Random, asynchronous: bool) -> None:
        self.waiting = list(requests)
        self.batch: list[Request] = []
        self.chance = chance
        self.asynchronous = asynchronous
        self.wants_end: Callable[[Request], bool] = lambda _: chance.random() < 0.02
        self.records: dict[int, ForcedRecord | None] = {}
        self.curiosity = Random(chance.random())
        self.peeked: list[tuple[int, int, ForcedRecord]] = []
        """(request, output tokens by then, what was said to have been forced by then)"""

    def run(self) -> None:
        while self.waiting or self.batch:
            self._control()
            self._change_batch()
            if self.batch:
                self._step()
                self._peek()

    def _change_batch(self) -> None:
        """Requests leave and enter."""
        raise NotImplementedError

    def _step(self) -> None:
        """One token for each request of the batch whose prefill is over."""
        raise NotImplementedError

    def _control(self) -> None:
        """Between two steps: a control request for any request, wherever it stands."""
        for request in (*self.batch, *self.waiting):
            if request.plan is not None and self.wants_end(request):
                at = self.registry.end_thinking(str(request.number))
                assert at <= request.requested_at  # less, where a step was taken back between two of them
                request.requested_at = at

    def _leaves(self, request: Request) -> bool:
        """Whether it leaves now: finished, or preempted."""
        preempted = self.chance.random() < 0.25
        if request.finished:
            if self.chance.random() < 0.5:
                self.records[request.number] = self.registry.take_record(str(request.number))
        elif preempted:
            self._preempt(request)
        return request.finished or preempted

    def _preempt(self, request: Request) -> None:
        """It will be resumed with a list of its own; a step may be taken back with it."""
        if request.true_output and self.chance.random() < 0.2:
            request.true_output.pop()
            came = len(request.true_output)  # what was said of the token taken back need not come true
            self.peeked = [each for each in self.peeked if each[0] != request.number or each[1] <= came]
        request.shared = list(request.true_output)
        request.prefill = self.chance.randrange(2)
        self.waiting.append(request)

    def _peek(self) -> None:
        for request in self.batch:
            if request.plan is not None and self.curiosity.random() < 0.3:
                record = self.registry.peek_record(str(request.number))
                assert record is not None
                self.peeked.append((request.number, len(request.true_output), record))

    def _logits(self, request: Request) -> list[float]:
        """In a chunk of a prefill they are those of some place in the prompt: anything."""
        if request.prefill:
            return preference(request.number, [self.chance.randrange(1 << 30)])
        return preference(request.number, request.true_output)

    def _take(self, request: Request, token: int) -> bool:
        """Whether the token stays: it does not where a prefill has only got a chunk further."""
        if request.prefill:
            request.prefill -= 1
            return False
        request.true_output.append(token)
        return True


def runner_of(outputs: list[list[int]]) -> SimpleNamespace:
    """Of a V1 runner what the adapter reads: the output lists of its batch."""
    batch = SimpleNamespace(req_output_token_ids=outputs)
    return SimpleNamespace(device=torch.device("cpu"), input_batch=batch)


class V1Engine(Engine):
    """A dense batch whose rows move and swap; each row's output list is shared, and has placeholders under
    async scheduling."""

    def __init__(self, requests: Sequence[Request], chance: Random, asynchronous: bool) -> None:
        super().__init__(requests, chance, asynchronous)
        self.runner = runner_of([])
        self.processor = BudgetProcessor(self.runner)
        self.registry = self.processor.registry
        self.registry.text = TWO_SPELLINGS

    def _change_batch(self) -> None:
        """Removals leave holes; additions fill them or are appended; the last rows move into the rest."""
        chance, slots = self.chance, list(self.batch)
        rows: list[Request | None] = list(slots)
        removed, added, moved = [], [], []
        for index, request in enumerate(slots):
            if self._leaves(request):
                removed.append(index)
                rows[index] = None
        holes = sorted(removed)
        while self.waiting and len(rows) - len(holes) < SLOTS and chance.random() < 0.7:
            request = self.waiting.pop(chance.randrange(len(self.waiting)))
            index = holes.pop(0) if holes else len(rows)
            if index == len(rows):
                rows.append(None)
            rows[index] = request
            added.append((index, request.params, None, request.shared))
        while None in rows:
            hole = rows.index(None)
            last = len(rows) - 1
            if rows[last] is None:
                rows.pop()
                continue
            rows[hole] = rows.pop()
            moved.append((last, hole, MoveDirectionality.UNIDIRECTIONAL))
        if len(rows) > 1 and chance.random() < 0.3:
            one, other = chance.sample(range(len(rows)), 2)
            rows[one], rows[other] = rows[other], rows[one]
            moved.append((one, other, MoveDirectionality.SWAP))
        self.batch = [row for row in rows if row is not None]
        if removed or added or moved:
            removed.sort(reverse=True)
            self.runner.input_batch.req_output_token_ids = [each.shared for each in self.batch]
            self.processor.update_state(BatchUpdate(len(self.batch), removed, added, moved))

    def _step(self) -> None:
        for request in self.batch:  # what async scheduling does just before sampling
            request.shared[:] = request.true_output
        logits = torch.tensor([self._logits(request) for request in self.batch])
        sampled = self.processor.apply(logits).argmax(dim=1)
        tokens = self.processor.enforcer.commit(sampled).tolist()
        self.processor.enforcer.send()
        for request, token in zip(self.batch, tokens, strict=True):
            if self._take(request, token):
                request.shared.append(ON_ITS_WAY if self.asynchronous else token)


class V2Engine(Engine):
    """Requests have slots; the order of the batch is any, anew at each step; tokens stay on the device."""

    def __init__(self, requests: Sequence[Request], chance: Random, asynchronous: bool) -> None:
        super().__init__(requests, chance, asynchronous)
        lengths = {name: SimpleNamespace(np=np.zeros(SLOTS, int)) for name in ("prefill_len", "prompt_len")}
        self.states = SimpleNamespace(device=torch.device("cpu"), **lengths)
        self.slots = BudgetSlots(self.states)
        self.registry = self.slots.registry
        self.registry.text = TWO_SPELLINGS
        self.needs_processing = [False] * SLOTS
        self.slot_of: dict[int, int] = {}
        self.free = list(range(SLOTS))

    def _change_batch(self) -> None:
        chance = self.chance
        for request in [each for each in self.batch if self._leaves(each)]:
            self.batch.remove(request)
            self.free.append(self.slot_of.pop(request.number))
        while self.waiting and self.free and chance.random() < 0.7:
            request = self.waiting.pop(chance.randrange(len(self.waiting)))
            slot = self.slot_of[request.number] = self.free.pop()
            self.states.prompt_len.np[slot] = prompt = chance.randrange(1, 9)
            self.states.prefill_len.np[slot] = prompt + len(request.true_output)
            self.needs_processing[slot] = self.slots.add_request(slot, request.params)
            self.batch.append(request)

    def _step(self) -> None:
        if self.chance.random() < 0.3:
            self.chance.shuffle(self.batch)
        slots = np.array([self.slot_of[request.number] for request in self.batch])
        sampled = torch.tensor([self._logits(request) for request in self.batch])
        if any(self.needs_processing[slot] for slot in slots):
            sampled = self.slots.apply(sampled, Context(slots))
        tokens = self.slots.enforcer.commit(sampled.argmax(dim=1))
        stays = [self._take(*each) for each in zip(self.batch, tokens.tolist(), strict=True)]
        output = Sampled(tokens.unsqueeze(1), torch.tensor(stays, dtype=torch.int32))
        self.slots.sampled(output, slots.tolist())


class Context:
    """Of V2's LogitsContext, what the adapter reads."""

    def __init__(self, slots: Any) -> None:
        self.idx_mapping_np = slots


class Sampled:
    """Of V2's SamplerOutput, what the adapter reads."""

    def __init__(self, tokens: torch.Tensor, counts: torch.Tensor) -> None:
        self.sampled_token_ids, self.num_sampled = tokens, counts
