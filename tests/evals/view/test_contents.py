"""The columns' names, the list's states and the texts of a problem."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evals.cell import Cell, Sampling
from evals.methods import NATURAL
from evals.row import ResultRow
from evals.view.contents import read_contents
from tests.evals.report.test_report import arm, cell_of, row, store


def run(out: Path, **arms: Sequence[ResultRow]) -> Path:
    cells: dict[Cell, Sequence[ResultRow]] = {
        cell_of(NATURAL if name == "none" else arm(name, "1")): rows for name, rows in arms.items()
    }
    return store(out, cells)


def test_columns_are_named_by_what_tells_them_apart(tmp_path: Path) -> None:
    rows = [row(0, True, 50)]
    a, b = run(tmp_path / "a", none=rows, waits=rows), run(tmp_path / "b", none=rows)
    assert [column.name for column in read_contents([a]).columns] == ["none", "waits=1"]
    names = [column.name for column in read_contents([a, b]).columns]
    assert names == [f"{a}, none", f"{a}, waits=1", f"{b}, none"]
    repeated: dict[Cell, Sequence[ResultRow]] = {
        replace(cell_of(NATURAL), repeat=repeat): rows for repeat in range(2)
    }
    c = store(tmp_path / "c", repeated)
    assert [column.name for column in read_contents([c]).columns] == ["none, repeat 0", "none, repeat 1"]
    drawn: dict[Cell, Sequence[ResultRow]] = {
        replace(cell_of(NATURAL), sampling=Sampling(0.7, top_p, 0, None)): rows for top_p in (1.0, 0.5)
    }
    d = store(tmp_path / "d", drawn)
    assert [column.name for column in read_contents([d]).columns] == ["none, top-p 1", "none, top-p 0.5"]


def test_list_has_a_state_for_each_pair(tmp_path: Path) -> None:
    right = row(0, True, 50)
    shown = {
        "+": right,
        "-": replace(right, score=0.0),
        "-c": replace(right, score=0.0, finish_reason="length"),
        "-n": replace(right, score=0.0, extracted=None),
        "!": replace(right, score=None, grading_failure="Timeout"),
        "!n": replace(right, score=None, extracted=None),
    }
    for state, one in shown.items():
        contents = read_contents([run(tmp_path / state, none=[one])])
        [key] = contents.problems
        assert contents.listed(key)[3] == [[state, 50]]


def test_problem_of_one_arm_alone_is_listed(tmp_path: Path) -> None:
    out = run(tmp_path / "a", none=[row(0, True, 50)], waits=[row(0, True, 60), row(1, False, 70)])
    contents = read_contents([out])
    cells = {key[1]: contents.listed(key)[3] for key in contents.problems}
    assert cells == {"p0": [["+", 50], ["+", 60]], "p1": [None, ["-", 70]]}


def test_texts_hold_a_shared_question_once(tmp_path: Path) -> None:
    one = replace(row(0, True, 50), prompt="What?", thinking="Hm.", answer="42", reference="42")
    other = replace(one, prompt="What?\n\nThink briefly.")
    spans = [{"kind": "nudge", "part": "thinking", "start": 0, "end": 2}]
    told = replace(one, echo={"tokens": 50, "forced_spans": spans})
    contents = read_contents([run(tmp_path / "a", none=[one], waits=[told])])
    texts = json.loads(contents.texts(contents.problems[0]))
    assert (texts["question"], texts["reference"]) == ("What?", "42")
    assert [cell["prompt"] for cell in texts["cells"].values()] == ["", ""]
    assert texts["cells"]["1"]["spans"] == spans
    contents = read_contents([run(tmp_path / "b", none=[one], waits=[other])])
    texts = json.loads(contents.texts(contents.problems[0]))
    assert texts["question"] == ""
    assert [cell["prompt"] for cell in texts["cells"].values()] == [one.prompt, other.prompt]
