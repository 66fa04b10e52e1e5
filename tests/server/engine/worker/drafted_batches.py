"""The simulated model runners with speculative decoding."""

from collections.abc import Sequence
from random import Random

import numpy as np
import torch

from server.engine.worker.drafted_step import REJECTED
from tests.server.budget.driving import drive
from tests.server.budget.obvious import IsLikely
from tests.server.budget.obvious_text import Sample
from tests.server.budget.plans import VOCABULARY
from tests.server.engine.worker.batches import (
    SLOTS,
    Context,
    Engine,
    Request,
    Sampled,
    V1Engine,
    V2Engine,
    model,
    preference,
)


class Drafting(Engine):
    """Each row has a draft, as good as it happens to be, of which as much is accepted as the greedy model
    agrees to."""

    def _draft(self, request: Request) -> list[int]:
        chance, output = self.chance, request.true_output
        if request.prefill:
            return []
        length = chance.randrange(5)
        if request.plan is not None and chance.random() < 0.6:  # what will come, to the point
            whole, _ = drive(request.plan, *self._alone(request))
            return whole[len(output) : len(output) + length]
        draft: list[int] = []
        for _ in range(length):
            order = preference(request.number, [*output, *draft])
            likely = max(range(VOCABULARY), key=order.__getitem__)
            draft.append(likely if chance.random() < 0.8 else chance.randrange(-1, VOCABULARY))
        return draft

    @staticmethod
    def _alone(request: Request) -> tuple[Sample, int, IsLikely]:
        assert request.plan is not None
        sample, is_likely = model(request.number, request.plan)
        return sample, request.requested_at, is_likely

    def _logits_behind(self, request: Request, draft: Sequence[int]) -> list[float]:
        if request.prefill:
            return self._logits(request)
        return preference(request.number, [*request.true_output, *draft])

    @staticmethod
    def _agreed(chosen: Sequence[int], draft: Sequence[int]) -> list[int]:
        """What a row is given, of what is chosen behind 0, 1, ... and all of its draft's tokens."""
        pairs = enumerate(zip(chosen, draft, strict=False))
        first = next((n for n, (mine, theirs) in pairs if mine != theirs), len(draft))
        return list(chosen[: first + 1])

    def _came(self, request: Request, tokens: Sequence[int]) -> None:
        """The scheduler drops what stands behind an end."""
        for token in tokens:
            if not request.finished:
                self._take(request, token)


class V1DraftedEngine(Drafting, V1Engine):
    """The same with speculative decoding, and without async scheduling."""

    def __init__(self, requests: Sequence[Request], chance: Random, asynchronous: bool) -> None:
        del asynchronous
        super().__init__(requests, chance, asynchronous=False)
        self.has_scripts = chance.random() < 0.7

    def _step(self) -> None:
        for request in self.batch:
            request.shared[:] = request.true_output
        drafts = [self._draft(request) for request in self.batch]
        if self.has_scripts:
            for index, script in self.processor.enforcer.scripts(4).items():
                drafts[index] = [] if self.batch[index].prefill else script
        width = max(map(len, drafts)) + 1
        if width == 1:  # the runner has no draft to verify, and takes its other sampler
            super()._step()
            return
        enforcer = self.processor.enforcer
        enforcer.begin_drafted(drafts, width)
        pairs = list(zip(self.batch, drafts, strict=True))
        last = self.processor.apply(torch.tensor([self._logits_behind(*each) for each in pairs]))
        of_drafts = [
            self._logits_behind(request, draft[:n]) for request, draft in pairs for n in range(len(draft))
        ]
        logits = torch.tensor(of_drafts)
        if (step := enforcer.drafted) is not None:
            step.prepare(logits, step.of_drafts)
        choices, bonus = iter(logits.argmax(dim=1).tolist()), last.argmax(dim=1).tolist()
        sampled = torch.full((len(pairs), width), REJECTED)
        for index, (_, draft) in enumerate(pairs):
            tokens = self._agreed([*(next(choices) for _ in draft), bonus[index]], draft)
            sampled[index, : len(tokens)] = torch.tensor(tokens)
        enforcer.commit_drafted(sampled)
        enforcer.send()
        for request, tokens in zip(self.batch, sampled.tolist(), strict=True):
            came = [token for token in tokens if token != REJECTED]
            assert came
            if request.prefill:
                self._take(request, came[0])
                continue
            request.shared += came
            self._came(request, came)


