"""The arithmetic of Monte Carlo tree search: which node is expanded next, and what its children's scores
change.

Nothing here knows what a node stands for. UCT over scores (Kocsis and Szepesvari 2006), with progressive
widening, since a node's possible steps cannot be listed (Couetoux et al. 2011).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class SearchNode(Generic[T]):
    """`score` is the scorer's, of this node alone. A leaf is finished: nothing grows from it."""

    state: T
    score: float = 0.0
    is_leaf: bool = False
    parent: "SearchNode[T] | None" = None
    children: "list[SearchNode[T]]" = field(default_factory=list)
    visits: int = 0
    """Nodes below this one and, but for the root, itself: each was scored once."""
    total: float = 0.0
    """The sum of their scores."""
    expansions: int = 0
    """How often this node was given children."""
    expansions_below: int = 0
    """The same over this node and all below."""

    def path(self) -> "Iterator[SearchNode[T]]":
        """From this node up to the root."""
        node: SearchNode[T] | None = self
        while node is not None:
            yield node
            node = node.parent


class SearchTree(Generic[T]):
    """Call `select` for the nodes to expand next, then `expand` each of them."""

    def __init__(self, root: T, exploration: float) -> None:
        self.root = SearchNode(root)
        self.nodes: list[SearchNode[T]] = [self.root]
        """In the order in which they came."""
        self._exploration = exploration
        self._lowest, self._highest = float("inf"), float("-inf")

    def select(self, count: int, children: int) -> list[SearchNode[T]]:
        """The nodes of the next `count` expansions of `children` children each; one may come several times.

        Until its scores are known, an expansion counts as if they were the lowest so far (a virtual loss), so
        that the expansions of one round go to different nodes.
        """
        visits: dict[int, int] = {}
        expansions: dict[int, int] = {}
        here: dict[int, int] = {}
        chosen = []
        for _ in range(count):
            node = self.root
            while not self._is_to_widen(node, expansions, here):
                open_children = [child for child in node.children if not child.is_leaf]
                if not open_children:
                    break
                parent_visits = node.visits + visits.get(id(node), 0)
                node = max(open_children, key=lambda child: self._uct(child, parent_visits, visits))
            chosen.append(node)
            here[id(node)] = here.get(id(node), 0) + 1
            for each in node.path():
                visits[id(each)] = visits.get(id(each), 0) + children
                expansions[id(each)] = expansions.get(id(each), 0) + 1
        return chosen

    def expand(self, node: SearchNode[T], grown: Sequence[tuple[T, float, bool]]) -> None:
        """Give a node children: the state, score and whether it is a leaf of each."""
        for state, score, is_leaf in grown:
            child = SearchNode(state, score, is_leaf, parent=node, visits=1, total=score)
            node.children.append(child)
            self.nodes.append(child)
            self._lowest, self._highest = min(self._lowest, score), max(self._highest, score)
            for each in node.path():
                each.visits += 1
                each.total += score
        node.expansions += 1
        for each in node.path():
            each.expansions_below += 1

    def _is_to_widen(self, node: SearchNode[T], expansions: dict[int, int], here: dict[int, int]) -> bool:
        """A node has as many expansions of its own as the square root of those at and below it, rounded
        up."""
        own = node.expansions + here.get(id(node), 0)
        return own * own < max(1, node.expansions_below + expansions.get(id(node), 0))

    def _uct(self, node: SearchNode[T], parent_visits: int, pending: dict[int, int]) -> float:
        """The mean score below it, scaled to 0 (the lowest score so far) and 1 (the highest), and a bonus for
        what was seldom tried. Scorers have no common scale."""
        visits = node.visits + pending.get(id(node), 0)
        spread = self._highest - self._lowest
        value = (node.total - node.visits * self._lowest) / spread / visits if spread else 0.0
        return value + self._exploration * sqrt(log(parent_visits) / visits)
