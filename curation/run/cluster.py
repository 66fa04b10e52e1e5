"""The stages that look at one row at a time, on a Ray cluster: shards go out, and come back in the order of
the rows.

Ray rather than datatrove's executors: a stage here is a function from rows to rows, which a Ray task calls as
it is;
datatrove would want readers, writers and a file of every rank around each. What comes out is the same either
way.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from curation.decontaminate.grams import in_batches
from curation.errors import CurationError
from curation.row import Outcome, Row
from curation.run.stage import Run, Stage

SHARD_ROWS = 500
# Shards waiting for each CPU of the cluster: none idles, and memory stays bounded.
SHARDS_PER_CPU = 2


def on_cluster(stage: Stage, address: str) -> Stage:
    """A stage that compares rows with one another stays where it is."""
    return replace(stage, run=OnRay(stage.run, address)) if stage.by_row else stage


@dataclass(frozen=True, slots=True)
class OnRay:
    """`address` as `ray.init` takes it ("local", "auto", "ray://host:10001"); the nodes have
    s1-server installed.
    """

    run: Run
    address: str
    shard_rows: int = SHARD_ROWS

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        ray = _connected(self.address)
        run, work = ray.put(self.run), ray.remote(outcomes_of)
        most = max(1, int(ray.cluster_resources().get("CPU", 1))) * SHARDS_PER_CPU
        pending: deque[Any] = deque()
        for shard in in_batches(rows, self.shard_rows):
            pending.append(work.remote(run, shard))
            if len(pending) >= most:
                yield from _got(ray, pending.popleft())
        while pending:
            yield from _got(ray, pending.popleft())


def outcomes_of(run: Run, shard: list[Row]) -> list[Outcome]:
    """What a worker does."""
    return list(run(shard))


def _got(ray: Any, shard: Any) -> list[Outcome]:
    try:
        found: list[Outcome] = ray.get(shard)
    except ray.exceptions.RayTaskError as error:
        # An endpoint that is gone, for instance: the same line as without a cluster.
        raise CurationError(str(error.cause)) from error
    except ray.exceptions.RayError as error:
        raise CurationError(f"the Ray cluster failed: {error}") from error
    return found


def _connected(address: str) -> Any:
    """The package, connected. It stays so for the next stage, and lets go when the process ends."""
    try:
        ray = import_module("ray")
    except ImportError as error:
        raise CurationError("--ray needs the package ray (pip install ray), here and on the nodes") from error
    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise CurationError(f"--ray {address}: no such cluster ({str(error).strip()})") from error
    return ray
