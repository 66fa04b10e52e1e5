"""A data set of chats trains as it is: each reply with thinking is a sample, bad rows are told."""

import json
from pathlib import Path
from typing import Any

import pytest
from pyarrow import Table, parquet

from server.reasoning.families import FAMILIES
from server.reasoning.records import RecordError
from tests.training.tiny import CHATML, tiny_model, tiny_tokenizer
from training.__main__ import main
from training.data import read_data
from training.errors import TrainingError
from training.lesson import IGNORE, Writer

USER = {"role": "user", "content": "What is 1+1?"}
THINKS = {"role": "assistant", "content": "2", "reasoning_content": "One and one."}
AGAIN = {"role": "user", "content": "Sure?"}


def writer(template: str = CHATML) -> Writer:
    return Writer(tiny_tokenizer("<think>", "</think>", template=template), FAMILIES["think"], "tiny")


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def texts(path: Path, by: Writer) -> list[tuple[str, str]]:
    """The prompt and what is learnt of each sample."""
    return [
        (
            str(by.tokenizer.decode([i for i, x in zip(one.ids, one.labels, strict=True) if x == IGNORE])),
            str(by.tokenizer.decode([x for x in one.labels if x != IGNORE])),
        )
        for one in read_data(path, by, 10_000, "refuse").lessons
    ]


def test_folder_of_a_curation_gives_what_was_selected_and_not_what_was_dropped(tmp_path: Path) -> None:
    (tmp_path / "dropped").mkdir()
    chosen = lines(tmp_path / "train.jsonl", {"messages": [USER, THINKS]})
    lines(tmp_path / "dropped" / "01.jsonl", {"messages": [AGAIN, THINKS]})
    parquet.write_table(Table.from_pylist([{"messages": [AGAIN, THINKS]}]), tmp_path / "s1k.parquet")
    assert texts(tmp_path, writer()) == texts(chosen, writer())


def test_the_prompt_of_a_later_turn_is_the_chat_before_it(tmp_path: Path) -> None:
    path = lines(tmp_path / "chats.jsonl", {"messages": [USER, THINKS, AGAIN, THINKS | {"content": "Yes."}]})
    (first, learnt), (second, learnt_then) = texts(path, writer())
    assert first == "<|im_start|>user\nWhat is 1+1?<|im_end|>\n<|im_start|>assistant\n"
    assert second == (
        "<|im_start|>user\nWhat is 1+1?<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n"
        "<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert learnt.startswith("<think>\nOne and one.\n</think>") and learnt.endswith("2<|im_end|>\n")
    assert learnt_then.endswith("Yes.<|im_end|>\n")


def test_parquet_trains_as_json_lines_do_though_arrow_adds_keys(tmp_path: Path) -> None:
    # As Llama 3.1 and others, which take a key that is there for a call.
    counts = "{%- for m in messages if 'tool_calls' in m %}{{ m.tool_calls | length }}{%- endfor %}"
    by = writer(counts + CHATML)
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add"}}]}
    rows = [{"messages": [USER, THINKS]}, {"messages": [USER, call, AGAIN, THINKS]}]
    parquet.write_table(Table.from_pylist(rows), tmp_path / "chats.parquet")
    expected = texts(lines(tmp_path / "chats.jsonl", *rows), by)
    assert texts(tmp_path / "chats.parquet", by) == expected
    assert len(expected) == 2


def test_a_train_jsonl_with_messages_is_rendered_without_their_nones(tmp_path: Path) -> None:
    sample = {
        "schema": 1,
        "problem": {"id": "a", "question": "What is 1+1?", "answer": ""},
        "trace": {"problem_id": "a", "thinking": "One and one.", "answer": "2"},
        "messages": [{"role": "system", "content": "Be brief.", "tool_calls": None}, USER],
    }
    counts = "{%- for m in messages if 'tool_calls' in m %}{{ m.tool_calls | length }}{%- endfor %}"
    [(prompt, _)] = texts(lines(tmp_path / "train.jsonl", sample), writer(counts + CHATML))
    assert prompt.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is 1+1?")
    with pytest.raises(RecordError, match=r"train\.jsonl:1: field 'messages' is no list of objects"):
        texts(lines(tmp_path / "train.jsonl", sample | {"messages": ["Hello."]}), writer())


def test_bad_rows_are_dropped_with_their_reasons_or_refuse_the_run(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "chats.jsonl",
        {"messages": [USER, THINKS]},
        {"messages": [USER, {"role": "assistant", "content": "2"}]},
        {"messages": [USER, THINKS | {"reasoning_content": "so </think> no"}]},
        {"messages": [{"role": "critic", "content": "Hm."}, USER, THINKS]},
    )
    refuses = "{%- if messages[0].role == 'critic' %}{{ raise_exception('no critic') }}{%- endif %}"
    refusing = refuses + CHATML
    data = read_data(path, writer(refusing), 10_000, "refuse")
    assert len(data.lessons) == 1
    assert [(one.where, one.reason) for one in data.rejected] == [
        *((f"{path}:2", "no_thinking"), (f"{path}:3", "mark_inside"), (f"{path}:4", "refused_by_template")),
    ]
    assert "no critic" in data.rejected[2].detail
    with pytest.raises(TrainingError, match=rf"^--strict: {path}:2: no_thinking: "):
        read_data(path, writer(refusing), 10_000, "refuse", strict=True)


def test_files_without_a_sample_are_refused_by_name(tmp_path: Path) -> None:
    path = lines(tmp_path / "texts.jsonl", {"text": "Hello."})
    with pytest.raises(TrainingError, match=rf"no sample in it; the first row: {path}:1: no_reply"):
        read_data(path, writer(), 10_000, "refuse")
    (tmp_path / "folder").mkdir()
    with pytest.raises(TrainingError, match=r"folder: no file in it, of \.jsonl"):
        read_data(tmp_path / "folder", writer(), 10_000, "refuse")
    (tmp_path / "data.csv").write_text("a")
    with pytest.raises(TrainingError, match=r"data\.csv: cannot read this kind of file"):
        read_data(tmp_path / "data.csv", writer(), 10_000, "refuse")
    (tmp_path / "data.parquet").write_text("a")
    with pytest.raises(TrainingError, match=r"data\.parquet: not Parquet"):
        read_data(tmp_path / "data.parquet", writer(), 10_000, "refuse")


def test_one_command_goes_from_a_folder_of_the_hub_to_a_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)
    rows = [{"messages": [{"role": "user", "content": f"What is {n}+1?"}, THINKS]} for n in range(16)]
    rows.append({"messages": [USER]})
    for part in range(2):
        parquet.write_table(Table.from_pylist(rows[part::2]), folder / f"train-{part}.parquet")
    base = tiny_model(tmp_path / "base")
    command = ["sft", "--recipe", "nano", "--model", str(base), "--data", str(tmp_path / "set")]
    assert main([*command, "--out", str(tmp_path / "ckpt"), "--strict"]) == 1
    assert "--strict: " in capsys.readouterr().err
    assert main([*command, "--out", str(tmp_path / "ckpt"), "--steps", "2"]) == 0
    assert f"dropped, no_reply: 1, as {folder / 'train-0.parquet'}:9: no_reply" in capsys.readouterr().out
    making = json.loads((tmp_path / "ckpt" / "making.json").read_text())
    assert (making["samples"], making["steps"], len(making["dropped"])) == (16, 2, 1)
    assert (tmp_path / "ckpt" / "model.safetensors").exists()
