"""What a step moves between CPU and device: one copy back, and none forward unless an action changes."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from vllm.v1.sample.logits_processor.interface import BatchUpdate

from server.budget.plan import Plan
from server.budget.running.action import NONE
from server.budget.steering import Steering
from server.engine.worker.v1_runner import BudgetProcessor
from server.engine.worker.v2_runner import BudgetSlots
from tests.server.budget.plans import VOCABULARY, plan
from tests.server.engine.worker.batches import Context, Request, Sampled

DEVICE = torch.device("meta")
ROWS = 6


class Transfers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The meta device in the place of a GPU: its tensors have no values, and every copy is an operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.forward = self.back = self.waits = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        devices = {each.device.type for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)}
        if func is torch.ops.aten._local_scalar_dense.default and "meta" in devices:
            self.waits += 1
            return 0
        if func is torch.ops.aten._to_copy.default:
            to = torch.device(kwargs.get("device") or args[0].device).type
            if (devices, to) == ({"meta"}, "cpu"):
                self.back += 1
                self.waits += not kwargs.get("non_blocking")
                return torch.full(args[0].shape, NONE, dtype=kwargs.get("dtype") or args[0].dtype)
            self.forward += (devices, to) == ({"cpu"}, "meta")
            self.waits += (devices, to) == ({"cpu"}, "meta") and not kwargs.get("non_blocking")
        elif len(devices) > 1:  # a number that was made a tensor of the CPU, or a copy_
            self.forward += 1
            self.waits += 1
        return func(*args, **kwargs)

    def counts(self) -> tuple[int, int, int]:
        """Copies forward, copies back and waits for the device since the last time."""
        counts = self.forward, self.back, self.waits
        self.forward = self.back = self.waits = 0
        return counts


class V1:
    def __init__(self, requests: Sequence[Request]) -> None:
        self.outputs = [request.shared for request in requests]
        runner = SimpleNamespace(
            device=DEVICE, input_batch=SimpleNamespace(req_output_token_ids=self.outputs)
        )
        self.processor = BudgetProcessor(runner)
        added = [(at, request.params, None, request.shared) for at, request in enumerate(requests)]
        self.processor.update_state(BatchUpdate(len(requests), [], added, []))

    def step(self) -> None:
        logits = self.processor.apply(torch.empty(ROWS, VOCABULARY, device=DEVICE))
        self.processor.enforcer.commit(logits.argmax(dim=1))
        self.processor.enforcer.send()
        for output in self.outputs:
            output.append(3)


class V2:
    def __init__(self, requests: Sequence[Request]) -> None:
        lengths = {name: SimpleNamespace(np=np.zeros(ROWS, int)) for name in ("prefill_len", "prompt_len")}
        self.slots = BudgetSlots(SimpleNamespace(device=DEVICE, **lengths))
        for slot, request in enumerate(requests):
            self.slots.add_request(slot, request.params)

    def step(self) -> None:
        logits = self.slots.apply(torch.empty(ROWS, VOCABULARY, device=DEVICE), Context(np.arange(ROWS)))
        tokens = self.slots.enforcer.commit(logits.argmax(dim=1))
        counts = torch.empty(ROWS, dtype=torch.int32, device=DEVICE)
        self.slots.sampled(Sampled(tokens.unsqueeze(1), counts), list(range(ROWS)))
        for row in self.slots.rows_of(range(ROWS)).values():
            row.output.append(3)  # the counts that come back are of no device


PLANS = {
    "maximum": lambda: plan(max_tokens=9),
    "minimum": lambda: plan(min_tokens=9),
    "Waits": lambda: plan(max_tokens=9, num_waits=2),
    "likely end": lambda: plan(steering=Steering(land_from=4, sentence_ends=frozenset({3})), max_tokens=9),
}


@pytest.mark.parametrize("make", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("runner", [V1, V2])
def test_step_copies_back_once_and_forward_only_where_an_action_changes(
    runner: type[V1 | V2], make: Callable[[], Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        torch, "Event", lambda _: SimpleNamespace(record=lambda: None, synchronize=lambda: None)
    )
    engine = runner([Request(number, make(), 0) for number in range(ROWS)])
    steps = []
    with Transfers() as transfers:
        for _ in range(16):
            engine.step()
            steps.append(transfers.counts())
    assert {back for _, back, _ in steps} == {1}
    assert {waits for _, _, waits in steps} == {0}
    forward = [copies for copies, _, _ in steps]
    assert set(forward) == {0, 1}
    assert forward[0] == 1 and forward.count(0) > forward.count(1)
