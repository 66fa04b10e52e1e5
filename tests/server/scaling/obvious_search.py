"""A slow reference implementation of Monte Carlo tree search: recomputes everything from a list of draws."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log, sqrt

Path = tuple[int, ...]
"""A node: the kinds of the steps that lead to it; the root is ()."""


@dataclass
class ObviousSearch:
    """`kinds` are the possible steps of every node, each with its score and whether it is a leaf.

    `drawn` holds the node of each draw; `expanded` the parent of each expansion, including pending ones;
    `pending`, per pending expansion, the parent and its number of children.
    """

    exploration: float
    kinds: Sequence[tuple[float, bool]]
    drawn: list[Path] = field(default_factory=list)
    expanded: list[Path] = field(default_factory=list)
    pending: list[tuple[Path, int]] = field(default_factory=list)

    def scores(self, top: Path) -> list[float]:
        """The scores of all draws at and below `top`, without pending ones."""
        return [self.kinds[each[-1]][0] for each in self.drawn if each[: len(top)] == top]

    def visits(self, top: Path) -> int:
        """The number of those draws, including pending ones."""
        return len(self.scores(top)) + sum(many for at, many in self.pending if at[: len(top)] == top)

    def value(self, child: Path, parent: Path) -> float:
        """The UCT value. A pending child counts with the lowest score, scaled to 0."""
        every = self.scores(())
        low, spread, own = min(every), max(every) - min(every), self.scores(child)
        visits = self.visits(child)
        # The order matters: another one rounds differently and changes ties.
        mean = (sum(own) - len(own) * low) / spread / visits if spread else 0.0
        return mean + self.exploration * sqrt(log(self.visits(parent)) / visits)

    def children(self, parent: Path) -> list[Path]:
        """The different nodes drawn from one, in the order of their first draw."""
        return list(dict.fromkeys(each for each in self.drawn if each[:-1] == parent))

    def next(self) -> Path:
        """The node to expand."""
        at: Path = ()
        while True:
            own = self.expanded.count(at)
            below = sum(each[: len(at)] == at for each in self.expanded)
            if own < sqrt(sqrt(max(1, below))):
                return at
            open_children = [each for each in self.children(at) if not self.kinds[each[-1]][1]]
            if not open_children:
                return at
            values = [self.value(child, at) for child in open_children]
            at = open_children[values.index(max(values))]

    def select(self, count: int, children: int) -> list[Path]:
        """The nodes to expand in a round."""
        chosen = []
        for _ in range(count):
            chosen.append(self.next())
            self.pending.append((chosen[-1], children))
            self.expanded.append(chosen[-1])
        del self.expanded[-count:]
        self.pending.clear()
        return chosen

    def expand(self, node: Path, grown: Sequence[int]) -> None:
        """Add a draw of each kind."""
        self.drawn += [(*node, kind) for kind in grown]
        self.expanded.append(node)
