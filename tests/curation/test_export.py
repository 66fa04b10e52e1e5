"""What a run hands on: train.jsonl as the shared records, and s1K's own columns."""

import json
from pathlib import Path

from pyarrow import parquet

from curation.export import export
from curation.row import Row, RowFile, row_line
from server.reasoning.records import Problem, Trace
from tests.curation.rows import a_row

# The features of simplescaling/s1K at the hub.
S1K_COLUMNS = "solution question cot_type source_type metadata cot thinking_trajectories attempt".split()  # noqa: SIM905


def kept(folder: Path, row: Row) -> RowFile:
    """What the last stage left: this row."""
    (folder.parent / "kept.jsonl").write_bytes(row_line(row))
    return RowFile(folder.parent / "kept.jsonl")


def test_a_line_of_train_jsonl_holds_the_two_shared_records(tmp_path: Path) -> None:
    row = a_row("Was ist 1 + 1? é", thinking="Hm.\n</x>", correct=True)
    export(kept(tmp_path, row), tmp_path)
    [line] = (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()
    value = json.loads(line)
    assert value["schema"] == 1
    problem = value["problem"] | {"choices": tuple(value["problem"]["choices"])}
    assert Problem(**problem) == row.problem
    assert Trace(**value["trace"]) == row.trace


def test_the_parquet_has_the_columns_of_s1k(tmp_path: Path) -> None:
    export(kept(tmp_path, a_row(thinking="Hm.", solution="Clear.")), tmp_path)
    table = parquet.read_table(tmp_path / "s1k.parquet")
    assert table.column_names == S1K_COLUMNS
    [row] = table.to_pylist()
    assert row["thinking_trajectories"] == ["Hm."]
    assert (row["solution"], row["attempt"], row["cot"]) == ("Clear.", "2", None)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        export(kept(tmp_path / name, a_row(thinking="Hm.")), tmp_path / name)
    for file in ("train.jsonl", "s1k.parquet"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_without_traces_there_is_nothing_to_train_on_and_only_problems_are_written(tmp_path: Path) -> None:
    export(kept(tmp_path, a_row()), tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["problems.jsonl"]
