"""Samples a fixed number of rows of a source, evenly over its groups and independent of their order."""

from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b

from curation.row import Dropped, Outcome, Row
from curation.sources.source import Columns, Source


def sampled(source: Source, rows: Iterator[tuple[Columns, Outcome]], seed: int) -> Iterator[Outcome]:
    """Yield all rows if the source has no `sample`; else the sampled ones, the others as not_sampled."""
    if source.sample is None:
        yield from (outcome for _, outcome in rows)
        return
    groups: dict[str, list[Row]] = defaultdict(list)
    order: list[Row] = []
    for columns, outcome in rows:
        if isinstance(outcome, Dropped):
            yield outcome
        else:
            groups[source.group(columns)].append(outcome)
            order.append(outcome)
    chosen = _chosen(groups, source.sample, seed)
    for row in order:
        yield row if row.problem.id in chosen else Dropped(row, "not_sampled")


def _chosen(groups: dict[str, list[Row]], wanted: int, seed: int) -> set[str]:
    """The ids of `wanted` rows: one per group in turn, each group in the order of a seeded hash."""
    queues = [sorted(rows, key=lambda row: _place(row, seed)) for _, rows in sorted(groups.items())]
    turns = (row for turn in range(max(map(len, queues), default=0)) for row in _turn(queues, turn))
    chosen: set[str] = set()
    for row in turns:
        if len(chosen) == wanted:
            break
        chosen.add(row.problem.id)
    return chosen


def _turn(queues: list[list[Row]], turn: int) -> list[Row]:
    return [queue[turn] for queue in queues if turn < len(queue)]


def _place(row: Row, seed: int) -> bytes:
    return blake2b(f"{seed}:{row.problem.question}".encode(), digest_size=8).digest()
