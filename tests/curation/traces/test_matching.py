"""A file of traces or attempts that has nothing for the pool ends the run and says what was looked for."""

import json
from pathlib import Path

import pytest

from curation.__main__ import main
from curation.errors import CurationError
from curation.run.cluster import on_cluster
from curation.run.stage import Stage
from curation.sources.source import Columns
from curation.traces.brought import Brought
from curation.traces.matching import SomeMatch
from tests.curation.rows import a_row

Q = "How many sheep are in the field behind the mill at noon?"
TRACE: Columns = {"problem": Q, "generation": "<think>I count.</think>Seven."}


def write(path: Path, *rows: Columns) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def curate(tmp_path: Path, *more: str) -> int:
    pool = write(tmp_path / "math.jsonl", {"problem": Q, "answer": "7", "subject": "Algebra"})
    steps = ("--skip=decontaminate", "--skip=duplicates", "--length=characters", "--recipe=full")
    return main(["run", f"--source=math={pool}", *steps, *more, "--out", str(tmp_path / "out")])


def test_a_file_that_matches_is_used_whatever_else_is_in_it(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", {"problem": "Another?", "generation": "No marks."}, TRACE)
    assert curate(tmp_path, f"--traces=r1={path}") == 0
    [line] = (tmp_path / "out" / "train.jsonl").read_text().splitlines()
    assert json.loads(line)["trace"]["thinking"] == "I count."


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([TRACE | {"problem": "How many goats?"}] * 3, "none of its 3 rows is of a problem of the pool"),
        (
            [{"problem": Q, "generation": "Seven."}],
            "none of its 1 rows has thinking: looked for a field",
        ),
        ([], "no row in it"),
    ],
)
def test_of_several_files_the_one_without_a_match_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: list[Columns], said: str
) -> None:
    good, bad = write(tmp_path / "good.jsonl", TRACE), write(tmp_path / "bad.jsonl", *rows)
    arguments = [f"--traces=r1={good}", f"--traces=r1={bad}"]
    for _ in range(2):  # the same command once more does not take the stage for finished
        assert curate(tmp_path, *arguments) == 1
        told = capsys.readouterr().err
        assert f"--traces r1={bad}: {said}" in told
    if rows and "is of a problem" in said:
        assert "the first there is 'How many goats?', in the pool 'math/math-1', 'How many sheep" in told
    assert not (tmp_path / "out" / "train.jsonl").exists()


def test_attempts_are_held_to_the_same_but_need_no_thinking(tmp_path: Path) -> None:
    attempt: Columns = {"problem": Q, "response": "Seven."}
    SomeMatch("--attempts", (("r1", write(tmp_path / "a.jsonl", attempt)),), False)([a_row(Q)])
    other = write(tmp_path / "b.jsonl", attempt | {"problem": "How many goats?"})
    with pytest.raises(CurationError, match=r"--attempts r1=.*b\.jsonl: none of its 1 rows is of a problem"):
        SomeMatch("--attempts", (("r1", other),), False)([a_row(Q)])


def test_an_id_matches_as_well(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", {"problem_id": "math/1", "thinking": "I count.", "answer": "Seven."})
    SomeMatch("--traces", (("jsonl", path),), True)([a_row(Q, id="math/0"), a_row(Q, id="math/1")])


def test_on_a_cluster_the_check_still_sees_all_rows() -> None:
    check = SomeMatch("--traces", (), True)
    assert on_cluster(Stage("brought_traces", Brought(()), True, check), "local").check is check
