"""Runs row-wise stages on a Ray cluster in shards, with the results in the order of the rows.

Ray rather than datatrove's executors: a stage is a function from rows to rows, which a Ray task can call
directly; datatrove would need readers, writers and one file per rank around each. The output is the same
either way.
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
# Pending shards per CPU of the cluster: keeps CPUs busy and bounds memory.
SHARDS_PER_CPU = 2


def on_cluster(stage: Stage, address: str) -> Stage:
    """The stage on the cluster; a stage that compares rows with one another is returned unchanged."""
    return replace(stage, run=OnRay(stage.run, address)) if stage.by_row else stage


@dataclass(frozen=True, slots=True)
class OnRay:
    """`address` as in `ray.init`: "local", "auto" or "ray://host:10001".

    The nodes need s1-server installed.
    """

    run: Run
    address: str
    shard_rows: int = SHARD_ROWS

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Yield the outcomes of the stage, computed on the cluster, in the order of the rows.

        Raises:
            CurationError: The stage raised it, there is no such cluster, or the cluster failed.
        """
        ray = _connected(self.address)
        run, work = ray.put(self.run), ray.remote(outcomes_of)
        max_pending = max(1, int(ray.cluster_resources().get("CPU", 1))) * SHARDS_PER_CPU
        pending: deque[Any] = deque()
        for shard in in_batches(rows, self.shard_rows):
            pending.append(work.remote(run, shard))
            if len(pending) >= max_pending:
                yield from _got(ray, pending.popleft())
        while pending:
            yield from _got(ray, pending.popleft())


def outcomes_of(run: Run, shard: list[Row]) -> list[Outcome]:
    """The work of one Ray task: the outcomes of a shard."""
    return list(run(shard))


def _got(ray: Any, shard: Any) -> list[Outcome]:
    try:
        found: list[Outcome] = ray.get(shard)
    except ray.exceptions.RayTaskError as error:
        # For example an endpoint that is down: the same message as without a cluster.
        raise CurationError(str(error.cause)) from error
    except ray.exceptions.RayError as error:
        raise CurationError(f"the Ray cluster failed: {error}") from error
    return found


def _connected(address: str) -> Any:
    """The ray package, connected; it stays connected until the process ends.

    Raises:
        CurationError: The package is missing, or there is no such cluster.
    """
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
