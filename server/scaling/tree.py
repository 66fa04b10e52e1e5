"""Tree search over steps of thinking: chains that are grown a step at a time, scored, and grown on where that
promises most.

Decided here: a round of growth, and what becomes of the chains that come out. Which chain gets how many of
the next round's steps is the methods' affair.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import Field

from server.budget.running.step import Step
from server.scaling.chain import Chain, ChainBuilder
from server.scaling.method import Fields, Means
from server.scaling.samples import Sample, together
from server.scaling.scorers.scorer import Candidate, Scorer, said

DEPTH_REACHED = "depth"


class TreeFields(Fields):
    """`width` chains at once; at most `depth` steps each; a step ends with the text `step`, or after
    `step_tokens`."""

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
    """A chain that was answered."""

    sample: Sample
    node: Node

    @property
    def score(self) -> float:
        """Of its last step."""
        return self.node.score


@dataclass(slots=True)
class Tree:
    """One search. `nodes` counts the steps that were asked for."""

    fields: TreeFields
    means: Means
    nodes: int = 0
    rounds: int = 0
    ended: list[Node] = field(default_factory=list)

    @property
    def scorer(self) -> Scorer:
        """Of the request."""
        assert self.means.scorer is not None
        return self.means.scorer

    async def grow(self, open_nodes: Sequence[Node], shares: Sequence[int]) -> list[Node]:
        """A round: each node is given its share of steps. The nodes that can grow on come back; those that
        ended are kept."""
        builder = ChainBuilder(self.means.source)
        step = Step((self.fields.step,), max_tokens=self.fields.step_tokens)
        logprobs = 0 if self.scorer.wants_logprobs else None
        parents = [node for node, share in zip(open_nodes, shares, strict=True) for _ in range(share)]
        grown = await together(builder.grow(node.chain, step, logprobs) for node in parents)
        scores = await self.scorer.score([Candidate(chain.steps, chain.logprobs) for chain in grown])
        nodes = [Node(chain, score) for chain, score in zip(grown, scores, strict=True)]
        self.ended += [node for node in nodes if node.chain.end is not None]
        self.nodes += len(nodes)
        self.rounds += 1
        self.means.tell({"round": self.rounds, "lines": len(nodes), "ended": len(self.ended)})
        return [node for node in nodes if node.chain.end is None]

    def close(self, open_nodes: Sequence[Node]) -> None:
        """Lines at the depth limit: they are closed and answered as they are."""
        self.ended += [replace(node, chain=replace(node.chain, end=DEPTH_REACHED)) for node in open_nodes]

    async def answers(self, nodes: Sequence[Node]) -> list[Leaf]:
        """Lines that ended, answered."""
        builder = ChainBuilder(self.means.source)
        samples = await together(builder.answer(node.chain) for node in nodes)
        return [Leaf(sample, node) for sample, node in zip(samples, nodes, strict=True)]

    def said(self, leaves: Sequence[Leaf]) -> dict[str, Any]:
        """For the response."""
        return {
            "width": self.fields.width,
            "rounds": self.rounds,
            "steps": self.nodes,
            "scorer": said(self.scorer),
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
