"""Tree search over steps of thinking: chains are grown a step at a time, scored, and grown further.

Runs a round of growth and collects the chains that ended. How the next round's steps are shared among the
chains is up to each method.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import Field

from server.budget.running.step import Step
from server.scaling.chain import Chain, ChainBuilder
from server.scaling.method import Fields, MethodContext
from server.scaling.samples import Sample, together
from server.scaling.scorers.scorer import Scorer, scorer_report

DEPTH_REACHED = "depth"


class TreeFields(Fields):
    """`width` chains at once, of at most `depth` steps each.

    A step ends after the text `step`, or after `step_tokens` tokens.
    """

    width: int = Field(ge=1)
    depth: int = Field(default=50, ge=1, le=1000)
    step: str = Field(default="\n\n", min_length=1)
    step_tokens: int = Field(default=512, ge=1)
    scorer: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A chain and the score of its last step."""

    chain: Chain = field(default_factory=Chain)
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Leaf:
    """A chain with its answer."""

    sample: Sample
    node: Node

    @property
    def score(self) -> float:
        """The score of the chain's last step."""
        return self.node.score


@dataclass(slots=True)
class Tree:
    """One search. `nodes` counts the steps asked for."""

    fields: TreeFields
    context: MethodContext
    nodes: int = 0
    rounds: int = 0
    ended: list[Node] = field(default_factory=list)

    @property
    def scorer(self) -> Scorer:
        """The scorer of the request."""
        assert self.context.scorer is not None
        return self.context.scorer

    async def grow(self, open_nodes: Sequence[Node], shares: Sequence[int]) -> list[Node]:
        """Run one round: grow each node by its share of steps, and score the results.

        Returns the nodes that can grow further; those that ended are kept in `ended`.

        Raises:
            ScorerError: The scorer failed.
        """
        builder = ChainBuilder(self.context.source)
        step = Step((self.fields.step,), max_tokens=self.fields.step_tokens)
        logprobs = 0 if self.scorer.wants_logprobs else None
        parents = [node for node, share in zip(open_nodes, shares, strict=True) for _ in range(share)]
        grown = await together(builder.grow(node.chain, step, logprobs) for node in parents)
        scores = await self.scorer.score([chain.scorable for chain in grown])
        nodes = [Node(chain, score) for chain, score in zip(grown, scores, strict=True)]
        self.ended += [node for node in nodes if node.chain.end is not None]
        self.nodes += len(nodes)
        self.rounds += 1
        self.context.report_progress({"round": self.rounds, "lines": len(nodes), "ended": len(self.ended)})
        return [node for node in nodes if node.chain.end is None]

    def close(self, open_nodes: Sequence[Node]) -> None:
        """Mark chains that have reached the depth limit as ended."""
        self.ended += [replace(node, chain=replace(node.chain, end=DEPTH_REACHED)) for node in open_nodes]

    async def answers(self, nodes: Sequence[Node]) -> list[Leaf]:
        """Ask for the answers of chains that ended."""
        builder = ChainBuilder(self.context.source)
        samples = await together(builder.answer(node.chain) for node in nodes)
        return [Leaf(sample, node) for sample, node in zip(samples, nodes, strict=True)]

    def report(self, leaves: Sequence[Leaf]) -> dict[str, Any]:
        """The search's part of the response's `scaling` object."""
        return {
            "width": self.fields.width,
            "rounds": self.rounds,
            "steps": self.nodes,
            "scorer": scorer_report(self.scorer),
            "lines": [
                {
                    "sample": leaf.sample.index,
                    "score": round(leaf.score, 6),
                    "steps": len(leaf.node.chain.steps),
                    "thinking_tokens": leaf.node.chain.thinking_tokens,
                    "end": leaf.sample.end,
                }
                for leaf in leaves
            ],
        }
