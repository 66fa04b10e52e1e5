"""Anyone's own file: its fields are found or named, each scorer scores, and what cannot be read is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from evals.__main__ import main
from evals.cell import Cell, Sampling
from evals.methods import NATURAL
from evals.tasks import TaskError, task_named
from evals.tasks.own_file import OwnFile
from evals.tasks.task import Load
from server.reasoning.grading.pool import GradingPool
from server.reasoning.records import Problem


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def loaded(path: Path, **own: str) -> list[Problem]:
    return task_named("jsonl", path, OwnFile(**own)).load(Load(path, None, 0))


@pytest.mark.parametrize(
    ("row", "own", "read"),
    [
        ({"problem": "Q?", "answer": 7, "id": "a"}, {}, ("a", "Q?", "7")),
        ({"question": "Q?", "expected_answer": "7"}, {}, ("1", "Q?", "7")),
        ({"prompt": "Q?", "final_answer": "0", "unique_id": 3}, {}, ("3", "Q?", "0")),
        ({"problem": "Q?", "answer": 0}, {}, ("1", "Q?", "0")),
        ({"problem": "Q?", "solution": "So it is \\boxed{\\frac{1}{2}}."}, {}, ("1", "Q?", "\\frac{1}{2}")),
        ({"problem": "Q?", "answer": "7", "solution": "\\boxed{8}"}, {}, ("1", "Q?", "7")),
        (
            {"frage": "Q?", "loesung": "7", "nr": 5, "answer": "8", "problem": "P?"},
            {"question_field": "frage", "answer_field": "loesung", "id_field": "nr"},
            ("5", "Q?", "7"),
        ),
    ],
)
def test_fields_are_found_by_their_usual_names_or_named(
    tmp_path: Path, row: dict[str, Any], own: dict[str, str], read: tuple[str, str, str]
) -> None:
    [problem] = loaded(write(tmp_path / "olympmath.jsonl", row), **own)
    assert (problem.id, problem.question, problem.answer) == read
    assert problem.source == "olympmath"


@pytest.mark.parametrize(("row", "level"), [({"level": 5}, "5"), ({"difficulty": "hard"}, "hard"), ({}, "")])
def test_levels_are_read_for_the_report(tmp_path: Path, row: dict[str, Any], level: str) -> None:
    [problem] = loaded(write(tmp_path / "mine.jsonl", {"problem": "Q?", "answer": "7"} | row))
    assert problem.level == level


@pytest.mark.parametrize("answer", ["B", "b", "Thursday", 1])
def test_right_option_is_a_letter_its_text_or_its_number(tmp_path: Path, answer: object) -> None:
    row = {"question": "Which day?", "choices": ["Monday", "Thursday"], "answer": answer}
    path = write(tmp_path / "days.jsonl", row)
    [problem] = loaded(path, scorer="choice")
    assert problem.answer == "B"
    assert task_named("jsonl", path).prompt(problem) == "Which day?\n\nA) Monday\nB) Thursday"


NUMBERS = ["8", "2", "24", "120"]


@pytest.mark.parametrize(
    ("options", "answer", "letter"),
    [
        (NUMBERS, 2, "C"),
        (NUMBERS, 2.0, "C"),
        (NUMBERS, "24", "C"),
        (NUMBERS, ["24"], "C"),
        (NUMBERS, "c", "C"),
        (["2", "1", "0"], "1", "B"),
        ([8, 2, 24, 120], 24, "C"),
        ([8, 7, 24, 120], 2, "C"),
        (["yes", "True"], True, "B"),
    ],
)
def test_a_number_beside_texts_is_the_options_number(
    tmp_path: Path, options: list[object], answer: object, letter: str
) -> None:
    path = write(tmp_path / "own.jsonl", {"question": "Which?", "choices": options, "answer": answer})
    [problem] = loaded(path, scorer="choice")
    assert problem.answer == letter
    assert problem.choices == tuple(map(str, options))


@pytest.mark.parametrize(
    ("options", "answer", "said"),
    [
        (NUMBERS, "2", "'2' is the option B or C"),
        ([8, 2, 24, 120], 2, "2 is the option B or C"),
        (["C", "D", "A"], "A", "'A' is the option A or C"),
        (NUMBERS, 8, "8 is none of the 4 options"),
        (NUMBERS, -1, "-1 is none of the 4 options"),
        (NUMBERS, ["24", "8"], "answer is a list of 2"),
    ],
)
def test_an_answer_that_means_different_options_or_none_is_refused_with_its_place(
    tmp_path: Path, options: list[object], answer: object, said: str
) -> None:
    row = {"question": "Which?", "choices": options, "answer": answer}
    path = write(tmp_path / "own.jsonl", {"question": "Day?", "choices": ["Monday"], "answer": "A"}, row)
    with pytest.raises(TaskError, match=f"own.jsonl:2: .*{said}"):
        loaded(path, scorer="choice")


@pytest.mark.parametrize(
    ("row", "read"),
    [
        ({"question": "1+1?", "final_answer": ["2"]}, ("1+1?", "2")),
        ({"question": ["1+1?"], "answer": [[2]]}, ("1+1?", "2")),
        ({"question": "1+1?", "answer": [], "solution": "\\boxed{2}"}, ("1+1?", "2")),
        ({"question": "1+1?", "answer": [""], "final_answer": "2"}, ("1+1?", "2")),
    ],
)
def test_a_list_of_one_is_its_element_and_an_empty_one_is_empty(
    tmp_path: Path, row: dict[str, Any], read: tuple[str, str]
) -> None:
    [problem] = loaded(write(tmp_path / "own.jsonl", row))
    assert (problem.question, problem.answer) == read


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "x?", "final_answer": ["1", "2"]}, "final_answer is a list of 2, not one value"),
        ({"question": "x?", "answer": {"value": "1"}}, "answer is an object, not one value"),
        ({"question": "x?", "solution": ["a", "b"]}, "solution is a list of 2"),
        ({"prompt": [{"role": "user", "content": "x?"}], "answer": "1"}, "prompt is an object"),
        ({"question": {"text": "x?"}, "answer": "1"}, "question is an object"),
    ],
)
def test_several_values_in_place_of_one_are_refused_with_their_place(
    tmp_path: Path, row: dict[str, Any], said: str
) -> None:
    path = write(tmp_path / "own.jsonl", {"question": "1+1?", "answer": "2"}, row)
    with pytest.raises(TaskError, match=f"own.jsonl:2: {said}"):
        loaded(path)


@pytest.mark.parametrize(
    ("scorer", "gold", "said", "score"),
    [
        ("math", "1/2", "\\boxed{0.5}", 1.0),
        ("math", "1/2", "\\boxed{0.6}", 0.0),
        ("integer", "7", "Final Answer: 7.0", 1.0),
        ("integer", "1/2", "\\boxed{0.5}", 0.0),
        ("choice", "B", "The answer is (B).", 1.0),
        ("choice", "B", "\\boxed{C}", 0.0),
        ("text", "Carl Gauss", "Final Answer: carl  gauss.", 1.0),
        ("text", "Carl Gauss", "Final Answer: Euler", 0.0),
        ("text", "Carl Gauss", "Carl Gauss.", 1.0),
    ],
)
async def test_each_scorer_scores(tmp_path: Path, scorer: str, gold: str, said: str, score: float) -> None:
    path = write(tmp_path / "own.jsonl", {"problem": "Q?", "answer": gold})
    task = task_named("jsonl", path, OwnFile(scorer=scorer))
    [problem] = task.load(Load(path, None, 0))
    async with GradingPool(1) as judge:
        assert (await task.scorer(problem, said, judge)).value == score


@pytest.mark.parametrize(
    ("row", "own", "said"),
    [
        ({"text": "Q?", "answer": "7"}, {}, r"own.jsonl:1: no problem or question or prompt .*answer, text"),
        ({"problem": "Q?"}, {}, r"own.jsonl:1: no answer or expected_answer or final_answer or solution"),
        (
            {"problem": "Q?", "solution": "First look at x. Then both hold, and we are done."},
            {},
            "own.jsonl:1: the solution ends in no answer",
        ),
        ({"problem": "Q?", "answer": "7"}, {"answer_field": "gold"}, "own.jsonl:1: no gold"),
        ({"problem": "Q?", "answer": "7"}, {"scorer": "maths"}, "--scorer: .*math, integer, choice, text"),
        ({"problem": "Q?", "answer": "E", "options": ["a", "b"]}, {"scorer": "choice"}, "'E' is none of"),
        ({"problem": "Q?", "answer": "AB", "options": ["a", "b"]}, {"scorer": "choice"}, "'AB' is none of"),
        ({"problem": "Q?", "answer": "A", "options": "a b"}, {"scorer": "choice"}, "is no list"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, row: dict[str, Any], own: dict[str, str], said: str
) -> None:
    path = write(tmp_path / "own.jsonl", row)
    with pytest.raises(TaskError, match=said):
        loaded(path, **own)


def test_file_and_flags_belong_to_this_task() -> None:
    with pytest.raises(TaskError, match="--data"):
        task_named("jsonl")
    with pytest.raises(TaskError, match="--task jsonl: nano has its own"):
        task_named("nano", None, OwnFile(scorer="text"))


def test_results_bear_the_name_and_another_scorer_is_another_cell(tmp_path: Path) -> None:
    path = write(tmp_path / "own.jsonl", {"problem": "Q?", "answer": "7"}, {"problem": "R?", "answer": "8"})
    problems = task_named("jsonl", path).load(Load(path, 1, 0))
    assert [one.question for one in problems] == ["Q?"]
    identities = []
    for scorer in ("math", "text"):
        task = task_named("jsonl", path, OwnFile(scorer, "olymmath"))
        cell = Cell(task, "m", NATURAL, Sampling(0.0, 1.0, 0, None), 0)
        assert cell.name.startswith("olymmath~m~")
        identities.append(cell.identity(problems))
    assert identities[0] != identities[1]


def test_problems_command_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "own.jsonl", {"frage": "Q?", "answer": "7"})
    assert main(["problems", "jsonl", "--data", str(path), "--question-field", "frage"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["question"], printed["source"]) == ("Q?", "own")
