"""A data file to lessons: read, written in the family's conversation, no longer than the recipe allows."""

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
    """What is learnt, and what was too long: (where, tokens) of every sample that was dropped or cut."""

    path: Path
    digest: str
    lessons: tuple[Lesson, ...]
    over_long: tuple[tuple[str, int], ...]
    handled: OverLong

    @property
    def tokens(self) -> int:
        """Of one epoch, prompts included."""
        return sum(len(one.ids) for one in self.lessons)

    @property
    def learnt(self) -> int:
        return sum(one.learnt for one in self.lessons)

    @property
    def longest(self) -> int:
        return max(len(one.ids) for one in self.lessons)


def read_data(path: Path, writer: Writer, max_tokens: int, over_long: OverLong) -> Data:
    """Raises RecordError or TrainingError with the line of the first sample that cannot be learnt from."""
    if not path.is_file():
        raise TrainingError(f"--data: {path}: no such file")
    written = [writer.write(sample) for sample in read_samples(path)]
    too_long = tuple((one.where, len(one.ids)) for one in written if len(one.ids) > max_tokens)
    if too_long and over_long == "refuse":
        raise TrainingError(
            f"--data: {len(too_long)} of {len(written)} samples are longer than --max-tokens {max_tokens:,}; "
            f"the longest, {_longest(too_long)}: raise it, or say --over-long drop or cut"
        )
    lessons = tuple(written if over_long == "cut" else (x for x in written if len(x.ids) <= max_tokens))
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
    """The beginning of a lesson; one whose prompt alone fills the room is refused."""
    if len(one.ids) <= length:
        return one
    if all(label == IGNORE for label in one.labels[:length]):
        raise TrainingError(f"{one.where}: its question alone has more than --max-tokens {length:,}")
    return replace(one, ids=one.ids[:length], labels=one.labels[:length], cut=len(one.ids) - length)
