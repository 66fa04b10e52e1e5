"""Reads raw rows from a local file or the hub; an unreadable row is reported, and reading continues."""

import codecs
import csv
import gzip
import json
import os
import sys
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from curation.cells import cell
from curation.errors import CurationError
from curation.sources.source import Columns, HubDataset
from server.reasoning.data_files import data_files

MAX_EXCERPT_BYTES = 2000
CONVERTED = "refs/convert/parquet"
"""The branch of a hub data set with the hub's own conversion to parquet."""


@dataclass(frozen=True, slots=True)
class Raw:
    """One row: its columns, or cause it has none.

    `place` is "file:line", or the row number in other formats.
    """

    place: str
    columns: Columns | None
    fault: str = ""
    excerpt: str = ""
    """The beginning of an unreadable row."""

    @property
    def number(self) -> str:
        """The number at the end of its place."""
        return self.place.rpartition(":")[2]


def read_raw(path: Path) -> Iterator[Raw]:
    """Yield the rows of a file; an unreadable line is a `Raw` with a fault.

    Raises:
        CurationError: The file as a whole cannot be read, or its format is unknown.
    """
    reader = READERS.get("".join(path.suffixes[-2:]).lower()) or READERS.get(path.suffix.lower())
    if reader is None:
        raise CurationError(f"{path}: cannot read this kind of file; give one of {', '.join(READERS)}")
    try:
        yield from reader(path)
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        cause = getattr(error, "strerror", None) or error
        raise CurationError(f"{path}: cannot be read ({cause})") from error


def files_of(path: Path) -> list[Path]:
    """The file itself, or the data files of a folder, sorted.

    Raises:
        CurationError: The folder has no readable file.
    """
    if not path.is_dir():
        return [path]
    found = data_files(path, tuple(READERS))
    if not found:
        raise CurationError(f"{path}: no file in this folder that can be read, of {', '.join(READERS)}")
    return found


def stem_of(path: Path) -> str:
    """The file's name without its format suffix: train.part.1 for train.part.1.jsonl."""
    ending = next((one for one in READERS if path.name.lower().endswith(one)), "")
    return path.name[: len(path.name) - len(ending)]


def names_of(files: Sequence[Path]) -> dict[Path, str]:
    """What the rows of each of these files are named after: its stem, wherever the file lies.

    Files of one stem are told apart by their folders (sat_en/test and aqua_rat/test), those of one folder by
    their formats.
    """
    # The folder alone is resolved: in the hub's cache files are links to hashes.
    places = {path: path.parent.resolve() / path.name for path in files}
    alike: dict[str, set[Path]] = defaultdict(set)
    for place in places.values():
        alike[stem_of(place)].add(place)
    return {path: _name(place, alike[stem_of(place)]) for path, place in places.items()}


def _name(path: Path, alike: set[Path]) -> str:
    if len(alike) == 1:
        return stem_of(path)
    folders = [one.parent for one in alike]
    name = stem_of(path) if folders.count(path.parent) == 1 else path.name
    return (path.parent.relative_to(os.path.commonpath(folders)) / name).as_posix()


def _json_lines(path: Path) -> Iterator[Raw]:
    with path.open("rb") as file:
        yield from _lines(path, file)


def _zipped_lines(path: Path) -> Iterator[Raw]:
    with gzip.open(path, "rb") as file:
        yield from _lines(path, file)


def _lines(path: Path, file: IO[bytes] | gzip.GzipFile) -> Iterator[Raw]:
    for number, line in enumerate(file, 1):
        text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if text.strip():
            yield _line(f"{path}:{number}", text)


def _line(place: str, line: bytes) -> Raw:
    excerpt = line[:MAX_EXCERPT_BYTES].decode("utf-8", "backslashreplace")
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Raw(place, None, f"broken UTF-8 at byte {error.start}", excerpt)
    except ValueError as error:
        return Raw(place, None, f"not JSON: {error}", excerpt)
    if not isinstance(value, dict):
        return Raw(place, None, f"not an object but {type(value).__name__}", excerpt)
    return Raw(place, value)


def _json(path: Path) -> Iterator[Raw]:
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise CurationError(f"{path}: not JSON: {error}") from error
    if not isinstance(value, list):
        raise CurationError(f"{path}: not a list of objects")
    for number, row in enumerate(value, 1):
        if isinstance(row, dict):
            yield Raw(f"{path}:{number}", row)
        else:
            yield Raw(f"{path}:{number}", None, f"not an object but {type(row).__name__}", repr(row)[:200])


def _csv(path: Path) -> Iterator[Raw]:
    csv.field_size_limit(sys.maxsize)  # a field may hold a passage, or all tests of a program
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            yield Raw(f"{path}:{reader.line_num}", {str(name): cell(value) for name, value in row.items()})


def _parquet(path: Path) -> Iterator[Raw]:
    from pyarrow import ArrowInvalid, parquet

    try:
        file = parquet.ParquetFile(path)
    except ArrowInvalid as error:
        raise CurationError(f"{path}: not parquet: {error}") from error
    number = 0
    for batch in file.iter_batches(1000):
        for row in batch.to_pylist():
            number += 1
            yield Raw(f"{path}:{number}", row)


READERS: dict[str, Callable[[Path], Iterator[Raw]]] = {
    ".jsonl": _json_lines,
    ".jsonl.gz": _zipped_lines,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}


def read_hub(hub: HubDataset) -> Iterator[Raw]:
    """Yield the rows of a hub data set, streamed, so that it is not stored on disk twice.

    Raises:
        CurationError: The data set cannot be loaded: no network, gated, or no such configuration.
    """
    try:
        rows = _streamed(hub)
        for number, row in enumerate(rows, 1):
            yield Raw(f"{hub}:{number}", dict(row))
    except (OSError, ValueError, RuntimeError) as error:
        # datasets and huggingface_hub raise OSError (no network, gated), ValueError (no such
        # configuration) and RuntimeError (a data set that is a loading script).
        cause = str(error).strip().split("\n")[0]
        raise CurationError(
            f"the hub's {hub} is not available ({cause}); give network (and `hf auth login` for a gated set),"
            " or the same rows as a local file in --pool"
        ) from error


def _streamed(hub: HubDataset) -> Any:
    from datasets import load_dataset

    if hub.files:
        files = [f"hf://datasets/{hub.path}/{name}" for name in hub.files]
        return load_dataset("json", data_files=files, split="train", streaming=True)
    try:
        return load_dataset(hub.path, hub.config, split=hub.split, streaming=True)
    except RuntimeError as error:
        if "scripts are no longer supported" not in str(error):
            raise
        # The hub keeps a parquet conversion of such data sets.
        return load_dataset(hub.path, hub.config, split=hub.split, streaming=True, revision=CONVERTED)
