"""The adapter under random batch histories: every request gets what it would have got alone."""

import sys
from collections.abc import Callable, Sequence
from math import exp
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vllm.sampling_params import SamplingParams
from vllm.v1.sample.logits_processor.interface import BatchUpdate, MoveDirectionality

from server.budget.budget import NEVER
from server.budget.plan import Opening, Plan
from server.budget.running.report import ForcedRecord, ThinkingReport
from server.budget.running.tracker import ThinkingTracker
from server.budget.steering import Steering
from server.engine.worker.processor import PLAN_KEY, ROW_KEY, BudgetProcessor
from server.reasoning.ends import End
from tests.server.budget.driving import drive
from tests.server.budget.obvious import IsLikely, Sample, obvious
from tests.server.budget.plans import ANY_PLAN, END, VOCABULARY, plan

ON_ITS_WAY = -1


def processor() -> BudgetProcessor:
    """One that no engine owns."""
    return BudgetProcessor(None, torch.device("cpu"), False)


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
        self.plan = the_plan
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
    """vLLM's V1 runner, as far as a logits processor sees it: a dense batch of rows that come, go, move,
    swap, are preempted and resumed, with or without async scheduling's placeholders."""

    def __init__(self, requests: Sequence[Request], chance: Random, asynchronous: bool) -> None:
        self.processor = processor()
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
            self.processor.update_state(self._change_batch())
            if self.batch:
                self._step()

    def _control(self) -> None:
        """Between two steps: a control request for any request, wherever it stands."""
        for request in (*self.batch, *self.waiting):
            if request.plan is not None and self.wants_end(request):
                at = self.processor.end_thinking(str(request.number))
                assert at <= request.requested_at  # less, where a step was taken back between two of them
                request.requested_at = at

    def _change_batch(self) -> BatchUpdate | None:
        """Removals leave holes; additions fill them or are appended; the last rows move into the rest."""
        chance, slots = self.chance, list(self.batch)
        rows: list[Request | None] = list(slots)
        removed, added, moved = [], [], []
        for index, request in enumerate(slots):
            preempted = chance.random() < 0.25
            if request.finished or preempted:
                removed.append(index)
                rows[index] = None
                if request.finished:
                    if chance.random() < 0.5:
                        self.records[request.number] = self.processor.take_record(str(request.number))
                else:
                    self._preempt(request)
        holes = sorted(removed)
        while self.waiting and len(rows) - len(holes) < 5 and chance.random() < 0.7:
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
        if not (removed or added or moved):
            return None
        return BatchUpdate(len(self.batch), sorted(removed, reverse=True), added, moved)

    def _preempt(self, request: Request) -> None:
        """It will be resumed with a list of its own; a step may be taken back with it."""
        if request.true_output and self.chance.random() < 0.2:
            request.true_output.pop()
            came = len(request.true_output)  # what was said of the token taken back need not come true
            self.peeked = [each for each in self.peeked if each[0] != request.number or each[1] <= came]
        request.shared = list(request.true_output)
        request.prefill = self.chance.randrange(2)
        self.waiting.append(request)

    def _step(self) -> None:
        for request in self.batch:  # what async scheduling does just before sampling
            request.shared[:] = request.true_output
        logits = torch.tensor([self._logits(request) for request in self.batch])
        sampled = self.processor.apply(logits).argmax(dim=1)
        tokens = self.processor.commit(sampled).tolist()
        for request, token in zip(self.batch, tokens, strict=True):
            if request.prefill:
                request.prefill -= 1
                continue
            request.true_output.append(token)
            request.shared.append(ON_ITS_WAY if self.asynchronous else token)
        self._peek()

    def _peek(self) -> None:
        for request in self.batch:
            if request.plan is not None and self.curiosity.random() < 0.3:
                record = self.processor.peek_record(str(request.number))
                assert record is not None
                self.peeked.append((request.number, len(request.true_output), record))

    def _logits(self, request: Request) -> list[float]:
        """In a chunk of a prefill they are those of some place in the prompt: anything."""
        if request.prefill:
            return preference(request.number, [self.chance.randrange(1 << 30)])
        return preference(request.number, request.true_output)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.one_of(ANY_PLAN, st.none()), min_size=1, max_size=9), st.integers(0, 1 << 30), st.booleans()
)
def test_every_request_gets_what_it_gets_alone(
    the_plans: list[Plan | None], seed: int, asynchronous: bool
) -> None:
    chance = Random(seed)
    requests = [Request(number, each, chance.randrange(3)) for number, each in enumerate(the_plans)]
    engine = Engine(requests, chance, asynchronous)
    engine.run()
    for request in requests:
        if request.plan is not None:
            sample, is_likely = model(request.number, request.plan)
            alone = obvious(request.plan, sample, request.requested_at, is_likely)
            assert request.true_output == alone
            _check_ledger(request, engine)


