"""What comes where drafts are verified at a temperature has the law of "sample; if it is the end, drop it and
append the nudge"."""

from collections import Counter
from collections.abc import Mapping
from itertools import product
from types import SimpleNamespace

import pytest
import torch
from vllm.platforms import current_platform
from vllm.v1.sample.logits_processor.state import LogitsProcessors
from vllm.v1.sample.metadata import SamplingMetadata
from vllm.v1.sample.rejection_sampler import RejectionSampler
from vllm.v1.sample.sampler import Sampler
from vllm.v1.spec_decode.metadata import SpecDecodeMetadata

from server.engine.worker.row import BatchRow
from server.engine.worker.v1_runner import BudgetProcessor, install
from tests.server.budget.plans import END, NUDGE, VOCABULARY, plan

ROWS, LENGTH, DRAFTED, TEMPERATURE = 8_000, 3, 2, 0.7
START, ONE, TWO, WAIT = 0, 1, VOCABULARY - 1, NUDGE[0]
MODEL = {
    START: {ONE: 0.3, TWO: 0.2, WAIT: 0.1, END: 0.4},
    ONE: {ONE: 0.1, TWO: 0.4, WAIT: 0.2, END: 0.3},
    TWO: {ONE: 0.5, TWO: 0.1, WAIT: 0.1, END: 0.3},
    WAIT: {ONE: 0.2, TWO: 0.6, WAIT: 0.1, END: 0.1},
    END: {ONE: 0.9, TWO: 0.05, WAIT: 0.03, END: 0.02},
}
"""The next token's probabilities behind each token: what follows an end is unlike what follows a nudge."""
DRAFTER = {before: {ONE: 0.25, TWO: 0.2, WAIT: 0.1, END: 0.45} for before in MODEL}


def table(chances: Mapping[int, Mapping[int, float]]) -> torch.Tensor:
    """As probabilities [before, token]."""
    made = torch.zeros(VOCABULARY, VOCABULARY)
    for before, of in chances.items():
        for token, chance in of.items():
            made[before, token] = chance
    return made


def law(length: int) -> dict[tuple[int, ...], float]:
    """By stop-and-resubmit's own words: the chance of each sequence of so many tokens."""
    said = {before: {**of, WAIT: of[WAIT] + of[END]} for before, of in MODEL.items()}
    chances = {}
    for tokens in product((ONE, TWO, WAIT), repeat=length):
        chance, before = 1.0, START
        for token in tokens:
            chance, before = chance * said[before][token], token
        chances[tokens] = chance
    return chances


