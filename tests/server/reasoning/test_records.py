"""Problems and traces survive a file, and a line that cannot be read is named."""

import gzip
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from server.reasoning.records import (
    Problem,
    RecordError,
    Trace,
    TrainingExample,
    lines_of,
    read_objects,
    read_problems,
    read_samples,
    read_traces,
)

PROBLEM = Problem("p1", "What is 1+1? ½", "2", domain="sums", choices=("1", "2"))
TRACE = Trace("p1", "Wait", "2", model="m", thinking_tokens=1, correct=True)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text("".join(lines_of([PROBLEM])) + "\n", encoding="utf-8")
    (tmp_path / "t.jsonl").write_text("".join(lines_of([TRACE])), encoding="utf-8")
    assert list(read_problems(tmp_path / "p.jsonl")) == [PROBLEM]
    assert list(read_traces(tmp_path / "t.jsonl")) == [TRACE]


def test_a_compressed_file_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl.gz"
    path.write_bytes(gzip.compress("".join(lines_of([PROBLEM])).encode()))
    assert list(read_problems(path)) == [PROBLEM]


def test_lines_are_numbered_as_an_editor_does(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('\n{"a": 1}\n\n{"a": 2}\n', encoding="utf-8")
    assert [number for number, _ in read_objects(path)] == [2, 4]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "not an object but list"),
        ('{"schema": 2, "id": "a", "question": "b", "answer": "c"}', "schema 2"),
        ('{"id": "a", "question": "b"}', "a Problem without answer"),
        ('{"id": "a", "question": "b", "answer": "c", "colour": "d"}', "unknown field 'colour'"),
        ('{"id": "a", "question": "b", "answer": 3}', "field 'answer' is 3"),
        ('{"id": "a", "question": "b", "answer": "c", "choices": [1]}', "field 'choices'"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(lines_of([PROBLEM])) + line + "\n", encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        list(read_problems(path))
    assert str(caught.value).startswith(f"{path}:2: ")
    assert complaint in str(caught.value)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_broken_utf8_is_named_by_line_and_byte(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    data = b'{"a": 1}\n{"a": "caf\xe9"}\n'
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    with pytest.raises(RecordError) as caught:
        list(read_objects(path))
    assert str(caught.value) == f"{path}:2: broken UTF-8 at byte 10"


@pytest.mark.parametrize("damage", ["cut", "garbled", "no archive"])
def test_a_damaged_archive_is_named_with_the_line(tmp_path: Path, damage: str) -> None:
    whole = gzip.compress(b"".join(b'{"a": %d}\n' % number for number in range(99_999)))
    half = len(whole) // 2
    damaged = {
        "cut": whole[:half],
        "garbled": whole[:10] + bytes(byte ^ 255 for byte in whole[10:]),
        "no archive": b'{"a": 1}\n',
    }
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(damaged[damage])
    read = 0
    with pytest.raises(RecordError, match="the archive is damaged or cut off: ") as caught:
        for _ in read_objects(path):
            read += 1
    assert str(caught.value).startswith(f"{path}:{read + 1}: ")


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}\r\n')
    assert [value for _, value in read_objects(path)] == [{"a": 1}, {"a": 2}]


def test_a_truth_value_is_no_count(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        json.dumps({"problem_id": "a", "thinking": "", "answer": "", "thinking_tokens": True}) + "\n"
    )
    with pytest.raises(RecordError, match="thinking_tokens"):
        list(read_traces(path))


def sample_line(**changes: object) -> str:
    value: dict[str, object] = {"schema": 1, "problem": asdict(PROBLEM), "trace": asdict(TRACE)}
    for name, new in changes.items():
        record, _, field = name.partition("__")
        target = value[record]
        if field and isinstance(target, dict):
            target[field] = new
        else:
            value[record] = new
    return json.dumps({name: inner for name, inner in value.items() if inner is not None})


def test_samples_are_read_with_the_place_they_stand_at(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(f"{sample_line()}\n\n{sample_line()}\n", encoding="utf-8")
    assert list(read_samples(path)) == [
        TrainingExample(PROBLEM, TRACE, f"{path}:1"),
        TrainingExample(PROBLEM, TRACE, f"{path}:3"),
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (sample_line(schema=2), "schema 2"),
        (sample_line(trace=None), "field 'trace' is missing"),
        (sample_line(problem="p"), "field 'problem' is missing or no object"),
        (sample_line(trace__thinking=" \n"), "field 'trace.thinking' is empty"),
        (sample_line(trace__answer=""), "field 'trace.answer' is empty"),
        (sample_line(problem__question=""), "field 'problem.question' is empty"),
        (sample_line(trace__problem_id="p2"), "a trace of 'p2' beside problem 'p1'"),
        (sample_line(trace__colour="red"), "unknown field 'colour' in a Trace"),
        (sample_line()[:-1] + ', "colour": 1}', "unknown field 'colour' in a training example"),
        ('{"problem": {"id": "a"}, "trace": {}}', "a Problem without question, answer"),
    ],
)
def test_a_sample_that_cannot_be_learnt_from_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(f"{sample_line()}\n{line}\n", encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        list(read_samples(path))
    assert str(caught.value).startswith(f"{path}:2: ") and complaint in str(caught.value)
