"""Beam search over steps: the best lines are grown on, each by its share of the width; the best that came
to its end is the answer.
"""

from typing import Self

from pydantic import Field, model_validator

from server.scaling.method import Means, Method, Outcome
from server.scaling.tree import Node, Tree, TreeFields


class BeamFields(TreeFields):
    """`beams` lines are kept of the `width` that are grown in a round."""

    beams: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _beams_within_width(self) -> Self:
        if self.beams > self.width:
            raise ValueError(f"beams ({self.beams}) is above width ({self.width})")
        return self


async def beam(fields: BeamFields, means: Means) -> Outcome:
    tree = Tree(fields, means)
    nodes = await tree.grow([Node()], [fields.width])
    while nodes and (beams := fields.beams - len(tree.ended)) > 0:
        kept = sorted(nodes, key=lambda node: -node.score)[:beams]
        if tree.rounds == fields.depth:
            tree.close(kept)
            break
        shares = [fields.width // len(kept) + (at < fields.width % len(kept)) for at in range(len(kept))]
        nodes = await tree.grow(kept, shares)
    best = max(tree.ended, key=lambda node: node.score)
    (leaf,) = await tree.answers([best])
    return Outcome(leaf.sample, tree.said([leaf]))


BEAM = Method(BeamFields, beam, draws=True, scores=True, needs_thinking=True, in_pieces=True)
