"""Monte Carlo tree search the slow way: everything is counted anew from a list of nodes at each question."""

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
    """`expanded` has the number of the parent of each expansion, pending ones included; `pending` of each
    pending expansion the parent and how many children it will have."""

    exploration: float
    nodes: list[Born] = field(default_factory=lambda: [Born(None)])
    expanded: list[int] = field(default_factory=list)
    pending: list[tuple[int, int]] = field(default_factory=list)

    def is_below(self, node: int, top: int) -> bool:
        """Whether `node` is `top` or stands below it."""
        at: int | None = node
        while at is not None and at != top:
            at = self.nodes[at].parent
        return at == top

    def scores(self, top: int) -> list[float]:
        """Of all nodes at and below `top`, pending ones left out; the root has none of its own."""
        return [each.score for at, each in enumerate(self.nodes) if at and self.is_below(at, top)]

    def visits(self, top: int) -> int:
        """How many nodes those are, pending ones included."""
        return len(self.scores(top)) + sum(many for at, many in self.pending if self.is_below(at, top))

    def value(self, child: int, parent: int) -> float:
        """Its UCT value. A pending child counts as the lowest score, which is scaled to 0."""
        every = [each.score for each in self.nodes[1:]]
        low, spread, own = min(every), max(every) - min(every), self.scores(child)
        visits = self.visits(child)
        # In this order: another one rounds differently, and breaks ties otherwise.
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
        """The nodes of a round."""
        chosen = []
        for _ in range(count):
            chosen.append(self.next())
            self.pending.append((chosen[-1], children))
            self.expanded.append(chosen[-1])
        del self.expanded[-count:]
        self.pending.clear()
        return chosen

    def expand(self, node: int, grown: list[tuple[float, bool]]) -> None:
        """The children came."""
        self.nodes += [Born(node, score, is_leaf) for score, is_leaf in grown]
        self.expanded.append(node)
