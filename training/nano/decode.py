"""Batched greedy decoding with budget forcing by the server's rules, for measuring without a server.

With greedy decoding, thinking under a small budget is a prefix of thinking under a large one. So each
question is thought through once, with each end suppressed the requested number of times, and only the answers
are decoded per budget.
"""

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from training.nano.model import Attention, Layer, Nano, rotate, rotations
from training.nano.tokenizer import ANSWER_CUE, END, THOUGHT, prompt_text, token_id

ANSWER_ROOM = 10


@dataclass(frozen=True, slots=True)
class Thinking:
    """The thinking tokens of one question, and the positions at which the model would have stopped."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    stops: tuple[int, ...]

    def length(self, budget: int | None, waits: int) -> tuple[int, bool]:
        """The number of thinking tokens under this budget, and whether the end is natural."""
        end = self.stops[waits] if waits < len(self.stops) else len(self.tokens)
        if budget is not None and budget < end:
            return budget, False
        return end, waits < len(self.stops)


class Cache:
    """The KV cache; keys and values have shape [layers, rows, heads, positions, head]."""

    def __init__(self, model: Nano, rows: int, positions: int) -> None:
        shape = model.shape
        size = (shape.layers, rows, shape.heads, positions, shape.head)
        self.keys = torch.zeros(size, dtype=torch.bfloat16)
        self.values = torch.zeros(size, dtype=torch.bfloat16)
        self.cos, self.sin = (t.bfloat16() for t in rotations(shape, positions))

    def copy(self) -> "Cache":
        """A copy with its own keys and values."""
        other = object.__new__(Cache)
        other.keys, other.values = self.keys.clone(), self.values.clone()
        other.cos, other.sin = self.cos, self.sin
        return other


def attend(attention: Attention, x: Tensor, cache: Cache, layer: int, at: Tensor) -> Tensor:
    """Attention for one token per row: `x` and the result have shape [rows, 1, width].

    Row r is at position `at[r]`; `at` has shape [rows].
    """
    cos, sin = cache.cos[at][:, None, None], cache.sin[at][:, None, None]
    rows, used = torch.arange(len(at)), int(at.max()) + 1
    cache.keys[layer, rows, :, at] = rotate(attention.split(attention.k_proj(x)), cos, sin)[:, :, 0]
    cache.values[layer, rows, :, at] = attention.split(attention.v_proj(x))[:, :, 0]
    q = rotate(attention.split(attention.q_proj(x)), cos, sin)
    seen = (torch.arange(used) <= at[:, None])[:, None, None]
    keys, values = cache.keys[layer, :, :, :used], cache.values[layer, :, :, :used]
    mixed = functional.scaled_dot_product_attention(q, keys, values, attn_mask=seen)
    out: Tensor = attention.o_proj(mixed.transpose(1, 2).flatten(-2))
    return out


def position(model: Nano, ids: Tensor, cache: Cache, at: Tensor) -> Tensor:
    """The most likely tokens [rows] after `ids` [rows] at positions `at` [rows]. The model is in bf16."""
    x = model.embed_tokens(ids)[:, None]
    for index, layer in enumerate(model.layers):
        assert isinstance(layer, Layer)
        x = x + attend(layer.self_attn, layer.input_layernorm(x).bfloat16(), cache, index, at)
        x = x + layer.mlp(layer.post_attention_layernorm(x).bfloat16())
    return functional.linear(model.norm(x).bfloat16(), model.embed_tokens.weight)[:, 0].argmax(-1)


class _Row:
    """One question while its thinking is decoded."""

    def __init__(self, prompt: list[int], waits: int) -> None:
        self.prompt, self.left = prompt, waits
        self.tokens: list[int] = []
        self.stops: list[int] = []
        self.done = False

    def take(self, at: int, chosen: int, ends: tuple[int, int], nudge: int) -> int:
        if at < len(self.prompt):
            return self.prompt[at]
        if not self.done and chosen in ends:
            self.stops.append(len(self.tokens))
            self.done, chosen = len(self.stops) > self.left, nudge
        if not self.done:
            self.tokens.append(chosen)
        return chosen


@torch.inference_mode()
def think(
    model: Nano, tokenizer: Tokenizer, questions: list[str], waits: int, longest: int
) -> tuple[list[Thinking], Cache]:
    """Think about all questions in one batch, over at most `longest` positions.

    Up to `waits` ends of thinking are suppressed per question and replaced by "Wait".
    """
    ends = (token_id(tokenizer, THOUGHT), token_id(tokenizer, END))
    nudge = token_id(tokenizer, "Wait")
    rows = [_Row(tokenizer.encode(prompt_text(q)).ids, waits) for q in questions]
    cache = Cache(model, len(rows), longest + ANSWER_ROOM + 8)
    ids = torch.tensor([row.prompt[0] for row in rows])
    for at in range(longest):
        chosen = position(model, ids, cache, torch.full((len(rows),), at)).tolist()
        ids = torch.tensor([r.take(at + 1, c, ends, nudge) for r, c in zip(rows, chosen, strict=True)])
        if all(row.done for row in rows):
            break
    thoughts = [Thinking(tuple(row.prompt), tuple(row.tokens), tuple(row.stops)) for row in rows]
    return thoughts, cache


@torch.inference_mode()
def answers(
    model: Nano, tokenizer: Tokenizer, thoughts: list[Thinking], cache: Cache, budget: int | None, waits: int
) -> list[str]:
    """Close each thinking under the budget, with the cue if the close is forced, and decode the answers."""
    cache, thought = cache.copy(), token_id(tokenizer, THOUGHT)
    cue = tokenizer.encode(ANSWER_CUE).ids
    lengths = [one.length(budget, waits) for one in thoughts]
    forced = [[thought] if natural else [thought, *cue] for _, natural in lengths]
    at = torch.tensor([len(one.prompt) + length for one, (length, _) in zip(thoughts, lengths, strict=True)])
    written: list[list[int]] = [[] for _ in thoughts]
    ids = torch.tensor([thought] * len(thoughts))
    for step in range(ANSWER_ROOM + len(cue)):
        chosen = position(model, ids, cache, at + step).tolist()
        tokens = [f[step + 1] if step + 1 < len(f) else c for f, c in zip(forced, chosen, strict=True)]
        for kept, token in zip(written, tokens, strict=True):
            kept.append(token)
        ids = torch.tensor(tokens)
    end = token_id(tokenizer, END)
    texts = [tokenizer.decode(w[: w.index(end)] if end in w else w) for w in written]
    return [text.partition("Final Answer:")[2].strip() for text in texts]
