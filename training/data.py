"""Reads a data file into tokenised conversations of the family, within the recipe's length limit."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from server.reasoning.records import read_samples
from training.errors import TrainingError
from training.lesson import IGNORE, Lesson, Writer
from training.recipes import OverLong


@dataclass(frozen=True, slots=True)
class Data:
    """The training examples, and (where, tokens) of each sample that was too long and dropped or cut."""

    path: Path
    digest: str
    lessons: tuple[Lesson, ...]
    over_long: tuple[tuple[str, int], ...]
    handled: OverLong

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


def read_data(path: Path, writer: Writer, max_tokens: int, over_long: OverLong) -> Data:
    """Read and tokenise the samples of train.jsonl.

    Raises:
        RecordError: A line is not a valid sample.
        TrainingError: There is no file or sample, a sample cannot be trained on, or one is too long and
            `over_long` is "refuse".
    """
    if not path.is_file():
        raise TrainingError(f"--data: {path}: no such file")
    examples = [writer.write(sample) for sample in read_samples(path)]
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
    return Data(path, sha256(path.read_bytes()).hexdigest(), lessons, too_long, over_long)


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
