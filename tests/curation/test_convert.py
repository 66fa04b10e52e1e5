"""A data set as the hub has it becomes train.jsonl; bad rows are dropped with their reasons, or end it."""

import json
from pathlib import Path
from typing import Any

import pytest

from curation.__main__ import main
from server.reasoning.records import read_samples

FIXTURE = Path(__file__).parent / "fixtures" / "s1k_5rows_with_gemini_traces.parquet"


def chat(question: str, *more: dict[str, Any]) -> dict[str, Any]:
    said = {"role": "assistant", "content": "Two.", "reasoning_content": "One and one."}
    return {"messages": [{"role": "user", "content": question}, said, *more]}


def test_the_real_rows_of_s1k_become_examples(tmp_path: Path) -> None:
    out = tmp_path / "train.jsonl"
    assert main(["convert", str(FIXTURE), "--out", str(out)]) == 0
    samples = list(read_samples(out))
    assert len(samples) == 5
    assert all(one.trace.thinking and one.trace.answer and not one.messages for one in samples)
    assert len({one.problem.id for one in samples}) == 5


def test_parquet_in_a_folder_is_read_as_json_lines_are(tmp_path: Path) -> None:
    from pyarrow import Table, parquet

    turns = ({"role": "user", "content": "Sure?"}, {"role": "assistant", "content": "<think>So.</think>Yes."})
    rows = [chat("1 + 1?"), chat("2 + 2?", *turns)]
    (tmp_path / "set" / "data").mkdir(parents=True)  # as on the hub
    parquet.write_table(Table.from_pylist(rows), tmp_path / "set" / "data" / "data.parquet")
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, source in (("a", "set"), ("b", "data.jsonl")):
        assert main(["convert", str(tmp_path / source), "--out", str(tmp_path / name / "train.jsonl")]) == 0
    assert (tmp_path / "a/train.jsonl").read_bytes() == (tmp_path / "b/train.jsonl").read_bytes()
    assert [len(one.messages) for one in read_samples(tmp_path / "a/train.jsonl")] == [0, 0, 3]


def test_bad_rows_are_dropped_counted_and_kept_or_end_it_if_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data.jsonl", tmp_path / "out" / "train.jsonl"
    lines = [json.dumps(chat("1 + 1?")), "{", json.dumps({"text": "Hello."}), "[]"]
    data.write_text("\n".join(lines) + "\n")
    assert main(["convert", str(data), "--out", str(out), "--strict"]) == 1
    assert f"--strict: {data}:2: unreadable: not JSON" in capsys.readouterr().err
    assert not out.exists()
    assert main(["convert", str(data), "--out", str(out)]) == 0
    assert "1 examples in" in (told := capsys.readouterr().out)
    assert "unreadable 2, no_reply 1" in told
    dropped = [json.loads(line) for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert [(one["where"], one["reason"]) for one in dropped] == [
        *((f"{data}:2", "unreadable"), (f"{data}:3", "no_reply"), (f"{data}:4", "unreadable")),
    ]
    assert main(["convert", str(data), "--out", str(out)]) == 1
    assert "train.jsonl: already exists" in capsys.readouterr().err


def test_a_data_set_without_any_example_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text(json.dumps({"text": "Hello."}))
    assert main(["convert", str(data), "--out", str(tmp_path / "train.jsonl")]) == 1
    assert f"the first row: {data}:1: no_reply: its columns are text; looked for" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["data.jsonl"]


def test_examples_of_files_of_one_name_have_ids_of_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "train.jsonl").write_text(json.dumps(chat("1 + 1?")))
    out = tmp_path / "train.jsonl"
    assert main(["convert", str(tmp_path / "set"), "--out", str(out)]) == 0
    assert [one.problem.id for one in read_samples(out)] == ["a/train-1", "b/train-1"]
