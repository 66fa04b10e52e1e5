"""Raw input of every kind of wrongness: named with its place, dropped, and no hindrance to the rest."""

import gzip
import json
from pathlib import Path

import pytest

from curation.errors import CurationError
from curation.pool import PoolSpec, collect, find_files
from curation.row import Dropped, Outcome
from tests.curation.rows import kept, reasons

GOOD = {"problem": "What is $1+1$?", "solution": "It is $\\boxed{2}$.", "subject": "Algebra"}


def collected(*paths: Path, source: str = "math") -> list[Outcome]:
    return list(collect(PoolSpec({source: paths}, (), 0)))


def test_a_good_row_becomes_a_problem_with_source_licence_and_original_id(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(GOOD | {"unique_id": "train/algebra/1.json", "level": 5}))
    [row] = collected(path)
    assert not isinstance(row, Dropped)
    assert row.problem.id == "math/train/algebra/1.json"
    assert (row.problem.answer, row.problem.domain, row.problem.source) == ("2", "12", "math")
    assert (row.licence, row.original_id) == ("MIT", "train/algebra/1.json")
    assert row.published_as == "simplescaling/openaimath/Algebra"
    assert json.loads(row.metadata) == {"level": 5, "subject": "Algebra", "unique_id": "train/algebra/1.json"}


BAD_LINES = [
    (b'{"problem": "", "solution": "x"}', "missing_column", "no problem or question"),
    (b'{"solution": "x"}', "missing_column", "no problem or question"),
    (b'{"problem": "caf\xe9"}', "unreadable", "broken UTF-8 at byte 16"),
    (b'{"problem": "What', "unreadable", "not JSON"),
    (b'["What"]', "unreadable", "not an object but list"),
    (b'{"problem": "half a pair \\ud800"}', "broken_text", "lone surrogate"),
]


@pytest.mark.parametrize(("line", "reason", "detail"), BAD_LINES)
def test_a_bad_line_is_dropped_with_file_and_line_and_the_next_one_is_read(
    tmp_path: Path, line: bytes, reason: str, detail: str
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b"\n" + line + b"\n" + json.dumps(GOOD).encode())
    outcomes = collected(path)
    assert reasons(outcomes) == {f"{path}:2": reason}
    [dropped] = [one for one in outcomes if isinstance(one, Dropped)]
    assert detail in dropped.detail
    assert f"{path}:2" in dropped.detail
    assert dropped.row.metadata
    assert len(kept(outcomes)) == 2


