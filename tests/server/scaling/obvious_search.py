"""A slow reference implementation of Monte Carlo tree search: recomputes everything from a list of nodes."""

from dataclasses import dataclass, field
from math import log, sqrt


@dataclass
class Born:
    """A node: its parent's number (None: the root), its score, and whether it is a leaf."""

    parent: int | None
    score: float = 0.0
    is_leaf: bool = False


@dataclass
class ObviousSearch:
    """`expanded` holds the parent of each expansion, including pending ones.

    `pending` holds, per pending expansion, the parent and its number of children.
    """

    exploration: float
    nodes: list[Born] = field(default_factory=lambda: [Born(None)])
    expanded: list[int] = field(default_factory=list)
    pending: list[tuple[int, int]] = field(default_factory=list)

    def is_below(self, node: int, top: int) -> bool:
        """Whether `node` is `top` or a descendant of it."""
        at: int | None = node
        while at is not None and at != top:
            at = self.nodes[at].parent
        return at == top

    def scores(self, top: int) -> list[float]:
        """The scores of all nodes at and below `top`, without pending ones; the root has none."""
        return [each.score for at, each in enumerate(self.nodes) if at and self.is_below(at, top)]

    def visits(self, top: int) -> int:
        """The number of those nodes, including pending ones."""
        return len(self.scores(top)) + sum(many for at, many in self.pending if self.is_below(at, top))

    def value(self, child: int, parent: int) -> float:
        """The UCT value. A pending child counts with the lowest score, scaled to 0."""
        every = [each.score for each in self.nodes[1:]]
        low, spread, own = min(every), max(every) - min(every), self.scores(child)
        visits = self.visits(child)
        # The order matters: another one rounds differently and changes ties.
        mean = (sum(own) - len(own) * low) / spread / visits if spread else 0.0
        return mean + self.exploration * sqrt(log(self.visits(parent)) / visits)

    def next(self) -> int:
        """The node to expand."""
        at = 0
        while True:
            own = sum(1 for each in self.expanded if each == at)
            below = sum(1 for each in self.expanded if self.is_below(each, at))
            if own < sqrt(max(1, below)):
                return at
            open_children = [n for n, each in enumerate(self.nodes) if each.parent == at and not each.is_leaf]
            if not open_children:
                return at
            at = max(open_children, key=lambda child: self.value(child, at))

    def select(self, count: int, children: int) -> list[int]:
        """The nodes to expand in a round."""
        chosen = []
        for _ in range(count):
            chosen.append(self.next())
            self.pending.append((chosen[-1], children))
            self.expanded.append(chosen[-1])
        del self.expanded[-count:]
        self.pending.clear()
        return chosen

    def expand(self, node: int, grown: list[tuple[float, bool]]) -> None:
        """Add the children."""
        self.nodes += [Born(node, score, is_leaf) for score, is_leaf in grown]
        self.expanded.append(node)
