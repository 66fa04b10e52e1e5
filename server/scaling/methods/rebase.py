"""REBASE: the width that is left is shared out among the open lines by the softmax of their scores; those
that came to their end vote (Wu et al. 2024, arXiv 2408.00724; shared out as in s1's eval/rebase).
"""

from collections.abc import Sequence
from math import ceil, exp

from pydantic import Field

from server.scaling.method import Means, Method, Outcome
from server.scaling.tree import Node, Tree, TreeFields
from server.scaling.vote import count, first_of_most, listed


class RebaseFields(TreeFields):
    """`temperature` balances: small, the best line gets all; large, each the same. `weighted`: votes count as
    much as the line's score."""

    temperature: float = Field(default=0.2, gt=0)
    weighted: bool = False


async def rebase(fields: RebaseFields, means: Means) -> Outcome:
    tree = Tree(fields, means)
    nodes = await tree.grow([Node()], [fields.width])
    while nodes and (width := fields.width - len(tree.ended)) > 0:
        ranked = sorted(nodes, key=lambda node: -node.score)
        if tree.rounds == fields.depth:
            tree.close(ranked[:width])
            break
        nodes = await tree.grow(ranked, shared([node.score for node in ranked], width, fields.temperature))
    leaves = await tree.answers(tree.ended)
    score_of = {leaf.sample.index: leaf.score for leaf in leaves}
    choices = await count(
        [leaf.sample for leaf in leaves],
        means.equality,
        lambda sample: score_of[sample.index] if fields.weighted else 1.0,
    )
    among = first_of_most(choices).samples if choices else [leaf.sample for leaf in leaves]
    best = max(among, key=lambda sample: score_of[sample.index])
    return Outcome(best, {**tree.said(leaves), "votes": listed(choices)})


def shared(scores: Sequence[float], width: int, temperature: float) -> list[int]:
    """How many steps each line is given, the best first: of the width that is left its softmax share, rounded
    up. They sum to the width."""
    top = max(scores)
    weights = [exp((score - top) / temperature) for score in scores]
    left, total, shares = width, sum(weights), []
    for weight in weights:
        # A hair less: a share that is whole must not be rounded up for its last binary digit.
        share = min(left, ceil(left * weight / total - 1e-9)) if total > 0 else left
        shares.append(share)
        left, total = left - share, total - weight
    return shares


REBASE = Method(
    RebaseFields, rebase, draws=True, compares=True, scores=True, needs_thinking=True, in_pieces=True
)
