"""The network: Llama's architecture and parameter names, with explicit attention (faster here than SDPA)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of the network; `vocabulary` is the size of the embedding."""

    vocabulary: int = 512
    width: int = 256
    layers: int = 4
    heads: int = 4
    inner: int = 640
    positions: int = 2048
    theta: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head(self) -> int:
        """The width of one attention head."""
        return self.width // self.heads


def rotations(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """RoPE's cosines and sines, each of shape [length, head], in Hugging Face's half-split layout."""
    frequencies = shape.theta ** (-torch.arange(0, shape.head, 2).float() / shape.head)
    angles = torch.outer(torch.arange(length).float(), frequencies)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply RoPE to `x` [..., length, head]; `cos` and `sin` broadcast from [length, head]."""
    first, second = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-second, first), dim=-1) * sin).to(x.dtype)


class Norm(nn.Module):
    """RMSNorm, computed in float32."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """`x` and the result have shape [..., width]; the result is float32."""
        x32 = x.float()
        scale = torch.rsqrt(x32.pow(2).mean(-1, keepdim=True) + self.epsilon)
        return x32 * scale * self.weight


class Attention(nn.Module):
    """Multi-head attention without grouping; attribute names as in transformers' Llama."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (
            nn.Linear(shape.width, shape.width, bias=False) for _ in range(4)
        )

    def split(self, x: Tensor) -> Tensor:
        """Split heads: from [rows, length, width] to [rows, heads, length, head]."""
        rows, length, _ = x.shape
        return x.view(rows, length, self.shape.heads, self.shape.head).transpose(1, 2)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor) -> Tensor:
        """`x` and the result have shape [rows, length, width].

        `cos` and `sin` have shape [length, head], the additive `bias` [rows, 1, length, length].
        """
        q, k = rotate(self.split(self.q_proj(x)), cos, sin), rotate(self.split(self.k_proj(x)), cos, sin)
        scores = q @ k.transpose(-1, -2) * self.shape.head**-0.5 + bias
        mixed = torch.softmax(scores.float(), dim=-1).to(q.dtype) @ self.split(self.v_proj(x))
        out: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(-2))
        return out


class Mlp(nn.Module):
    """The SwiGLU feed-forward block."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.inner, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.inner, bias=False)
        self.down_proj = nn.Linear(shape.inner, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`x` and the result have shape [rows, length, width]."""
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    """One decoder layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = Norm(shape.width, shape.epsilon)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = Norm(shape.width, shape.epsilon)
        self.mlp = Mlp(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor) -> Tensor:
        """`x` and the result have shape [rows, length, width].

        `cos` and `sin` have shape [length, head], the additive `bias` [rows, 1, length, length].
        """
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, bias)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Nano(nn.Module):
    """The whole network, with tied embeddings."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.epsilon)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                last = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(weight, std=0.02 * ((2 * shape.layers) ** -0.5 if last else 1))

    def hidden(self, ids: Tensor, cos: Tensor, sin: Tensor, bias: Tensor) -> Tensor:
        """The last layer's output, normed, of shape [rows, length, width]; arguments as of `forward`."""
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, cos, sin, bias)
        out: Tensor = self.norm(x)
        return out

    def forward(self, ids: Tensor, cos: Tensor, sin: Tensor, bias: Tensor) -> Tensor:
        """Logits of shape [rows, length, vocabulary] for token ids of shape [rows, length].

        `cos` and `sin` have shape [length, head], the additive `bias` [rows, 1, length, length].
        """
        return functional.linear(self.hidden(ids, cos, sin, bias), self.embed_tokens.weight)


def document_bias(documents: Tensor) -> Tensor:
    """The additive attention bias, shape [rows, 1, length, length], for document numbers [rows, length].

    Each token attends to earlier tokens of its own document only.
    """
    length = documents.shape[1]
    seen = (documents[:, :, None] == documents[:, None, :]) & torch.ones(length, length).tril().bool()
    return torch.zeros(seen.shape, dtype=torch.bfloat16).masked_fill(~seen, -30000.0)[:, None]
