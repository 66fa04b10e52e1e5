"""Beam search over steps of thinking.

The best chains are grown, each by an equal share of the width; the answer is that of the best chain that
ended.
"""

from typing import Self

from pydantic import Field, model_validator

from server.scaling.method import Method, MethodContext, MethodResult
from server.scaling.tree import Node, Tree, TreeFields


class BeamFields(TreeFields):
    """Of the `width` chains grown in a round, the best `beams` are kept."""

    beams: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _beams_within_width(self) -> Self:
        if self.beams > self.width:
            raise ValueError(f"beams ({self.beams}) is above width ({self.width})")
        return self


async def beam(fields: BeamFields, context: MethodContext) -> MethodResult:
    """Run the search and answer the best chain."""
    tree = Tree(fields, context)
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
    return MethodResult(leaf.sample, tree.report([leaf]))


BEAM = Method(BeamFields, beam, draws=True, scores=True, needs_thinking=True, in_pieces=True)
