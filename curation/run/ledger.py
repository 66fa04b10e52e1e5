"""The records of a run: per stage the kept rows, the dropped rows, and a count that both must match.

A stage's count file is written last: if it exists, the stage is finished and a rerun skips it. Of the kept
rows only the latest stage's stay on disk; all dropped rows stay, so that each row of the pool can be found.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from curation.errors import CurationError
from curation.row import Dropped, Outcome, RowFile, dropped_line, row_line
from curation.run.folder import whole_file, write_whole


@dataclass(frozen=True, slots=True)
class StageCount:
    """One step of the funnel."""

    stage: str
    before: int
    kept: int
    dropped: dict[str, int]
    """Number of rows by reason, in decreasing order."""
    note: str = ""


SCHEMA_VERSION = 1
_COUNT: TypeAdapter[StageCount] = TypeAdapter(StageCount)
_COUNTS: TypeAdapter[list[StageCount]] = TypeAdapter(list[StageCount])


@dataclass(frozen=True, slots=True)
class Ledger:
    """The files of one run. Stages are numbered from 0 (collect), so that a listing is in order."""

    folder: Path

    def kept(self, number: int) -> RowFile:
        """The rows that stage `number` kept."""
        return RowFile(self.folder / "kept" / f"{number:02d}.jsonl")

    def dropped_path(self, number: int, name: str) -> Path:
        """The file of the rows that the stage dropped."""
        return self.folder / "dropped" / f"{number:02d}-{name}.jsonl"

    def _count_path(self, number: int, name: str) -> Path:
        return self.folder / "stages" / f"{number:02d}-{name}.json"

    def finished(self, number: int, name: str) -> StageCount | None:
        """The count of a finished stage, else None."""
        path = self._count_path(number, name)
        return _COUNT.validate_json(path.read_bytes()) if path.exists() else None

    def record(
        self, number: int, name: str, outcomes: Iterable[Outcome], before: int | None, note: str = ""
    ) -> StageCount:
        """Write every outcome to its file; return the count.

        `before` is the number of rows given to the stage; None for collect, where rows enter.

        Raises:
            CurationError: The stage did not return an outcome for each row.
        """
        kept, reasons = 0, Counter[str]()
        with (
            whole_file(self.kept(number).path) as keep,
            whole_file(self.dropped_path(number, name)) as drop,
        ):
            for outcome in outcomes:
                if isinstance(outcome, Dropped):
                    drop.write(dropped_line(outcome))
                    reasons[outcome.reason] += 1
                else:
                    keep.write(row_line(outcome))
                    kept += 1
        total = kept + reasons.total()
        if before is not None and total != before:
            raise CurationError(
                f"stage {name} was given {before} rows and accounted for {total}: a bug in s1-curate"
            )
        count = StageCount(name, total, kept, dict(_by_number(reasons)), note)
        write_whole(self._count_path(number, name), json.dumps(asdict(count), indent=1) + "\n")
        if number:
            self.kept(number - 1).path.unlink(missing_ok=True)
        return count


def _by_number(reasons: Counter[str]) -> list[tuple[str, int]]:
    return sorted(reasons.items(), key=lambda one: (-one[1], one[0]))


def funnel_json(counts: list[StageCount]) -> str:
    """The funnel as the JSON of funnel.json."""
    return json.dumps({"schema": SCHEMA_VERSION, "stages": [asdict(c) for c in counts]}, indent=1) + "\n"


def read_funnel(out: Path) -> list[StageCount]:
    """The funnel of a finished run.

    Raises:
        CurationError: There is none, or it is not JSON.
    """
    path = out / "funnel.json"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CurationError(f"{out}: no finished run here (there is no funnel.json)") from error
    except ValueError as error:
        raise CurationError(f"{path}: not JSON: {error}") from error
    return _COUNTS.validate_python(value["stages"])


def funnel_text(counts: list[StageCount]) -> str:
    """The funnel as a Markdown table."""
    lines = ["| stage | given | kept | dropped, by reason |", "|---|---:|---:|---|"]
    for one in counts:
        reasons = ", ".join(f"{name} {number:,}" for name, number in one.dropped.items()) or one.note or "-"
        lines.append(f"| {one.stage} | {one.before:,} | {one.kept:,} | {reasons} |")
    return "\n".join(lines)
