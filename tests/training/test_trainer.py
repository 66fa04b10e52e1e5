"""The order of the samples and what stands beside them, held to the plain trainer and to a sample alone."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from accelerate.data_loader import SeedableRandomSampler
from torch import Tensor
from transformers import AutoModelForCausalLM
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from server.reasoning.families import FAMILIES
from training.base import load_tokenizer
from training.data import read_data
from training.lesson import Writer
from training.recipes import RECIPES
from training.sft import rows_of
from training.trainer import StepOrder


def test_every_step_has_the_samples_that_the_plain_trainer_gives_it_longest_first() -> None:
    lengths = [(7 * n) % 50 for n in range(40)]
    ours, plain = StepOrder(lengths, 16, 42), SeedableRandomSampler(range(40), data_seed=42)
    for epoch in (0, 1, 3):
        ours.set_epoch(epoch)
        plain.set_epoch(epoch)
        mine, theirs = list(ours), list(plain)
        for at in (0, 16, 32):
            assert set(mine[at : at + 16]) == set(theirs[at : at + 16])
            assert [lengths[n] for n in mine[at : at + 16]] == sorted(
                (lengths[n] for n in mine[at : at + 16]), reverse=True
            )


def test_rows_are_the_lessons_in_eight_bytes_a_token(base: Path, data: Path) -> None:
    written = read_data(data, Writer(load_tokenizer(str(base)), FAMILIES["think"], "tiny"), 1024, "refuse")
    rows, lengths = rows_of(written, replace(RECIPES["nano"], packing=False))
    assert rows["input_ids"][:] == [[*one.ids] for one in written.lessons]
    assert rows["labels"][:] == [[*one.labels] for one in written.lessons]
    assert lengths == [len(one.ids) for one in written.lessons]
    assert {column.feature.dtype for column in rows.features.values()} == {"int32"}


def test_a_packed_sample_has_the_loss_that_it_has_alone(base: Path, data: Path) -> None:
    """Through the trainer's own collator and forward pass: what stands beside a sample changes nothing."""
    lessons = read_data(
        data, Writer(load_tokenizer(str(base)), FAMILIES["think"], "tiny"), 1024, "refuse"
    ).lessons
    net, rows = packed_rows(base, data)
    alone = {tuple(one.ids): losses(net, torch.tensor([one.ids]), None) for one in lessons}
    checked = 0
    for row in rows:
        ids, places = row["input_ids"], row["position_ids"]
        together = losses(net, ids, places)
        starts = [*(places[0] == 0).nonzero().flatten().tolist(), ids.shape[1]]
        for start_at, stop_at in pairwise(starts):
            mine = alone[tuple(ids[0, start_at:stop_at].tolist())]
            torch.testing.assert_close(together[start_at : stop_at - 1], mine, atol=1e-5, rtol=1e-5)
            checked += 1
        blind = losses(net, ids, torch.arange(ids.shape[1])[None])
        if len(starts) > 2:
            assert not torch.allclose(together[starts[1] :], blind[starts[1] :], atol=1e-5)
    assert checked == len(lessons) and len(rows) < len(lessons) / 3


def losses(net: Any, ids: Tensor, places: Tensor | None) -> Tensor:
    """Of every next token, without what the loader hides."""
    more = {} if places is None else {"position_ids": places}
    with torch.no_grad():
        logits = net(input_ids=ids, use_cache=False, **more).logits
    return torch.nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="none")


def packed_rows(base: Path, data: Path) -> tuple[Any, list[dict[str, Any]]]:
    """The network, and an epoch's rows as the trainer's collator makes them."""
    tokenizer = load_tokenizer(str(base))
    written = read_data(data, Writer(tokenizer, FAMILIES["think"], "tiny"), 1024, "refuse")
    rows, _ = rows_of(written, replace(RECIPES["nano"], packing=True, max_tokens=1024))
    collate = DataCollatorForLanguageModeling(tokenizer.pad_token_id, padding_free=True)
    net = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    return net, [collate([row]) for row in rows]