class Rows:
    """A batch of rows of a V1 runner with budgets, all of the same Markov chain."""

    def __init__(self) -> None:
        device, sampler = torch.device("cpu"), Sampler()
        batch = SimpleNamespace(
            logitsprocs=LogitsProcessors(),
            logitsprocs_need_output_token_ids=False,
            req_output_token_ids=[],
            generators={},
        )
        runner = SimpleNamespace(
            device=device,
            sampler=sampler,
            rejection_sampler=RejectionSampler(sampler, None, device),
            speculative_config=object(),
            input_batch=batch,
            discard_request_mask=None,
            num_spec_tokens=DRAFTED,
            take_draft_token_ids=None,
            _draft_token_ids=None,
            _sample=None,
            _bookkeeping_sync=None,
        )
        install(runner)
        (processor,) = batch.logitsprocs.non_argmax_invariant
        assert isinstance(processor, BudgetProcessor)
        endless = plan(num_waits=1000)
        self.rows = {index: BatchRow(endless, []) for index in range(ROWS)}
        processor.enforcer.seat(self.rows)
        self._sampler, self._processors = runner.rejection_sampler, batch.logitsprocs

    def step(self, drafter: str) -> None:
        """Each row drafts tokens, and gets what is made of them."""
        last = torch.tensor([row.output[-1] if row.output else START for row in self.rows.values()])
        drafts, before, chances = [], last, table(DRAFTER)
        for _ in range(DRAFTED):
            if drafter == "sampled":
                before = torch.multinomial(chances[before], 1).squeeze(1)
            else:
                before = _likely(before) if drafter == "certain" else torch.full_like(before, START)
            drafts.append(before)
        drafted = torch.stack(drafts, dim=1)
        behind = torch.cat([last.unsqueeze(1), drafted], dim=1)
        logits = table(MODEL)[behind].log().mul(TEMPERATURE).flatten(0, 1)
        given = chances[behind[:, :-1]].flatten(0, 1) if drafter == "sampled" else None
        if drafter == "none":  # the model is given token 0 for a placeholder
            drafted = torch.full_like(drafted, -1)
        output = self._sampler(_verified(drafted), given, logits, self._metadata(drafted))
        for row, tokens in zip(self.rows.values(), output.sampled_token_ids.tolist(), strict=True):
            row.output += [token for token in tokens if token >= 0]

    def _metadata(self, drafted: torch.Tensor) -> SamplingMetadata:
        return SamplingMetadata(
            temperature=torch.full((ROWS,), TEMPERATURE),
            all_greedy=False,
            all_random=True,
            top_p=None,
            top_k=None,
            generators={},
            max_num_logprobs=None,
            no_penalties=True,
            prompt_token_ids=None,
            frequency_penalties=torch.zeros(ROWS),
            presence_penalties=torch.zeros(ROWS),
            repetition_penalties=torch.ones(ROWS),
            output_token_ids=[],
            allowed_token_ids_mask=None,
            bad_words_token_ids={},
            logitsprocs=self._processors,
            spec_token_ids=drafted.tolist(),
        )


def _likely(before: torch.Tensor) -> torch.Tensor:
    """A draft without chances, as an n-gram's: the end behind most tokens, else what often follows."""
    return torch.where(before == WAIT, TWO, END)


def _verified(drafted: torch.Tensor) -> SpecDecodeMetadata:
    made = SpecDecodeMetadata.make_dummy([[0] * DRAFTED] * ROWS, torch.device("cpu"))
    made.draft_token_ids = drafted.flatten().to(torch.int32)
    first = torch.arange(ROWS, dtype=torch.int32)
    made.cu_num_draft_tokens = (first + 1) * DRAFTED
    made.cu_num_sampled_tokens = (first + 1) * (DRAFTED + 1)
    places = first.unsqueeze(1) * (DRAFTED + 1) + torch.arange(DRAFTED, dtype=torch.int32)
    made.target_logits_indices = places.flatten()
    made.bonus_logits_indices = first * (DRAFTED + 1) + DRAFTED
    made.logits_indices = torch.arange(ROWS * (DRAFTED + 1), dtype=torch.int32)
    return made


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    """As vLLM's CPU worker loads them."""
    current_platform.import_kernels()
    current_platform.register_triton_kernel_overrides()


@pytest.mark.parametrize(("drafter", "pace"), [("sampled", 1.1), ("certain", 1.1), ("none", 1)])
def test_drafts_do_not_change_the_law_of_thinking_with_waits(drafter: str, pace: float) -> None:
    torch.manual_seed(3)
    rows, steps = Rows(), 0
    while min(len(row.output) for row in rows.rows.values()) < LENGTH:
        rows.step(drafter)
        steps += 1
    # More than a token a step, where drafts can be accepted.
    assert sum(len(row.output) for row in rows.rows.values()) >= pace * steps * ROWS
    got = Counter(tuple(row.output[:LENGTH]) for row in rows.rows.values())
    expected = law(LENGTH)
    assert got.keys() <= expected.keys()
    square = sum((got[tokens] - ROWS * chance) ** 2 / (ROWS * chance) for tokens, chance in expected.items())
    freedom = torch.tensor((len(expected) - 1) / 2, dtype=torch.float64)
    p = torch.special.gammaincc(freedom, torch.tensor(square / 2, dtype=torch.float64))
    assert float(p) > 1e-3
    for row in list(rows.rows.values())[:2000]:
        row.catch_up()
        assert all(row.output[at] == WAIT for at in row.controller.waits_at)
