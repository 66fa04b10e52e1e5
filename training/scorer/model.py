"""The scorer's network: s1-nano with two classes in place of its vocabulary, wrong and right."""

from pathlib import Path

import torch
from torch import Tensor, nn

from training.nano.export import load
from training.nano.model import Nano, Shape

WRONG, RIGHT = 0, 1


class ScorerNet(Nano):
    """At every token the logits of wrong and right, for the line of thinking up to it."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.score = nn.Linear(shape.width, 2, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, ids: Tensor, cos: Tensor, sin: Tensor, bias: Tensor) -> Tensor:
        """Logits of shape [rows, length, 2] for token ids of shape [rows, length].

        `cos` and `sin` have shape [length, head], the additive `bias` [rows, 1, length, length].
        """
        out: Tensor = self.score(self.hidden(ids, cos, sin, bias))
        return out


def from_nano(directory: Path, shape: Shape) -> ScorerNet:
    """The network with s1-nano's weights and an empty head, in float32."""
    net = ScorerNet(shape)
    kept = load(directory, shape).state_dict()
    net.load_state_dict({**kept, "score.weight": torch.zeros_like(net.score.weight)})
    return net
