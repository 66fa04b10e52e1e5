"""Enforcement under random batch histories, on both runners: each request gets what it would get alone."""

import sys
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vllm.sampling_params import SamplingParams
from vllm.v1.outputs import DraftTokenIds
from vllm.v1.sample.logits_processor.interface import BatchUpdate

from server.budget.plan import Opening, Plan
from server.budget.running.action import Action
from server.budget.running.report import ForcedRecord, ThinkingReport
from server.budget.running.tracker import ThinkingTracker
from server.budget.steering import Steering
from server.engine.seams import SeamError
from server.engine.worker.drafted_step import DraftedStep
from server.engine.worker.row import BatchRow
from server.engine.worker.tables import Tables
from server.engine.worker.v1_runner import BudgetProcessor, draft_scripts
from server.engine.worker.v2_runner import BudgetSlots
from server.reasoning.ends import End
from tests.examples import examples
from tests.server.budget.driving import drive
from tests.server.budget.obvious import obvious
from tests.server.budget.plans import ANY_PLAN, CUE, END, VOCABULARY, plan
from tests.server.engine.worker.batches import (
    ON_ITS_WAY,
    Context,
    Engine,
    Request,
    Sampled,
    V1Engine,
    V2Engine,
    model,
    runner_of,
)
from tests.server.engine.worker.drafted_batches import V1DraftedEngine, V2DraftedEngine

RUNNERS = pytest.mark.parametrize("runner", [V1Engine, V1DraftedEngine, V2Engine, V2DraftedEngine])


CPU = torch.device("cpu")


class Adapter(BudgetProcessor):
    """V1's, in a runner that has nothing else."""

    def __init__(self) -> None:
        super().__init__(runner_of([]))
        self.outputs: list[list[int]] = self._runner.input_batch.req_output_token_ids

    def add(self, params: SamplingParams, output: list[int]) -> None:
        """One more request in the batch."""
        self.outputs.append(output)
        at = len(self.outputs) - 1
        self.update_state(BatchUpdate(at + 1, [], [(at, params, None, output)], []))


@RUNNERS
@settings(max_examples=examples(150))
@given(
    st.lists(st.one_of(ANY_PLAN, st.none()), min_size=1, max_size=9), st.integers(0, 1 << 30), st.booleans()
)
def test_every_request_gets_what_it_gets_alone(
    runner: type[Engine], the_plans: list[Plan | None], seed: int, asynchronous: bool
) -> None:
    chance = Random(seed)
    requests = [Request(number, each, chance.randrange(3)) for number, each in enumerate(the_plans)]
    engine = runner(requests, chance, asynchronous)
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
    record = engine.records.get(request.number) or engine.registry.take_record(str(request.number))
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
    adapter = Adapter()
    request = Request(0, plan(max_tokens=1), 0)
    adapter.add(request.params, request.shared)
    adapter.apply(torch.zeros(1, VOCABULARY))
    with pytest.raises(RuntimeError, match="not enforced"):
        adapter.enforcer.send()
    with pytest.raises(RuntimeError, match="not enforced"):
        adapter.apply(torch.zeros(1, VOCABULARY))


def test_output_list_that_the_runner_does_not_share_is_noticed() -> None:
    adapter = Adapter()
    request = Request(0, plan(), 0)
    adapter.outputs.append(list(request.shared))
    with pytest.raises(SeamError, match=r"InputBatch\.req_output_token_ids"):
        adapter.update_state(BatchUpdate(1, [], [(0, request.params, None, request.shared)], []))


def test_rows_without_a_plan_are_left_as_sampled() -> None:
    adapter = Adapter()
    governed = Request(0, plan(max_tokens=0), 0)
    free = Request(1, None, 0)
    adapter.add(governed.params, [])
    adapter.add(free.params, [])
    logits = torch.zeros(2, VOCABULARY)
    assert torch.equal(adapter.apply(logits)[1], torch.zeros(VOCABULARY))
    assert adapter.enforcer.commit(torch.tensor([5, 5])).tolist() == [END, 5]


def counting_steps() -> Plan:
    steering = Steering(max_steps=2, step_marks=((END, 14, 1),))
    return plan(
        opening=Opening.FORCE, start=(END, 14, 2), end=(END, 5), end_is_distinct=False, steering=steering
    )


def test_delimiter_sampled_behind_its_first_token_stays_where_a_step_would_be_forced() -> None:
    adapter = Adapter()
    for number in range(2):
        adapter.add(Request(number, counting_steps(), 0).params, [END, 14, 2, 3, END])
    adapter.apply(torch.zeros(2, VOCABULARY))
    assert adapter.enforcer.commit(torch.tensor([5, 4])).tolist() == [5, 14]


def test_what_is_forced_comes_in_one_step_whatever_is_sampled() -> None:
    adapter = Adapter()
    for number, the_plan in enumerate((plan(max_tokens=0), plan(), plan(max_tokens=0))):
        adapter.add(Request(number, the_plan, 0).params, [])
    scripts = adapter.enforcer.scripts(4)
    assert scripts == {0: [END, *CUE], 2: [END, *CUE]}
    assert adapter.enforcer.scripts(2)[0] == [END, CUE[0]]
    adapter.enforcer.begin_drafted([scripts[0], [], scripts[2]], 4)
    sampled = torch.tensor([[3, -1, -1, -1], [6, -1, -1, -1], [END, *CUE, 4]])
    adapter.enforcer.commit_drafted(sampled)
    assert sampled.tolist() == [[END, *CUE, -1], [6, -1, -1, -1], [END, *CUE, 4]]


