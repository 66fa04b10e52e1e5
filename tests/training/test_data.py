"""Samples that are too long are told and handled as the recipe says; never cut in silence."""

import gzip
import json
from pathlib import Path
from sys import getsizeof

import pytest

from server.reasoning.families import FAMILIES
from server.reasoning.records import RecordError
from tests.training.tiny import tiny_tokenizer, train_file
from training.data import Data, read_data
from training.errors import TrainingError
from training.lesson import IGNORE, Writer
from training.recipes import OverLong

WRITER = Writer(tiny_tokenizer("<think>", "</think>"), FAMILIES["think"], "tiny")


def read(path: Path, max_tokens: int = 10_000, over_long: OverLong = "refuse") -> Data:
    return read_data(path, WRITER, max_tokens, over_long)


def test_tokens_are_counted_with_and_without_the_prompts(tmp_path: Path) -> None:
    data = read(train_file(tmp_path / "train.jsonl", 3))
    assert data.tokens == sum(len(one.ids) for one in data.lessons)
    assert data.learnt == sum(label != IGNORE for one in data.lessons for label in one.labels)
    assert (len(data.lessons), data.over_long) == (3, ())


def test_a_token_and_its_label_take_eight_bytes(tmp_path: Path) -> None:
    data = read(train_file(tmp_path / "train.jsonl", 12))
    held = sum(getsizeof(one.ids) + getsizeof(one.labels) for one in data.lessons)
    assert 8 * data.tokens <= held <= 8 * data.tokens + 200 * len(data.lessons)


def test_a_sample_that_is_too_long_stops_the_run_and_is_named(tmp_path: Path) -> None:
    path = train_file(tmp_path / "train.jsonl", 12)
    longest = read(path).longest
    with pytest.raises(TrainingError) as caught:
        read(path, longest - 1)
    assert str(caught.value) == (
        f"--data: 1 of 12 samples are longer than --max-tokens {longest - 1:,}; the longest, {path}:12,"
        f" has {longest:,} tokens: raise it, or set --over-long to drop or cut"
    )


def test_a_sample_that_is_exactly_long_enough_stays(tmp_path: Path) -> None:
    path = train_file(tmp_path / "train.jsonl", 12)
    assert read(path, read(path).longest).over_long == ()


def test_dropped_samples_are_told(tmp_path: Path) -> None:
    path = train_file(tmp_path / "train.jsonl", 12)
    whole = read(path)
    data = read(path, whole.longest - 1, "drop")
    assert data.over_long == ((f"{path}:12", whole.longest),)
    assert data.lessons == whole.lessons[:-1]


def test_cut_samples_are_told_and_lose_their_end_alone(tmp_path: Path) -> None:
    path = train_file(tmp_path / "train.jsonl", 12)
    whole = read(path)
    data = read(path, whole.longest - 5, "cut")
    assert data.over_long == ((f"{path}:12", whole.longest),)
    assert data.lessons[:-1] == whole.lessons[:-1]
    assert data.lessons[-1].ids == whole.lessons[-1].ids[:-5]
    assert len(data.lessons[-1].labels) == len(data.lessons[-1].ids) and data.lessons[-1].cut == 5


def test_a_question_that_fills_the_room_alone_is_refused(tmp_path: Path) -> None:
    path = train_file(tmp_path / "train.jsonl", 2)
    with pytest.raises(TrainingError, match=rf"^{path}:1: its question alone has more than --max-tokens 20"):
        read(path, 20, "cut")


def test_a_file_with_nothing_left_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no sample in it that is short enough"):
        read(train_file(tmp_path / "train.jsonl", 2), 20, "drop")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(TrainingError, match=r"empty\.jsonl: no sample in it$"):
        read(tmp_path / "empty.jsonl")
    with pytest.raises(TrainingError, match=r"--data: .*nowhere: no such file"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("record", "field", "value", "complaint"),
    [
        ("trace", "thinking", None, "a Trace without thinking"),
        ("trace", "thinking", " \n", "field 'trace.thinking' is empty"),
        ("trace", "answer", "", "field 'trace.answer' is empty"),
        ("problem", "question", None, "a Problem without question"),
    ],
)
def test_a_sample_without_a_field_is_refused_by_line_and_field(
    tmp_path: Path, record: str, field: str, value: str | None, complaint: str
) -> None:
    path = train_file(tmp_path / "train.jsonl", 2)
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    second[record][field] = value
    if value is None:
        del second[record][field]
    path.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    with pytest.raises(RecordError) as caught:
        read(path)
    assert str(caught.value) == f"{path}:2: {complaint}"


def test_a_compressed_file_is_read_as_well(tmp_path: Path) -> None:
    plain = train_file(tmp_path / "train.jsonl", 2)
    packed = tmp_path / "train.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert [one.ids for one in read(packed).lessons] == [one.ids for one in read(plain).lessons]
