"""Runs a recipe in a folder: finished stages are skipped, the others are run and recorded, in order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from curation.errors import CurationError
from curation.row import Outcome, RowFile
from curation.run.folder import RunFolderError, write_whole
from curation.run.ledger import Ledger, StageCount, funnel_json
from curation.run.manifest import Manifest, claim
from curation.run.progress import watched
from curation.run.stage import Stage
from server.reasoning.command import held

ReportCount = Callable[[StageCount], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """`collect` makes the pool, `stages` filter it in order, `export` writes the result."""

    name: str
    collect: Callable[[], Iterator[Outcome]]
    stages: tuple[Stage, ...]
    export: Callable[[RowFile, Path], None]
    skipped: tuple[str, ...] = ()
    """Stages skipped by the user; the funnel marks them."""


def run(recipe: Recipe, manifest: Manifest, out: Path, tell: ReportCount) -> list[StageCount]:
    """Run the recipe and return the funnel; `tell` is called after each stage.

    Raises:
        CurationError: The folder is in use or holds another run, the pool is empty, or no row is left.
    """
    with held(out, RunFolderError):
        claim(out, manifest)
        ledger = Ledger(out)
        counts = [_collected(recipe, ledger)]
        tell(counts[0])
        for number, stage in enumerate(recipe.stages, 1):
            count = ledger.finished(number, stage.name)
            if count is None:
                count = _done(stage, number, ledger, counts[-1].kept, stage.name in recipe.skipped)
            counts.append(count)
            tell(count)
        if counts[-1].kept == 0:
            raise CurationError(f"no row is left; {out / 'dropped'} has each with its reason")
        recipe.export(ledger.kept(len(recipe.stages)), out)
        write_whole(out / "funnel.json", funnel_json(counts))
    return counts


def _collected(recipe: Recipe, ledger: Ledger) -> StageCount:
    count = ledger.finished(0, "collect") or ledger.record(0, "collect", recipe.collect(), None)
    if count.before == 0:
        raise CurationError("the pool is empty: no source gave a single row (see --pool, --source, --hub)")
    return count


def _done(stage: Stage, number: int, ledger: Ledger, before: int, skip: bool) -> StageCount:
    rows = ledger.kept(number - 1)
    if stage.check is not None and not skip:
        stage.check(rows)
    outcomes: Iterator[Outcome] = iter(rows) if skip else stage.run(rows)
    seen = watched(outcomes, stage.name, before)
    return ledger.record(number, stage.name, seen, before, "skipped" if skip else "")
