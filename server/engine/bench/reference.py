"""Stop-and-resubmit, s1's own way in plain words: what forcing in the engine is compared with.

Generate until the end of thinking, drop it, append the nudge, submit again: on the same engine, past every
part of ours.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import torch
from vllm.inputs import TokensPrompt
from vllm.outputs import CompletionOutput
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.v1.engine.async_llm import AsyncLLM

from server.budget.budget import ThinkingBudget
from server.budget.planning.make_steering import make_steering
from server.budget.running.action import ForcedKind
from server.budget.running.report import ForcedRecord
from server.budget.steering import LIKELY, Steering
from server.engine.client.call import CALL, Call
from server.engine.client.engine import ThinkingLLM
from server.engine.client.segment import Segment
from server.engine.family_tokens import Encoder, vocabulary_of
from server.reasoning.ends import End

TIE = 0.1
"""Two logprobs nearer than this are one in bfloat16: which wins depends on the rest of the batch."""
_names = count()


@dataclass(slots=True)
class Forced:
    """Thinking and answer as one list of tokens, marks and cue included, and what was forced in it."""

    tokens: list[int] = field(default_factory=list)
    forced: dict[int, ForcedKind] = field(default_factory=dict)
    waits_at: list[int] = field(default_factory=list)
    end: End | None = None

    def put(self, tokens: Sequence[int], kind: ForcedKind) -> None:
        """Forced ones, at the end."""
        for token in tokens:
            self.forced[len(self.tokens)] = kind
            self.tokens.append(token)

    def differs_from(self, other: "Forced") -> int | None:
        """The first position at which the tokens part.

        None where they are the same, or one of them is cut short and the same up to there.
        """
        pairs = enumerate(zip(self.tokens, other.tokens, strict=False))
        return next((at for at, (one, another) in pairs if one != another), None)

    def has_the_record_of(self, other: "Forced", until: int) -> bool:
        """Whether the same was done to both, at the positions before `until`."""
        mine, theirs = (
            (
                {at: kind for at, kind in each.forced.items() if at < until},
                [at for at in each.waits_at if at < until],
            )
            for each in (self, other)
        )
        return mine == theirs


class Reference:
    """Stop-and-resubmit on a bare AsyncLLM."""

    def __init__(self, engine: ThinkingLLM, nudge: str = "Wait", cue: str = "\n\nFinal Answer:") -> None:
        if engine.family is None:
            raise ValueError("there is nothing to compare on an engine without budgets")
        self.engine = engine
        tokenizer = engine.renderer.tokenizer
        self._encode = Encoder(tokenizer)
        self._vocabulary = vocabulary_of(tokenizer)
        (self.end,) = engine.family.end
        self.eos: int = tokenizer.eos_token_id
        self.nudge, self.cue = self._encode(nudge), self._encode(cue)

    async def once(self, ids: Sequence[int], **params: Any) -> list[int]:
        """One request; its output tokens."""
        return list((await self._ask(ids, **params)).token_ids)

    async def _ask(self, ids: Sequence[int], **params: Any) -> CompletionOutput:
        sampling = SamplingParams(output_kind=RequestOutputKind.FINAL_ONLY, detokenize=False, **params)
        prompt = TokensPrompt(prompt_token_ids=list(ids))
        stream = AsyncLLM.generate(self.engine, prompt, sampling, f"reference-{next(_names)}")
        (output,) = [output async for output in stream]
        (choice,) = output.outputs
        return choice

    async def run(
        self,
        prompt: Sequence[int],
        budget: ThinkingBudget,
        answer: int,
        seed: int | None = None,
        **params: Any,
    ) -> Forced:
        """A budget with a maximum, Waits, a minimum and grace.

        `answer`: tokens of it; 0: only thinking and, where the model ended it, its end.
        """
        maximum = budget.max_tokens or 0
        steering = make_steering(budget, ("Wait",), self._encode, self._vocabulary)
        free = min(maximum, steering.land_from)
        made = Forced()
        thought = made.tokens
        while made.end is None and len(thought) < free:
            round_seed = None if seed is None else seed * 1000 + len(thought)
            limits: dict[str, Any] = {"max_tokens": free - len(thought), "stop_token_ids": [self.end]}
            out = await self.once([*prompt, *thought], seed=round_seed, **limits, **params)
            ended = out[-1] if out[-1] in (self.end, self.eos) else None
            thought += out if ended is None else out[:-1]
            if ended is None:
                continue
            if len(thought) < (budget.min_tokens or 0) or len(made.waits_at) < (budget.num_waits or 0):
                made.waits_at.append(len(thought))
                made.put(self.nudge[: maximum - len(thought)], ForcedKind.NUDGE)
            else:
                self._end_naturally(made, ended)
        if made.end is None and free < maximum:
            await self._land(prompt, made, maximum, steering, **params)
        if made.end is None:
            made.end = End.MAX_TOKENS
            if answer:
                made.put((self.end,), ForcedKind.END)
                made.put(self.cue, ForcedKind.CUE)
        if answer:
            thought += await self.once([*prompt, *thought], max_tokens=answer, seed=seed, **params)
        return made

    def _end_naturally(self, made: Forced, ended: int) -> None:
        made.end = End.NATURAL
        if ended == self.end:
            made.tokens.append(ended)
        else:  # the model ended its turn inside thinking
            made.put((self.end,), ForcedKind.END)

    async def _land(
        self, prompt: Sequence[int], made: Forced, maximum: int, steering: Steering, **params: Any
    ) -> None:
        """A token at a time: thinking closes where a sentence ends, or where its end is likely."""
        thought = made.tokens
        while made.end is None and len(thought) < maximum:
            last, last_but_one = thought[-1], thought[-2] if len(thought) > 1 else -1
            if steering.ends_sentence(last, last_but_one):
                return
            choice = await self._ask([*prompt, *thought], max_tokens=1, logprobs=20, **params)
            (sampled,), (known,) = choice.token_ids, choice.logprobs
            if sampled in (self.end, self.eos):
                self._end_naturally(made, sampled)
            elif self.end in known and known[self.end].logprob >= torch.tensor(LIKELY).log().item():
                made.end = End.MAX_TOKENS
                made.put((self.end,), ForcedKind.END)
            else:
                thought.append(sampled)

    async def is_tie(self, prompt: Sequence[int], before: Sequence[int], one: int, other: int) -> bool:
        """Whether the model itself can't tell which of the two comes after `before`.

        Or whether its end is likely there.
        """
        choice = await self._ask([*prompt, *before], max_tokens=1, temperature=0.0, logprobs=20)
        (known,) = choice.logprobs
        if self.end in (one, other) and self.end in known:
            likely = torch.tensor(known[self.end].logprob).exp().item()
            if abs(likely - LIKELY) < TIE * LIKELY:
                return True
        return {one, other} <= known.keys() and abs(known[one].logprob - known[other].logprob) < TIE


@dataclass(slots=True)
class KeptRecord(Segment):
    """A whole request of its own, whose forced record is kept."""

    record: ForcedRecord = field(default_factory=ForcedRecord)

    def finish(self, choice: CompletionOutput, record: ForcedRecord) -> None:
        """Keep that alone."""
        del choice
        self.record = record


async def forced(
    engine: ThinkingLLM, prompt: Sequence[int], budget: ThinkingBudget, **params: Any
) -> tuple[list[Forced], Call]:
    """The same through our own `generate`: its n choices (with the last one's record), and its call."""
    kept = KeptRecord()
    call = Call(budget=budget, asked=True, segment=kept)
    CALL.set(call)
    sampling = SamplingParams(output_kind=RequestOutputKind.FINAL_ONLY, detokenize=False, **params)
    stream = engine.generate(TokensPrompt(prompt_token_ids=list(prompt)), sampling, f"forced-{next(_names)}")
    (output,) = [output async for output in stream]
    record = kept.record
    made = []
    for choice in output.outputs:
        end = call.reports[choice.index].end
        ours = Forced(list(choice.token_ids), dict(record.forced), list(record.waits_at))
        ours.end = None if end is None else End(end)
        made.append(ours)
    return made, call


def chat(engine: ThinkingLLM, question: str) -> list[int]:
    """The prompt's tokens, as the server's chat template makes them."""
    tokenizer = engine.renderer.tokenizer
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
    )
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return ids


def p_value(one: Counter[Any], other: Counter[Any]) -> float:
    """Chi-square: how likely two samples of one distribution differ so much.

    Rare outcomes are pooled, so that each cell expects five or more.
    """
    common = [outcome for outcome in one | other if one[outcome] + other[outcome] >= 20]
    rows = [[counts[outcome] for outcome in common] for counts in (one, other)]
    for row, counts in zip(rows, (one, other), strict=True):
        row.append(sum(counts.values()) - sum(row))
    table = torch.tensor(rows, dtype=torch.float64)
    table = table[:, table.sum(dim=0) > 0]
    if table.shape[1] == 1:
        return 1.0
    expected = table.sum(dim=1, keepdim=True) * table.sum(dim=0) / table.sum()
    square = ((table - expected) ** 2 / expected).sum()
    freedom = torch.tensor((table.shape[1] - 1) / 2, dtype=torch.float64)
    return float(torch.special.gammaincc(freedom, square / 2))