def test_script_is_no_longer_than_what_a_model_has_drafted() -> None:
    adapter = Adapter()
    adapter.add(Request(0, plan(max_tokens=0), 0).params, [])
    for made, most in ((torch.zeros(1, 2), 2), ([[]], 3)):
        drafted = DraftTokenIds(["0"], [[1, 2]])
        runner: Any = SimpleNamespace(
            num_spec_tokens=4, _draft_token_ids=made, take_draft_token_ids=lambda drafted=drafted: drafted
        )
        draft_scripts(runner, adapter.enforcer)
        assert runner.take_draft_token_ids().draft_token_ids == [[END, *CUE][:most]]


class Slots(BudgetSlots):
    """V2's, in a runner that has nothing else: request n has slot n."""

    WIDTH = 5

    def __init__(self, *plans: Plan) -> None:
        size = len(plans)
        lengths = {name: SimpleNamespace(np=np.zeros(size, int)) for name in ("prefill_len", "prompt_len")}
        self.states = SimpleNamespace(
            device=CPU, draft_tokens=torch.zeros(size, self.WIDTH - 1, dtype=torch.int64), **lengths
        )
        super().__init__(self.states)
        self.size = size
        for number, the_plan in enumerate(plans):
            self.add_request(number, Request(number, the_plan, 0).params)

    def step(self, *drafts: list[int], counts: list[int] | None = None) -> list[list[int]]:
        """What comes of a step that samples 6 everywhere, behind which the drafter says these."""
        order = list(range(self.size))
        if counts is None:
            self.apply(torch.zeros(self.size, VOCABULARY), Context(np.array(order)))
            tokens = self.enforcer.commit(torch.full((self.size,), 6)).unsqueeze(1)
            given = torch.ones(self.size, dtype=torch.int32)
        else:
            self.begin_drafted(order, counts, self.WIDTH)
            positions = sum(counts) + self.size
            self.apply(torch.zeros(positions, VOCABULARY), Context(np.array(order)))
            tokens = torch.full((self.size, self.WIDTH), 6)
            given = self.commit_drafted(tokens, torch.ones(self.size, dtype=torch.int32), positions)
        self.sampled(Sampled(tokens, given), order)
        made = torch.tensor([*drafts])
        self.states.draft_tokens[:] = made
        self.drafted(order, made)
        assert torch.equal(self.states.draft_tokens, made)
        return [row[:count] for row, count in zip(tokens.tolist(), given.tolist(), strict=True)]


def test_what_is_forced_is_drafted_on_the_device_once_a_step_has_begun_it() -> None:
    slots = Slots(plan(max_tokens=0), plan(max_tokens=1), plan())
    others = [[1, 2, 3, 4]] * 3
    assert slots.step(*others) == [[END], [6], [6]]
    assert slots.states.draft_tokens.tolist() == [[*CUE, 3, 4], *others[1:]]
    assert slots.step(*others, counts=[1, 4, 0]) == [[*CUE], [END], [6]]
    assert slots.states.draft_tokens.tolist() == [others[0], [*CUE, 3, 4], others[2]]
    assert slots.step(*others, counts=[0, 4, 0]) == [[6], [*CUE], [6]]


def test_script_goes_on_behind_as_much_of_a_draft_as_agrees_with_it() -> None:
    row = BatchRow(plan(max_tokens=0), [])
    script = [END, *CUE]
    assert row.script(9) == script
    for draft, left in (([], CUE), ([6, *CUE], CUE), ([END], CUE[1:]), ([END, 6], CUE[1:]), (script, ())):
        assert row.script_behind(draft, 9) == [*left]
    assert row.script_behind([], 1) == [*CUE[:1]]


def test_step_that_the_model_may_refuse_is_no_forced_token() -> None:
    adapter = Adapter()
    adapter.add(Request(0, counting_steps(), 0).params, [END, 14, 2, 3, END])
    assert adapter.enforcer.scripts(4) == {}
    # Nor does it come where nothing was drawn, behind one that is.
    actions = [Action(force=3), Action(force=14, spare=5)]
    row: Any = SimpleNamespace(action=actions[0], actions_along=lambda draft: actions[: len(draft) + 1])
    step = DraftedStep({0: row}, Tables({0: row.action}, 1, CPU), [[3]], 2, CPU)
    sampled = torch.tensor([[6, -1]])
    step.commit(sampled)
    assert sampled.tolist() == [[3, -1]]


def test_output_of_a_row_that_left_is_let_go() -> None:
    adapter = Adapter()
    request = Request(0, plan(), 0)
    adapter.add(request.params, request.shared)
    holders = sys.getrefcount(request.shared)
    adapter.outputs.clear()
    adapter.update_state(BatchUpdate(0, [0], [], []))
    left = sys.getrefcount(request.shared)
    assert left < holders


def test_thinking_is_ended_at_the_very_next_token() -> None:
    adapter = Adapter()
    running, waiting = Request(0, plan(), 0), Request(1, plan(), 0)
    adapter.add(running.params, running.shared)
    running.shared += [1, 2, ON_ITS_WAY]
    assert adapter.registry.end_thinking("0") == 3
    assert adapter.registry.end_thinking("1") == 0
    running.shared[-1] = 3
    adapter.add(waiting.params, waiting.shared)
    adapter.apply(torch.zeros(2, VOCABULARY))
    assert adapter.enforcer.commit(torch.tensor([5, 5])).tolist() == [END, END]


def test_ledger_is_given_once_and_unknown_rows_have_none() -> None:
    adapter = Adapter()
    request = Request(7, plan(max_tokens=0), 0)
    adapter.add(request.params, request.shared)
    assert adapter.registry.take_record("7") is not None
    assert adapter.registry.take_record("7") is None