def _check_ledger(request: Request, engine: Engine) -> None:
    """Forced positions are the forced record's, whether it is asked for before or after the row has left."""
    assert request.plan is not None
    record = engine.records.get(request.number) or engine.processor.take_record(str(request.number))
    assert record is not None
    assert all(at < len(request.true_output) for at in record.forced)
    sample, is_likely = model(request.number, request.plan)
    _, controller = drive(request.plan, sample, request.requested_at, is_likely)
    expected = ForcedRecord(controller.forced, tuple(controller.waits_at), controller.end)
    assert (record.forced, record.waits_at) == (expected.forced, expected.waits_at)
    for number, came, so_far in engine.peeked:
        if number == request.number:
            assert so_far.forced == {at: kind for at, kind in record.forced.items() if at < came}
            assert so_far.waits_at == tuple(at for at in record.waits_at if at < came)
    tracker = ThinkingTracker(request.plan)
    tracker.requested_at = request.requested_at
    for token in request.true_output:
        tracker.feed(token)
    assert len(record.waits_at) <= tracker.tokens
    # A last token still on its way may have opened thinking: of the end it is the report that must be right.
    assert ThinkingReport.of(tracker, record) == ThinkingReport.of(tracker, expected)
    if tracker.end not in (None, End.NATURAL, End.STEPS):  # of these the forced record knows better
        assert record.end is tracker.end


def test_sampler_that_does_not_commit_is_noticed() -> None:
    adapter = processor()
    request = Request(0, plan(max_tokens=1), 0)
    adapter.update_state(BatchUpdate(1, [], [(0, request.params, None, request.shared)], []))
    adapter.apply(torch.zeros(1, VOCABULARY))
    with pytest.raises(RuntimeError, match="not enforced"):
        adapter.apply(torch.zeros(1, VOCABULARY))


def test_rows_without_a_plan_are_left_as_sampled() -> None:
    adapter = processor()
    governed = Request(0, plan(max_tokens=0), 0)
    free = Request(1, None, 0)
    adapter.update_state(BatchUpdate(2, [], [(0, governed.params, None, []), (1, free.params, None, [])], []))
    logits = torch.zeros(2, VOCABULARY)
    assert torch.equal(adapter.apply(logits)[1], torch.zeros(VOCABULARY))
    assert adapter.commit(torch.tensor([5, 5])).tolist() == [END, 5]


def test_delimiter_sampled_behind_its_first_token_stays_where_a_step_would_be_forced() -> None:
    adapter = processor()
    steering = Steering(max_steps=2, step_marks=((END, 14, 1),))
    counting = plan(
        opening=Opening.FORCE, start=(END, 14, 2), end=(END, 5), end_is_distinct=False, steering=steering
    )
    rows = [(index, Request(index, counting, 0).params, None, [END, 14, 2, 3, END]) for index in range(2)]
    adapter.update_state(BatchUpdate(2, [], rows, []))
    adapter.apply(torch.zeros(2, VOCABULARY))
    assert adapter.commit(torch.tensor([5, 4])).tolist() == [5, 14]


def test_output_of_a_row_that_left_is_let_go() -> None:
    adapter = processor()
    request = Request(0, plan(), 0)
    adapter.update_state(BatchUpdate(1, [], [(0, request.params, None, request.shared)], []))
    holders = sys.getrefcount(request.shared)
    adapter.update_state(BatchUpdate(0, [0], [], []))
    left = sys.getrefcount(request.shared)
    assert left < holders


def test_thinking_is_ended_at_the_very_next_token() -> None:
    adapter = processor()
    running, waiting = Request(0, plan(), 0), Request(1, plan(), 0)
    adapter.update_state(BatchUpdate(1, [], [(0, running.params, None, running.shared)], []))
    running.shared += [1, 2, ON_ITS_WAY]
    assert adapter.end_thinking("0") == 3
    assert adapter.end_thinking("1") == 0
    running.shared[-1] = 3
    adapter.update_state(BatchUpdate(2, [], [(1, waiting.params, None, waiting.shared)], []))
    adapter.apply(torch.zeros(2, VOCABULARY))
    assert adapter.commit(torch.tensor([5, 5])).tolist() == [END, END]


def test_ledger_is_given_once_and_unknown_rows_have_none() -> None:
    adapter = processor()
    request = Request(7, plan(max_tokens=0), 0)
    adapter.update_state(BatchUpdate(1, [], [(0, request.params, None, request.shared)], []))
    assert adapter.take_record("7") is not None
    assert adapter.take_record("7") is None


def test_a_clients_own_plan_is_refused() -> None:
    params: dict[str, Any] = {PLAN_KEY: "mine"}
    with pytest.raises(ValueError, match="set by the server"):
        BudgetProcessor.validate_params(SamplingParams(extra_args=params))
