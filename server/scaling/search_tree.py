"""The arithmetic of Monte Carlo tree search: which node to expand next, and how scores propagate.

Independent of what a node stands for. UCT over scores (Kocsis and Szepesvari 2006) with progressive widening,
since the possible steps of a node cannot be enumerated (Couetoux et al. 2011). A step that is drawn again is
a further visit of its node, not a second node: otherwise a confident model fills the tree with copies.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Final, Generic, TypeVar

T = TypeVar("T")
WIDENING: Final = 4
"""A node's own expansions are kept at this root of those at and below it: at 2 most tokens went into drawing
the first steps again."""


@dataclass(slots=True, eq=False)
class SearchNode(Generic[T]):
    """`score` is the scorer's for this node alone. A leaf is finished: it is never expanded."""

    state: T
    score: float = 0.0
    is_leaf: bool = False
    parent: "SearchNode[T] | None" = None
    children: "list[SearchNode[T]]" = field(default_factory=list)
    visits: int = 0
    """Number of scored draws at and below this node."""
    total: float = 0.0
    """The sum of their scores."""
    expansions: int = 0
    """Number of expansions of this node."""
    expansions_below: int = 0
    """Number of expansions of this node and all nodes below it."""

    def path(self) -> "Iterator[SearchNode[T]]":
        """Yield this node and its ancestors up to the root."""
        node: SearchNode[T] | None = self
        while node is not None:
            yield node
            node = node.parent


class SearchTree(Generic[T]):
    """Call `select` for the nodes to expand next, then `expand` each of them.

    Children of one node are the same where their states have the same `key`.
    """

    def __init__(self, root: T, exploration: float, key: Callable[[T], Hashable] = id) -> None:
        self.root = SearchNode(root)
        self._key = key
        self.nodes: list[SearchNode[T]] = [self.root]
        """All nodes in order of creation."""
        self._exploration = exploration
        self._lowest, self._highest = float("inf"), float("-inf")

    def select(self, count: int, children: int) -> list[SearchNode[T]]:
        """The nodes of the next `count` expansions by `children` children each, possibly with repetitions.

        Until its scores are known, an expansion counts with the lowest score so far (a virtual loss), so that
        the expansions of one round go to different nodes.
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
        """Add children to a node, or visits to those it has: (state, score, is_leaf) for each."""
        known = {self._key(child.state): child for child in node.children}
        for state, score, is_leaf in grown:
            child = known.get(self._key(state))
            if child is None:
                child = known[self._key(state)] = SearchNode(state, score, is_leaf, parent=node)
                node.children.append(child)
                self.nodes.append(child)
            self._lowest, self._highest = min(self._lowest, score), max(self._highest, score)
            for each in child.path():
                each.visits += 1
                each.total += score
        node.expansions += 1
        for each in node.path():
            each.expansions_below += 1

    def _is_to_widen(self, node: SearchNode[T], expansions: dict[int, int], here: dict[int, int]) -> bool:
        """Whether to expand this node itself rather than to descend.

        Its own expansions are kept at the WIDENING-th root of those at and below it, rounded up.
        """
        own = node.expansions + here.get(id(node), 0)
        return own**WIDENING < max(1, node.expansions_below + expansions.get(id(node), 0))

    def _uct(self, node: SearchNode[T], parent_visits: int, pending: dict[int, int]) -> float:
        """The mean score below a node, scaled to 0 (lowest so far) to 1 (highest), plus an exploration bonus.

        Scaled because scorers have no common scale.
        """
        visits = node.visits + pending.get(id(node), 0)
        spread = self._highest - self._lowest
        value = (node.total - node.visits * self._lowest) / spread / visits if spread else 0.0
        return value + self._exploration * sqrt(log(parent_visits) / visits)
