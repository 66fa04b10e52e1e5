"""The rows of data files: a file, or the files of a folder, in order, each with its place."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from server.reasoning.data_files import data_files
from server.reasoning.records import read_objects
from training.errors import TrainingError

TRAIN_FILE = "train.jsonl"
KINDS = (".jsonl", ".jsonl.gz", ".parquet")


def files_in(path: Path) -> list[Path]:
    """The file, or a folder's data; of a folder with a train.jsonl that alone, as s1-curate makes them.

    Raises:
        TrainingError: There is none that can be read.
    """
    if path.is_dir():
        if (made := path / TRAIN_FILE).is_file():
            return [made]
        if found := data_files(path, KINDS):
            return found
        raise TrainingError(f"--data: {path}: no file in it, of {', '.join(KINDS)}")
    if not path.is_file():
        raise TrainingError(f"--data: {path}: no such file")
    if not path.name.endswith(KINDS):
        raise TrainingError(f"--data: {path}: cannot read this kind of file; give one of {', '.join(KINDS)}")
    return [path]


def rows_in(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number from 1, columns) for each row of a file.

    Raises:
        RecordError: A line is no JSON object.
        TrainingError: The file is no Parquet.
    """
    if path.suffix != ".parquet":
        yield from read_objects(path)
        return
    from pyarrow import ArrowInvalid, parquet

    try:
        file = parquet.ParquetFile(path)
    except ArrowInvalid as error:
        raise TrainingError(f"--data: {path}: not Parquet: {error}") from error
    batches = (batch.to_pylist() for batch in file.iter_batches(1000))
    yield from enumerate(chain.from_iterable(batches), 1)
