"""Problems are read from files of each data set's own columns, and what cannot be read is named."""

import csv
import json
from pathlib import Path

import pytest

from evals.tasks import TASKS, TaskError, task_named
from evals.tasks.gpqa_diamond import problem as gpqa_problem
from evals.tasks.source import Place
from evals.tasks.task import Load
from server.reasoning.nano.problems import problem_from, split_of
from server.reasoning.records import Problem

QUESTION = {"Question": "Which?", "Correct Answer": "right", "Record ID": "rec1"} | {
    f"Incorrect Answer {n}": f"wrong{n}" for n in (1, 2, 3)
}
# One row each in the columns of the task's data set, with what it must become.
ROWS: dict[str, tuple[dict[str, object], tuple[str, str, str]]] = {
    "aime24": ({"id": 60, "problem": "How many?", "answer": "204"}, ("60", "How many?", "204")),
    "aime25": ({"id": "0", "question": "How many?", "answer": "70"}, ("0", "How many?", "70")),
    "math500": (
        {"problem": "Convert.", "answer": "\\frac{1}{2}", "subject": "Algebra", "unique_id": "test/1.json"},
        ("test/1.json", "Convert.", "\\frac{1}{2}"),
    ),
    "amc23": ({"id": 0, "problem": "Far?", "answer": 27.0}, ("0", "Far?", "27.0")),
    "gsm8k": (
        {"question": "Eggs?", "answer": "She sells 9 * 2 = 1,018.\n#### 1,018"},
        ("1", "Eggs?", "1018"),
    ),
    "olympiadbench": (
        {"id": 1606, "context": "Given x.", "question": "Find.", "final_answer": ["2", "3"], "subfield": "A"},
        ("1606", "Given x.\n\nFind.", "2, 3"),
    ),
    "nano": ({"id": "n", "question": "Find x.", "answer": "7"}, ("n", "Find x.", "7")),
}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def loaded(task: str, path: Path, limit: int | None = None, seed: int = 0) -> list[Problem]:
    return task_named(task).load(Load(path, limit, seed))


@pytest.mark.parametrize("task", ROWS)
def test_a_row_of_the_data_set_becomes_a_problem(task: str, tmp_path: Path) -> None:
    row, (name, question, answer) = ROWS[task]
    [problem] = loaded(task, write(tmp_path / "x.jsonl", row))
    assert (problem.id, problem.question, problem.answer) == (name, question, answer)
    assert TASKS[task].prompt(problem) == question


def test_every_task_is_tried_here() -> None:
    untried = sorted(set(TASKS) - set(ROWS) - {"gpqa_diamond"})
    assert untried == [], "tests/evals/tasks/test_tasks.py: ROWS has no row of the data set of these tasks"
    assert set(ROWS) <= set(TASKS), "evals/tasks/__init__.py: TASKS lacks these"


