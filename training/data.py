"""Reads data files into tokenised conversations of the family, within the recipe's length limit.

Curation's train.jsonl is read strictly; of a data set of chats bad rows are dropped with their reasons, or
refuse the run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path

from server.reasoning.data_sets import Rejected, examples_of
from server.reasoning.records import RecordError, read_samples
from training.errors import TrainingError
from training.lesson import IGNORE, Lesson, SampleError, Writer
from training.recipes import OverLong
from training.rows import files_in, rows_in


@dataclass(frozen=True, slots=True)
class Data:
    """The training examples, and (where, tokens) of each sample that was too long and dropped or cut."""

    path: Path
    digest: str
    lessons: tuple[Lesson, ...]
    over_long: tuple[tuple[str, int], ...]
    handled: OverLong
    rejected: tuple[Rejected, ...] = ()
    """Rows, and turns of rows, that cannot be trained on."""

    @property
    def tokens(self) -> int:
        """Tokens of one epoch, including prompts."""
        return sum(len(one.ids) for one in self.lessons)

    @property
    def learnt(self) -> int:
        """Tokens under loss of one epoch."""
        return sum(one.learnt for one in self.lessons)

    @property
    def longest(self) -> int:
        """Tokens of the longest example."""
        return max(len(one.ids) for one in self.lessons)


def read_data(path: Path, writer: Writer, max_tokens: int, over_long: OverLong, strict: bool = False) -> Data:
    """Read and tokenise the samples of train.jsonl, or of a data set of chats (a file or a folder).

    Raises:
        RecordError: A line is not a valid sample.
        TrainingError: There is no file or sample, a sample cannot be trained on, or one is too long and
            `over_long` is "refuse". Of a data set of chats a bad row is an error only if `strict`.
    """
    files = files_in(path)
    examples: list[Lesson] = []
    rejected: list[Rejected] = []
    for file in files:
        if _is_our_own(file):
            examples += [writer.write(sample) for sample in read_samples(file)]
        else:
            found, bad = _chats(file, writer, strict)
            examples += found
            rejected += bad
    if not examples and rejected:
        raise TrainingError(f"--data: {path}: no sample in it; the first row: {rejected[0]}")
    too_long = tuple((one.where, len(one.ids)) for one in examples if len(one.ids) > max_tokens)
    if too_long and over_long == "refuse":
        raise TrainingError(
            f"--data: {len(too_long)} of {len(examples)} samples are longer than"
            f" --max-tokens {max_tokens:,}; "
            f"the longest, {_longest(too_long)}: raise it, or set --over-long to drop or cut"
        )
    lessons = tuple(examples if over_long == "cut" else (x for x in examples if len(x.ids) <= max_tokens))
    if not lessons:
        raise TrainingError(
            f"--data: {path}: no sample in it" + (" that is short enough" if too_long else "")
        )
    lessons = tuple(_cut(one, max_tokens) for one in lessons)
    return Data(path, _digest(files), lessons, too_long, over_long, tuple(rejected))


def _is_our_own(path: Path) -> bool:
    """Whether a file is curation's train.jsonl: by its first row; an empty one is."""
    if path.suffix == ".parquet":
        return False
    try:
        first = next(islice(rows_in(path), 1), None)
    except RecordError:
        return True  # read strictly, it is named
    return first is None or "schema" in first[1] or isinstance(first[1].get("trace"), dict)


def _chats(path: Path, writer: Writer, strict: bool) -> tuple[list[Lesson], list[Rejected]]:
    """The samples of a file of chats, and what was dropped of it.

    Raises:
        TrainingError: A row is bad, and `strict`.
    """
    lessons: list[Lesson] = []
    rejected: list[Rejected] = []
    for number, row in rows_in(path):
        for one in examples_of(row, f"{path}:{number}", f"{path.name.split('.')[0]}-{number}"):
            try:
                if isinstance(one, Rejected):
                    rejected.append(one)
                else:
                    lessons.append(writer.write(one))
            except SampleError as error:
                rejected.append(Rejected(f"{path}:{number}", error.reason, str(error)))
        if strict and rejected:
            raise TrainingError(f"--strict: {rejected[0]}")
    return lessons, rejected


def _digest(files: Sequence[Path]) -> str:
    digest = sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _longest(too_long: Iterable[tuple[str, int]]) -> str:
    where, tokens = max(too_long, key=lambda one: one[1])
    return f"{where}, has {tokens:,} tokens"


def _cut(one: Lesson, length: int) -> Lesson:
    """The first `length` tokens of an example.

    Raises:
        TrainingError: The prompt alone is longer.
    """
    if len(one.ids) <= length:
        return one
    if all(label == IGNORE for label in one.labels[:length]):
        raise TrainingError(f"{one.where}: its question alone has more than --max-tokens {length:,}")
    return replace(one, ids=one.ids[:length], labels=one.labels[:length], cut=len(one.ids) - length)
