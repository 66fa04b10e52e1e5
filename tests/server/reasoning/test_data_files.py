"""A folder's data are found as the hub lays data sets out, and nothing beside them is taken for data."""

from pathlib import Path

import pytest

from server.reasoning.data_files import data_files

ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".parquet")


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (("b.jsonl", "a.parquet", "README.md"), ["a.parquet", "b.jsonl"]),
        (("README.md", "dataset_infos.json", "data/train-0.parquet"), ["data/train-0.parquet"]),
        (("en/b.jsonl", "de/a.jsonl.gz", ".cache/c.jsonl"), ["de/a.jsonl.gz", "en/b.jsonl"]),
        (("train.jsonl", "dropped/a.jsonl"), ["train.jsonl"]),
        (("train/data.parquet", "train/state.json", "dataset_dict.json"), ["train/data.parquet"]),
        (("A.JSONL",), ["A.JSONL"]),
        (("README.md", ".git/a.jsonl"), []),
    ],
)
def test_data_of_a_folder(tmp_path: Path, there: tuple[str, ...], expected: list[str]) -> None:
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [str(one.relative_to(tmp_path)) for one in data_files(tmp_path, ENDINGS)] == expected


def test_hidden_folder_that_holds_all_is_no_reason_to_leave_data_out(tmp_path: Path) -> None:
    (folder := tmp_path / ".home" / "set").mkdir(parents=True)
    (folder / "a.jsonl").touch()
    assert data_files(folder, ENDINGS) == [folder / "a.jsonl"]
