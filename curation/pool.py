"""The pool: the rows of all sources as problems with ids. Invalid rows are dropped with their file and line.

Defines ids, and the errors of raw input. The sources themselves are in `curation.sources`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from types import MappingProxyType

from curation.errors import CurationError
from curation.reader import Raw, files_of, names_of, read_hub, read_raw, stem_of
from curation.row import Dropped, Outcome, Row
from curation.sources import SOURCES
from curation.sources.sample import sampled
from curation.sources.source import Columns, Draft, LeftOut, MissingColumnError, Source, optional
from server.reasoning.records import Problem

EXCERPT = 200
"""Characters of a row that is of another origin than the source takes."""
# Columns that become fields of the row; all other columns are kept as metadata.
_TEXTS = frozenset(
    (
        *("question", "problem", "Question", "question_content", "solution", "Answer", "answer"),
        *("reference_solution", "messages", "output", "passage", "options"),
        *("private_test_cases", "public_test_cases"),
    )
)


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """Where each source's rows come from: the user's files, or the hub."""

    files: Mapping[str, tuple[Path, ...]]
    from_hub: tuple[str, ...]
    seed: int


def find_files(pool: Path | None, named: list[tuple[str, Path]]) -> dict[str, tuple[Path, ...]]:
    """The files of each source: those in the folder `pool`, by source name, and the `named` ones.

    Raises:
        CurationError: A name is not a source, or the folder is missing or empty.
    """
    found: dict[str, tuple[Path, ...]] = {}
    for name, path in [*sorted(_entries(pool)), *named]:
        if name not in SOURCES:
            raise CurationError(f"{path}: {name!r} is not a source; the sources are {', '.join(SOURCES)}")
        found[name] = (*found.get(name, ()), *files_of(path))
    return {name: found[name] for name in SOURCES if name in found}


def _entries(pool: Path | None) -> set[tuple[str, Path]]:
    if pool is None:
        return set()
    if not pool.is_dir():
        raise CurationError(f"{pool}: no such folder")
    return {(path.name.split(".")[0], path) for path in pool.iterdir() if not path.name.startswith(".")}


def collect(spec: PoolSpec) -> Iterator[Outcome]:
    """Yield the rows source by source, in the paper's order; a repeated id is dropped.

    Raises:
        CurationError: A source is given from both files and the hub, or cannot be read.
    """
    seen: set[int] = set()
    for source in SOURCES.values():
        names = {str(path): name for path, name in names_of(spec.files.get(source.name, ())).items()}
        outcomes = sampled(source, _rows(source, _raw(source, spec), names), spec.seed)
        for outcome in outcomes:
            yield _unless_known(outcome, seen) if isinstance(outcome, Row) else outcome


def _raw(source: Source, spec: PoolSpec) -> Iterator[Raw]:
    if source.name in spec.from_hub and source.name in spec.files:
        where = spec.files[source.name][0]
        raise CurationError(f"{source.name} is asked for from the hub and from {where}: give one")
    if source.name in spec.from_hub:
        return chain.from_iterable(read_hub(hub) for hub in source.hub)
    return chain.from_iterable(read_raw(path) for path in spec.files.get(source.name, ()))


def _rows(source: Source, raws: Iterator[Raw], names: Mapping[str, str]) -> Iterator[tuple[Columns, Outcome]]:
    for raw in raws:
        if raw.columns is None or source.wanted(raw.columns):
            yield raw.columns or {}, row_of(source, raw, names)
        else:
            # There may be hundreds of thousands: enough of each to find it again.
            short = Raw(raw.place, None, excerpt=json.dumps(raw.columns, default=str)[:EXCERPT])
            yield raw.columns, _unreadable(source, short, "other_origin", optional(raw.columns, "source"))


def row_of(source: Source, raw: Raw, names: Mapping[str, str] = MappingProxyType({})) -> Outcome:
    """The row made from a raw one, or the reason for dropping it.

    `names`: what the rows of a file are named after, where that is not its stem.
    """
    if raw.columns is None:
        return _unreadable(source, raw, "unreadable", raw.fault)
    try:
        draft = source.draft(raw.columns)
    except MissingColumnError as error:
        return _unreadable(source, raw, "missing_column", str(error))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        # Adapters parse the documented columns; a row of another shape is dropped.
        return _unreadable(source, raw, "not_of_this_source", f"{type(error).__name__}: {error}")
    if isinstance(draft, LeftOut):
        return _unreadable(source, raw, "left_out", draft.why)
    if not draft.question.strip():
        return _unreadable(source, raw, "no_question", "")
    row = _row(source, raw, draft, names)
    return row if _is_text(row) else _unreadable(source, raw, "broken_text", "not Unicode: a lone surrogate")


def _row(source: Source, raw: Raw, draft: Draft, names: Mapping[str, str]) -> Row:
    identity = draft.original_id or _place_name(raw, names)
    problem = Problem(
        f"{source.name}/{identity}",
        draft.question,
        draft.answer,
        draft.solution,
        draft.domain,
        source.name,
        draft.choices,
    )
    return Row(
        problem,
        draft.kind,
        draft.published_as,
        draft.licence or source.licence,
        draft.original_id,
        _metadata(raw.columns or {}),
    )


def _place_name(raw: Raw, names: Mapping[str, str]) -> str:
    """The position without folders, so that the same file elsewhere gives the same ids."""
    path = raw.place.rpartition(":")[0]
    return f"{names.get(path) or stem_of(Path(path))}-{raw.number}"


def _metadata(columns: Columns) -> str:
    rest = {name: value for name, value in columns.items() if name not in _TEXTS}
    return json.dumps(rest, ensure_ascii=True, default=str, sort_keys=True)


def _is_text(row: Row) -> bool:
    one = row.problem
    try:
        "".join((one.id, one.question, one.answer, one.solution, *one.choices)).encode()
    except UnicodeEncodeError:
        return False
    return True


def _unreadable(source: Source, raw: Raw, reason: str, detail: str) -> Dropped:
    excerpt = raw.excerpt or json.dumps(raw.columns, default=str)[:2000]
    row = Row(Problem(raw.place, "", "", source=source.name), licence=source.licence, metadata=excerpt)
    return Dropped(row, reason, f"{raw.place}: {detail}" if detail else raw.place)


def _unless_known(row: Row, seen: set[int]) -> Outcome:
    # Eight bytes per id instead of the id, since there may be a million.
    key = int.from_bytes(blake2b(row.problem.id.encode(), digest_size=8).digest())
    if key in seen:
        return Dropped(row, "duplicate_id", row.problem.id)
    seen.add(key)
    return row
