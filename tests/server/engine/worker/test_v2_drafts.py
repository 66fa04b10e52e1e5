"""A draft is its request's: whoever joins in the same slot has none."""

import torch

from server.engine.worker.v2_drafts import NEVER_DRAFTED, Drafts


def test_request_that_joins_has_nothing_of_the_slots_last_draft() -> None:
    drafts = Drafts()
    drafts.made([4, 1], torch.tensor([[40, 41], [7, 8]]))
    drafts.joins(4)
    assert drafts.of(4, 2) == [NEVER_DRAFTED] * 2
    assert drafts.of(1, 2) == [7, 8]
    drafts.made([4], torch.tensor([[50, 51]]))
    assert drafts.of(4, 2) == [50, 51]
