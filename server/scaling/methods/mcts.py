"""MCTS: Monte Carlo tree search over steps of thinking, with one total of thinking tokens.

A round selects nodes by UCT over the scorer's values, grows them by concurrent steps, and propagates the
scores to their ancestors. A chain whose thinking has ended is a leaf; the leaf with the best score is
answered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pydantic import Field, model_validator

from server.budget.running.step import Step
from server.reasoning.ends import End
from server.scaling.chain import Chain, ChainBuilder
from server.scaling.method import Method, MethodContext, MethodResult
from server.scaling.samples import together
from server.scaling.scorers.scorer import scorer_report
from server.scaling.search_tree import SearchNode, SearchTree
from server.scaling.tree import DEPTH_REACHED, TreeFields

FROM_OUTSIDE = (End.QUOTA.value, End.REQUESTED.value)


class MctsFields(TreeFields):
    """`width` steps are grown per round, `children` per selected node; equal ones are one node.

    `total_tokens` is the total of thinking tokens over all steps. `exploration` 0 follows the best score; a
    larger value tries rarely visited nodes. With `accept` the search ends at a finished chain of that score.
    """

    total_tokens: int = Field(ge=1)
    children: int = Field(default=1, ge=1)
    exploration: float = Field(default=0.3, ge=0)
    accept: float | None = None

    @model_validator(mode="after")
    def _children_within_width(self) -> Self:
        if self.children > self.width:
            raise ValueError(f"children ({self.children}) is above width ({self.width})")
        return self


@dataclass(slots=True)
class _Search:
    fields: MctsFields
    context: MethodContext
    builder: ChainBuilder
    tree: SearchTree[Chain]
    left: int
    rounds: int = 0
    steps: int = 0
    is_ended_from_outside: bool = field(default=False)

    async def grow(self) -> None:
        """Run one round, within the tokens left; each step counts as at least one token."""
        fields, scorer = self.fields, self.context.scorer
        assert scorer is not None
        count = min(fields.width, max(1, self.left // self._usual_step))
        limit = min(fields.step_tokens, self.left // count)
        step = Step((fields.step,), max_tokens=limit)
        chosen = self.tree.select(-(-count // fields.children), fields.children)
        parents = [node for node in chosen for _ in range(fields.children)][:count]
        logprobs = 0 if scorer.wants_logprobs else None
        grown = await together(self.builder.grow(node.state, step, logprobs) for node in parents)
        scores = await scorer.score([chain.scorable for chain in grown])
        closed = [self._closed(chain) for chain in grown]
        for at, node in enumerate(chosen):
            part = slice(at * fields.children, (at + 1) * fields.children)
            children = zip(closed[part], scores[part], strict=True)
            self.tree.expand(node, [(chain, score, chain.end is not None) for chain, score in children])
        for node, chain in zip(parents, grown, strict=True):
            self.left -= max(1, chain.thinking_tokens - node.state.thinking_tokens)
        self.rounds += 1
        self.steps += len(grown)
        self.is_ended_from_outside = any(chain.end in FROM_OUTSIDE for chain in grown)
        ended = sum(node.is_leaf for node in self.tree.nodes)
        self.context.report_progress({"round": self.rounds, "lines": len(grown), "ended": ended})

    @property
    def _usual_step(self) -> int:
        """Tokens of a step, in the mean of those so far: a round has as many steps as fit of such."""
        spent = self.fields.total_tokens - self.left
        return -(-spent // self.steps) if self.steps else self.fields.step_tokens

    def _closed(self, chain: Chain) -> Chain:
        is_deep = chain.end is None and len(chain.steps) >= self.fields.depth
        return replace(chain, end=DEPTH_REACHED) if is_deep else chain

    @property
    def is_accepted(self) -> bool:
        """Whether a finished chain is good enough to end the search."""
        accept = self.fields.accept
        return accept is not None and any(node.is_leaf and node.score >= accept for node in self.tree.nodes)

    def best(self) -> SearchNode[Chain]:
        """The leaf with the best score, ties to the first; without a leaf the best open chain."""
        nodes = self.tree.nodes[1:]
        return max([node for node in nodes if node.is_leaf] or nodes, key=lambda node: node.score)


async def mcts(fields: MctsFields, context: MethodContext) -> MethodResult:
    """Search until a chain is accepted, the total spent or thinking ended from outside; answer the best one.

    Raises:
        ScorerError: The scorer failed.
    """
    builder = ChainBuilder(context.source)
    tree = SearchTree(Chain(), fields.exploration, key=lambda chain: (chain.tokens, chain.end))
    search = _Search(fields, context, builder, tree, fields.total_tokens)
    while search.left > 0 and not search.is_ended_from_outside and not search.is_accepted:
        await search.grow()
    best = search.best()
    answer = await builder.answer(best.state)
    return MethodResult(answer, {**_search_report(search, best), "sample": answer.index})


def _search_report(search: _Search, best: SearchNode[Chain]) -> dict[str, Any]:
    assert search.context.scorer is not None
    nodes = search.tree.nodes
    return {
        "width": search.fields.width,
        "rounds": search.rounds,
        "steps": search.steps,
        "scorer": scorer_report(search.context.scorer),
        "chosen": nodes.index(best),
        "tree": _nodes_report(nodes),
    }


def _nodes_report(nodes: Sequence[SearchNode[Chain]]) -> list[dict[str, Any]]:
    """All nodes but the root in order of creation; `parent` is a position from 1, 0 for the root."""
    place = {id(node): at for at, node in enumerate(nodes)}
    return [
        {
            "parent": place[id(node.parent)],
            "score": round(node.score, 6),
            "visits": node.visits,
            "value": round(node.total / node.visits, 6),
            "thinking_tokens": node.state.thinking_tokens,
            "end": node.state.end,
        }
        for node in nodes[1:]
    ]


MCTS = Method(MctsFields, mcts, draws=True, scores=True, needs_thinking=True, in_pieces=True)
