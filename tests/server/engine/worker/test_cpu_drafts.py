"""What vLLM's CPU build gets wrong of sampling where drafts are verified."""

from types import SimpleNamespace

import pytest
import torch
from vllm.v1.sample import rejection_sampler

from server.engine.worker.cpu_drafts import mend_sampling


@pytest.mark.parametrize("counts", [[0, 0], [2, 0], [1, 2]])
def test_positions_of_drafts_are_sampled_under_their_rows_temperature_and_top_k(
    counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("expand_batch_to_tokens", "apply_top_k_top_p"):  # put back at the end
        monkeypatch.setattr(rejection_sampler, name, getattr(rejection_sampler, name))
    mend_sampling(torch.device("cpu"))
    asked = SimpleNamespace(
        all_greedy=False, temperature=torch.tensor([0.5, 0.25]), top_k=torch.tensor([2, 1]), top_p=None
    )
    logits = torch.tensor([[0.0, 1.0, 2.0]] * sum(counts)).reshape(-1, 3)
    got = rejection_sampler.apply_sampling_constraints(logits, torch.tensor(counts).cumsum(0), asked)
    gone = float("-inf")
    rows = [[gone, 2.0, 4.0]] * counts[0] + [[gone, gone, 8.0]] * counts[1]
    assert got.tolist() == rows
