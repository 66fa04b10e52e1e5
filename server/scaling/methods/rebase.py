"""REBASE: share the remaining width among the open chains by the softmax of their scores.

The chains that ended vote. Wu et al. 2024, arXiv 2408.00724; the shares are computed as in s1's eval/rebase.
"""

from collections.abc import Sequence
from math import ceil, exp

from pydantic import Field

from server.scaling.method import Method, MethodContext, MethodResult
from server.scaling.tree import Node, Tree, TreeFields
from server.scaling.vote import count, plurality, votes_report


class RebaseFields(TreeFields):
    """`temperature` of the softmax: near 0 the best chain gets everything, a large one shares equally.

    With `weighted`, a vote counts as much as the score of its chain.
    """

    temperature: float = Field(default=0.2, gt=0)
    weighted: bool = False


async def rebase(fields: RebaseFields, context: MethodContext) -> MethodResult:
    """Run the search, answer the ended chains and let them vote."""
    tree = Tree(fields, context)
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
        context.equality,
        lambda sample: score_of[sample.index] if fields.weighted else 1.0,
    )
    among = plurality(choices).samples if choices else [leaf.sample for leaf in leaves]
    best = max(among, key=lambda sample: score_of[sample.index])
    return MethodResult(best, {**tree.report(leaves), "votes": votes_report(choices)})


def shared(scores: Sequence[float], width: int, temperature: float) -> list[int]:
    """The number of steps each chain gets, best chain first; they sum to `width`.

    Each share is the softmax share of the width that is left, rounded up.
    """
    top = max(scores)
    weights = [exp((score - top) / temperature) for score in scores]
    left, total, shares = width, sum(weights), []
    for weight in weights:
        # Subtract a rounding tolerance: an integral share must not be rounded up by floating-point error.
        share = min(left, ceil(left * weight / total - 1e-9)) if total > 0 else left
        shares.append(share)
        left, total = left - share, total - weight
    return shares


REBASE = Method(
    RebaseFields, rebase, draws=True, compares=True, scores=True, needs_thinking=True, in_pieces=True
)