def test_a_duplicate_id_is_dropped_and_the_first_stays(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    rows = [GOOD | {"unique_id": "a"}, GOOD | {"unique_id": "b"}, GOOD | {"unique_id": "a"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    outcomes = collected(path)
    assert kept(outcomes) == ["math/a", "math/b"]
    assert reasons(outcomes) == {"math/a": "duplicate_id"}


def test_ids_do_not_depend_on_where_the_folder_lies(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.jsonl").write_text(json.dumps(GOOD))
    assert kept(collected(tmp_path / "here/train.jsonl")) == kept(collected(tmp_path / "there/train.jsonl"))


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".json", ".csv", ".parquet"])
def test_every_kind_of_file_gives_the_same_problem(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"math{suffix}"
    text = json.dumps(GOOD)
    if suffix == ".jsonl.gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif suffix == ".csv":
        path.write_text("problem,solution,subject\nWhat is $1+1$?,It is $\\boxed{2}$.,Algebra\n")
    elif suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist([GOOD]), path)
    else:
        path.write_text(text if suffix == ".jsonl" else f"[{text}]")
    [row] = collected(path)
    assert not isinstance(row, Dropped)
    assert (row.problem.question, row.problem.answer) == ("What is $1+1$?", "2")


def test_parts_whose_names_differ_behind_a_dot_keep_all_their_rows(tmp_path: Path) -> None:
    parts = [tmp_path / "train.1.jsonl", tmp_path / "train.2.jsonl.gz"]
    parts[0].write_text(json.dumps(GOOD))
    parts[1].write_bytes(gzip.compress(json.dumps(GOOD).encode()))
    assert kept(collected(*parts)) == ["math/train.1-1", "math/train.2-1"]


def test_files_of_one_name_in_several_folders_keep_all_their_rows(tmp_path: Path) -> None:
    for name in ("sat_en/test/0000.jsonl", "aqua_rat/test/0000.jsonl", "aqua_rat/test/0001.jsonl"):
        path = tmp_path / "math" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(GOOD))
    files = find_files(tmp_path, [])["math"]
    assert kept(collected(*files)) == [
        *("math/aqua_rat/test/0000-1", "math/0001-1", "math/sat_en/test/0000-1")
    ]
    assert kept(collected(files[0])) == ["math/0000-1"]


def test_files_of_one_name_and_several_formats_keep_all_their_rows(tmp_path: Path) -> None:
    for name in ("train.json", "train.jsonl"):
        (tmp_path / name).write_text(json.dumps([GOOD] if name == "train.json" else GOOD))
    files = [tmp_path / "train.json", tmp_path / "train.jsonl"]
    assert kept(collected(*files)) == ["math/train.json-1", "math/train.jsonl-1"]


def test_a_file_that_is_given_twice_is_one(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(GOOD))
    outcomes = collected(path, tmp_path / ".." / tmp_path.name / "train.jsonl")
    assert kept(outcomes) == ["math/train-1"]
    assert reasons(outcomes) == {"math/train-1": "duplicate_id"}


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv"])
def test_a_byte_order_mark_costs_no_row(tmp_path: Path, suffix: str) -> None:
    text = {".jsonl": json.dumps(GOOD), ".json": json.dumps([GOOD]), ".csv": "problem,answer\nWhat?,2\n"}
    path = tmp_path / f"math{suffix}"
    path.write_text(text[suffix], encoding="utf-8-sig")
    assert kept(collected(path)) == ["math/math-2" if suffix == ".csv" else "math/math-1"]


def test_a_field_of_a_csv_may_be_long(tmp_path: Path) -> None:
    path = tmp_path / "math.csv"
    path.write_text(f"problem,answer\n{'long ' * 40_000},2\n")
    assert kept(collected(path)) == ["math/math-2"]


@pytest.mark.parametrize("damage", ["cut", "garbled"])
def test_a_damaged_archive_ends_the_run_by_name(tmp_path: Path, damage: str) -> None:
    whole = gzip.compress(b"".join(json.dumps(GOOD | {"at": at}).encode() + b"\n" for at in range(9999)))
    half = len(whole) // 2
    rest = b"" if damage == "cut" else bytes(byte ^ 255 for byte in whole[half:])
    path = tmp_path / "math.jsonl.gz"
    path.write_bytes(whole[:half] + rest)
    with pytest.raises(CurationError, match=r"math\.jsonl\.gz: cannot be read \("):
        collected(path)


def test_a_source_folder_without_a_readable_file_is_refused_not_empty(tmp_path: Path) -> None:
    (tmp_path / "math" / "train").mkdir(parents=True)
    (tmp_path / "math" / "train" / "a.txt").write_text(json.dumps(GOOD))
    with pytest.raises(CurationError, match=r"math: no file in this folder that can be read, of \.jsonl"):
        find_files(tmp_path, [])


def test_the_files_of_a_source_folder_may_stand_in_its_folders(tmp_path: Path) -> None:
    (tmp_path / "math" / "train").mkdir(parents=True)
    (tmp_path / "math" / "train" / "a.jsonl").write_text(json.dumps(GOOD))
    assert find_files(tmp_path, []) == {"math": (tmp_path / "math" / "train" / "a.jsonl",)}


def test_a_pool_folder_holds_a_file_or_a_folder_for_each_source(tmp_path: Path) -> None:
    (tmp_path / "aime.json").write_text("[]")
    (tmp_path / "math").mkdir()
    (tmp_path / "math" / "b.jsonl").write_text("")
    (tmp_path / "math" / "a.jsonl").write_text("")
    assert find_files(tmp_path, []) == {
        "math": (tmp_path / "math" / "a.jsonl", tmp_path / "math" / "b.jsonl"),
        "aime": (tmp_path / "aime.json",),
    }


def test_a_file_of_no_known_source_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "recipes_of_my_aunt.json").write_text("[]")
    with pytest.raises(CurationError, match="'recipes_of_my_aunt' is not a source; the sources are math, "):
        find_files(tmp_path, [])


def test_a_file_that_is_not_there_or_of_no_known_kind_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(CurationError, match=r"gone\.jsonl: cannot be read \(No such file"):
        collected(tmp_path / "gone.jsonl")
    (tmp_path / "math.docx").write_text("")
    with pytest.raises(CurationError, match="cannot read this kind of file"):
        collected(tmp_path / "math.docx")


def test_the_hub_without_a_network_says_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def no_network(*_: object, **__: object) -> None:
        raise ConnectionError("cannot reach the hub")

    monkeypatch.setattr(datasets, "load_dataset", no_network)
    with pytest.raises(CurationError, match=r"simplescaling/openaimath .*\(cannot reach the hub\).* --pool"):
        list(collect(PoolSpec({}, ("math",), 0)))