@pytest.mark.parametrize("task", ROWS)
def test_a_row_without_an_answer_is_named_with_file_and_line(task: str, tmp_path: Path) -> None:
    row = {name: value for name, value in ROWS[task][0].items() if "answer" not in name}
    path = write(tmp_path / "x.jsonl", ROWS[task][0], row)
    with pytest.raises(TaskError) as caught:
        loaded(task, path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert "answer" in str(caught.value)


def test_a_list_of_answers_is_no_reference(tmp_path: Path) -> None:
    rows = [ROWS["aime24"][0] | {"id": n, "answer": answer} for n, answer in enumerate((["204"], ["1", "2"]))]
    with pytest.raises(TaskError, match=r"x\.jsonl:2: answer is a list of 2, not one value"):
        loaded("aime24", write(tmp_path / "x.jsonl", *rows))
    [problem] = loaded("aime24", tmp_path / "x.jsonl", limit=1)
    assert problem.answer == "204"


def test_a_gsm8k_answer_without_its_mark_is_no_answer(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", {"question": "q", "answer": "just 5"})
    with pytest.raises(TaskError, match=r"x\.jsonl:1: .*####"):
        loaded("gsm8k", path)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("x.jsonl", "{", "x.jsonl:1: not JSON"),
        ("x.json", '[\n{"a": 1},\n', "x.json:3: not JSON"),
        ("x.json", "{}", "x.json:1: not a list"),
        ("x.txt", "", "cannot read this kind"),
        ("x.jsonl", "", "no problems in it"),
        ("x.parquet", "nonsense", "x.parquet:1: not parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(name: str, text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TaskError) as caught:
        loaded("aime24", path)
    assert complaint in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"gone\.jsonl"):
        loaded("aime24", tmp_path / "gone.jsonl")


def test_two_rows_of_one_id_are_refused(tmp_path: Path) -> None:
    row = ROWS["aime24"][0]
    with pytest.raises(TaskError, match="two problems have the id '60'"):
        loaded("aime24", write(tmp_path / "x.jsonl", row, row))


def test_math500_tells_subject_and_level(tmp_path: Path) -> None:
    [problem] = loaded("math500", write(tmp_path / "x.jsonl", ROWS["math500"][0] | {"level": 5}))
    assert (problem.domain, problem.level) == ("Algebra", "5")


@pytest.mark.parametrize(
    ("ids", "complaint"), [("", "no problems in it"), ("aa", "two problems have the id 'a'")]
)
def test_a_file_for_nano_is_held_to_the_same(ids: str, complaint: str, tmp_path: Path) -> None:
    rows = [{"id": one, "question": "How many?", "answer": "2"} for one in ids]
    with pytest.raises(TaskError, match=complaint):
        loaded("nano", write(tmp_path / "x.jsonl", *rows))


def test_a_spreadsheets_byte_order_mark_and_a_long_field_are_no_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"problem,answer\n{'How many? ' * 20_000},204\n", encoding="utf-8-sig")
    [problem] = loaded("aime24", path)
    assert (problem.answer, len(problem.question)) == ("204", 199_999)


def test_json_csv_and_parquet_files_read_like_jsonl(tmp_path: Path) -> None:
    from pyarrow import Table, parquet

    row = {"id": "1", "problem": "How many?", "answer": "204"}
    (tmp_path / "x.json").write_text(json.dumps([row]), encoding="utf-8")
    with (tmp_path / "x.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        writer.writeheader()
        writer.writerow(row)
    parquet.write_table(Table.from_pylist([row]), tmp_path / "x.parquet")
    found = [loaded("aime24", tmp_path / f"x.{kind}") for kind in ("json", "csv", "parquet")]
    assert found[0] == found[1] == found[2] == loaded("aime24", write(tmp_path / "x.jsonl", row))


def test_a_limit_takes_the_first(tmp_path: Path) -> None:
    rows = [{"id": n, "problem": "p", "answer": "1"} for n in range(5)]
    assert [p.id for p in loaded("aime24", write(tmp_path / "x.jsonl", *rows), limit=2)] == ["0", "1"]


def test_gpqa_shuffles_by_seed_and_record_and_knows_where_the_answer_went() -> None:
    problems = [gpqa_problem(QUESTION | {"Record ID": f"r{n}"}, Place("x", n), seed=0) for n in range(40)]
    assert {p.answer for p in problems} == set("ABCD")
    for problem in problems:
        assert problem.choices["ABCD".index(problem.answer)] == "right"
        assert sorted(problem.choices) == ["right", "wrong1", "wrong2", "wrong3"]
    again = gpqa_problem(QUESTION | {"Record ID": "r0"}, Place("y", 9), seed=0)
    assert again.choices == problems[0].choices
    others = [gpqa_problem(QUESTION | {"Record ID": f"r{n}"}, Place("x", n), seed=1) for n in range(40)]
    assert [p.choices for p in others] != [p.choices for p in problems]


def test_gpqas_prompt_is_the_question_and_its_options() -> None:
    problem = gpqa_problem(QUESTION, Place("x", 1), seed=0)
    a, b, c, d = problem.choices
    assert TASKS["gpqa_diamond"].prompt(problem) == f"Which?\n\nA) {a}\nB) {b}\nC) {c}\nD) {d}"


def test_a_gpqa_row_without_an_answer_is_named() -> None:
    row = {name: value for name, value in QUESTION.items() if name != "Correct Answer"}
    with pytest.raises(TaskError, match="x:7: no Correct Answer"):
        gpqa_problem(row, Place("x", 7), seed=0)


def test_nanos_problems_are_distinct_held_out_and_fixed_by_the_seed() -> None:
    problems = TASKS["nano"].load(Load(None, 50, 0))
    assert problems == TASKS["nano"].load(Load(None, 50, 0))
    assert len({p.id for p in problems}) == 50
    assert len({p.domain for p in problems}) > 1
    for problem in problems:
        domain, _, facts = problem.id.removeprefix("nano-").partition(":")
        if domain != "pairs":  # its key forgets the order that its facts had
            assert split_of(problem_from(domain, tuple(map(int, facts.split(","))))) == "test"


def test_an_unknown_task_is_named_with_those_there_are() -> None:
    with pytest.raises(TaskError, match=r"unknown task 'aime'; there are nano, aime24"):
        task_named("aime")


def test_without_network_and_file_one_line_says_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(_: object) -> object:
        raise ConnectionError("no route\nto the hub")

    monkeypatch.setattr("evals.tasks.source._hub_dataset", unreachable)
    with pytest.raises(TaskError) as caught:
        TASKS["aime24"].load(Load(None, None, 0))
    line = str(caught.value)
    assert "\n" not in line
    assert "network" in line
    assert "--data FILE" in line
    assert "simplescaling/aime24_nofigures" in line