class V2DraftedEngine(Drafting, V2Engine):
    """The same with speculative decoding: drafts are made behind a step, on the device, for the next one."""

    WIDTH = 5

    def __init__(self, requests: Sequence[Request], chance: Random, asynchronous: bool) -> None:
        super().__init__(requests, chance, asynchronous)
        self.states.draft_tokens = torch.zeros(SLOTS, self.WIDTH - 1, dtype=torch.int64)
        self.made: dict[int, list[int]] = {}

    def _preempt(self, request: Request) -> None:
        super()._preempt(request)
        self.made.pop(request.number, None)

    def _step(self) -> None:
        if self.chance.random() < 0.3:
            self.chance.shuffle(self.batch)
        drafts = [self._scheduled(request) for request in self.batch]
        if any(drafts):
            self._verify(drafts)
        else:
            super()._step()
        self._make()

    def _scheduled(self, request: Request) -> list[int]:
        """As many tokens of its draft as there is room for; none can be right where none was made."""
        draft = self.made.get(request.number, [REJECTED] * self.chance.randrange(3))
        return draft[: self.chance.randrange(1, self.WIDTH)]

    def _make(self) -> None:
        self.made = {request.number: self._draft(request) for request in self.batch}
        padded = [(draft + [REJECTED] * self.WIDTH)[: self.WIDTH - 1] for draft in self.made.values()]
        slots, drafts = [self.slot_of[request.number] for request in self.batch], torch.tensor(padded)
        self.states.draft_tokens[slots] = drafts
        self.slots.drafted(slots, drafts)
        for number, slot, draft in zip(self.made, slots, drafts.tolist(), strict=True):
            self.made[number] = self.states.draft_tokens[slot].tolist()
            assert self.made[number] == draft

    def _verify(self, drafts: Sequence[Sequence[int]]) -> None:
        slots = [self.slot_of[request.number] for request in self.batch]
        self.slots.begin_drafted(slots, [len(draft) for draft in drafts], self.WIDTH)
        rows = list(zip(self.batch, drafts, slots, strict=True))
        cut = self.chance.randrange(len(rows) + 1)
        parts = [self._verify_part(part) for part in (rows[:cut], rows[cut:]) if part]
        sampled, counts = (torch.cat(each) for each in zip(*parts, strict=True))
        pairs = zip(self.batch, sampled.tolist(), counts.tolist(), strict=True)
        for index, (request, tokens, count) in enumerate(pairs):
            assert count
            if request.prefill:
                counts[index] = 0
                self._take(request, tokens[0])
            else:
                self._came(request, tokens[:count])
        self.slots.sampled(Sampled(sampled, counts), slots)

    def _verify_part(
        self, rows: Sequence[tuple[Request, Sequence[int], int]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids [rows, WIDTH], and how many of them each row is given."""
        behind = [
            self._logits_behind(each, draft[:n]) for each, draft, _ in rows for n in range(len(draft) + 1)
        ]
        logits, slots = torch.tensor(behind), [slot for *_, slot in rows]
        if any(self.needs_processing[slot] for slot in slots):
            logits = self.slots.apply(logits, Context(np.array(slots)))
        choices = iter(logits.argmax(dim=1).tolist())
        given = [self._agreed([next(choices) for _ in range(len(draft) + 1)], draft) for _, draft, _ in rows]
        noise = [self.chance.randrange(VOCABULARY) for _ in range(self.WIDTH)]
        sampled = torch.tensor([(tokens + noise)[: self.WIDTH] for tokens in given])
        counts = torch.tensor([len(tokens) for tokens in given], dtype=torch.int32)
        return sampled, self.slots.commit_drafted(sampled, counts, len(behind))
