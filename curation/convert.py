"""`s1-curate convert`: a data set of chats or traces as train.jsonl, without a pool and without selection.

Bad rows stand in dropped.jsonl, each with its reason, or end the conversion if it is strict.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from curation.errors import CurationError
from curation.reader import files_of, names_of, read_raw
from curation.run.folder import whole_file
from server.reasoning.data_sets import Rejected, examples_of
from server.reasoning.records import TrainingExample, example_line

DROPPED = "dropped.jsonl"


def convert(paths: Sequence[Path], out: Path, strict: bool) -> str:
    """Write the examples of these files or folders to `out`; returns the counts.

    Raises:
        CurationError: `out` exists, a file cannot be read, no row gives an example, or a row is bad and the
            conversion `strict`.
    """
    beside = out.with_name(DROPPED)
    if there := next((one for one in (out, beside) if one.exists()), None):
        raise CurationError(f"{there}: already exists; remove it first")
    try:
        return _convert(paths, out, beside, strict)
    except CurationError:
        for one in (out, beside):
            one.with_name(one.name + ".part").unlink(missing_ok=True)
            one.unlink(missing_ok=True)
        raise


def _convert(paths: Sequence[Path], out: Path, beside: Path, strict: bool) -> str:
    count, reasons = 0, Counter[str]()
    first: Rejected | None = None
    with whole_file(out) as kept, whole_file(beside) as dropped:
        for one in _examples(paths):
            if isinstance(one, TrainingExample):
                kept.write(example_line(one).encode())
                count += 1
                continue
            if strict:
                raise CurationError(f"--strict: {one}")
            first = first or one
            reasons[one.reason] += 1
            dropped.write(json.dumps(asdict(one), ensure_ascii=False).encode() + b"\n")
        if not count:
            raise CurationError(
                f"no example in {', '.join(map(str, paths))}; the first row: {first or 'none'}"
            )
    told = ", ".join(f"{reason} {number:,}" for reason, number in reasons.most_common())
    return f"{count:,} examples in {out}" + (f"; dropped, see {beside}: {told}" if told else "")


def _examples(paths: Sequence[Path]) -> Iterator[TrainingExample | Rejected]:
    for file, name in names_of([file for path in paths for file in files_of(path)]).items():
        for raw in read_raw(file):
            if raw.columns is None:
                yield Rejected(raw.place, "unreadable", raw.fault)
            else:
                yield from examples_of(raw.columns, raw.place, f"{name}-{raw.number}")
