"""What a model solves is dropped; who decides, and what happens when nobody can."""

import json
from pathlib import Path

import pytest

from curation.ask.request import ModelAddress
from curation.ask.settings import AskSettings
from curation.difficulty.attempts import AskedAttempts, BroughtAttempts
from curation.difficulty.filter import GradedTraces, Grading, TooEasy
from curation.difficulty.grader import answer_in
from curation.row import Attempt, Dropped, Outcome, Row
from curation.traces.teacher import TeacherSampling
from tests.curation.endpoint import HTML, Body, Said, chat, faked
from tests.curation.rows import a_row, kept, reasons


def ask_settings(tmp_path: Path) -> AskSettings:
    return AskSettings(tmp_path / "replies.sqlite", 4, tries=2, first_pause_s=0.001)


def tried(*texts: str, id: str = "math/1", answer: str = "2", solution: str = "") -> Row:
    attempts = tuple(Attempt(f"model{at}", text) for at, text in enumerate(texts))
    return a_row(id=id, answer=answer, solution=solution, attempts=attempts)


def filtered(rows: list[Row], tmp_path: Path, judge: str = "") -> list[Outcome]:
    place = ModelAddress("judge", judge) if judge else None
    return list(TooEasy(Grading(ask_settings(tmp_path), place, processes=1))(rows))


def test_a_row_that_either_model_solves_is_dropped_with_the_solvers_name(tmp_path: Path) -> None:
    rows = [
        tried("\\boxed{2}", "\\boxed{3}", id="first"),
        tried("\\boxed{3}", "\\boxed{2}", id="second"),
        tried("\\boxed{2}", "\\boxed{2}", id="both"),
        tried("\\boxed{3}", "\\boxed{4}", id="neither"),
    ]
    outcomes = filtered(rows, tmp_path)
    assert kept(outcomes) == ["neither"]
    details = {one.row.problem.id: one.detail for one in outcomes if isinstance(one, Dropped)}
    assert details == {"first": "by model0", "second": "by model1", "both": "by model0 and model1"}


GRADES = [
    ("2", "Final Answer: 2", True),
    ("073", "\\boxed{73}", True),
    ("\\frac{1}{2}", "It is \\boxed{0.5}.", True),
    ("\\frac{1}{2}", "It is \\boxed{\\frac{1}{3}}.", False),
    ("(3,\\frac{\\pi}{2})", "\\boxed{\\left( 3, \\frac{\\pi}{2} \\right)}", True),
    ("2", "I do not know, and so I stop here.\nGood night.", False),
    ("2", "", False),
    ("2", "2", True),
]


@pytest.mark.parametrize(("gold", "attempt", "solved"), GRADES)
def test_attempts_are_graded_by_rule(gold: str, attempt: str, solved: bool, tmp_path: Path) -> None:
    outcomes = filtered([tried(attempt, answer=gold)], tmp_path)
    assert reasons(outcomes) == ({"math/1": "solved"} if solved else {})


def test_a_choice_is_graded_by_its_letter(tmp_path: Path) -> None:
    from dataclasses import replace

    row = tried("Answer: (B) red")
    row = replace(row, problem=replace(row.problem, answer="B", choices=("(A) two", "(B) red")))
    assert reasons(filtered([row], tmp_path)) == {"math/1": "solved"}


def test_a_row_without_attempts_is_not_taken_for_hard(tmp_path: Path) -> None:
    assert reasons(filtered([a_row()], tmp_path)) == {"math/1": "no_attempt"}


def test_what_no_rule_can_grade_goes_to_the_judge(tmp_path: Path) -> None:
    def judge(body: Body, _: int) -> Said:
        return chat("It holds.\nYes" if "sound proof" in body["messages"][1]["content"] else "It fails.\nNo")

    rows = [
        tried("a sound proof", id="proved", answer="", solution="By induction."),
        tried("no proof", id="open", answer="", solution="By induction."),
    ]
    with faked(judge) as fake:
        outcomes = filtered(rows, tmp_path, fake.url)
    assert (kept(outcomes), reasons(outcomes)) == (["open"], {"proved": "solved"})
    [(system, user)] = [m for body in fake.asked if "sound proof" in (m := body["messages"])[1]["content"]]
    assert system["role"] == "system"
    assert all(part in user["content"] for part in ("What is 1 + 1?", "sound proof", "By induction."))


def test_without_a_judge_what_no_rule_can_grade_is_dropped_as_ungraded(tmp_path: Path) -> None:
    outcomes = filtered([tried("a proof", answer="", solution="By induction.")], tmp_path)
    assert reasons(outcomes) == {"math/1": "ungraded"}


UNCLEAR = ["Perhaps.", "Yes, it is.", "yes", "**No**", "", "Yes or No"]


@pytest.mark.parametrize("verdict", UNCLEAR)
def test_a_judge_that_says_neither_yes_nor_no_is_asked_three_times_and_then_the_row_is_ungraded(
    tmp_path: Path, verdict: str
) -> None:
    with faked(lambda *_: chat(f"Well.\n{verdict}".strip())) as fake:
        outcomes = filtered([tried("a proof", answer="", solution="By induction.")], tmp_path, fake.url)
    assert reasons(outcomes) == {"math/1": "ungraded"}
    [dropped] = [one for one in outcomes if isinstance(one, Dropped)]
    assert "neither Yes nor No" in dropped.detail
    assert len(fake.asked) == 3
    assert [body["seed"] for body in fake.asked] == [0, 1, 2]


def test_a_judge_that_answers_html_costs_its_row_only(tmp_path: Path) -> None:
    rows = [
        tried("a proof", id="proof", answer="", solution="s"),
        tried("\\boxed{3}", "\\boxed{2}", id="easy"),
    ]
    with faked(lambda *_: HTML) as fake:
        outcomes = filtered(rows, tmp_path, fake.url)
    assert reasons(outcomes) == {"proof": "endpoint_nonsense", "easy": "solved"}


def test_every_solver_answers_every_question(tmp_path: Path) -> None:
    with faked(lambda body, _: chat(f"{body['model']}: \\boxed{{2}}", "Hm.")) as fake:
        stage = AskedAttempts(
            (ModelAddress("small", fake.url), ModelAddress("large", fake.url)),
            ask_settings(tmp_path),
            TeacherSampling(0.05),
        )
        [row] = list(stage([a_row()]))
    assert isinstance(row, Row)
    assert [(one.model, one.text) for one in row.attempts] == [
        ("small", "small: \\boxed{2}"),
        ("large", "large: \\boxed{2}"),
    ]
    assert {body["temperature"] for body in fake.asked} == {0.05}


def test_attempts_on_disk_are_matched_by_question_and_a_missing_one_drops(tmp_path: Path) -> None:
    path = tmp_path / "attempts.json"
    path.write_text(
        json.dumps([{"problem": "What is 1 + 1?", "output": ['"answer": "2"}'], "generator": "q"}])
    )
    rows = [a_row(id="there"), a_row("What is 5?", id="not there")]
    outcomes = list(BroughtAttempts((("q", "zeroeval", path),))(rows))
    assert (kept(outcomes), reasons(outcomes)) == (["there"], {"not there": "no_attempt"})
    assert isinstance(outcomes[0], Row)
    assert outcomes[0].attempts == (Attempt("q", "\\boxed{2}"),)


def test_grading_traces_drops_nothing_and_marks_what_can_be_told(tmp_path: Path) -> None:
    rows = [
        a_row(id="right", thinking="t", said="\\boxed{2}"),
        a_row(id="wrong", thinking="t", said="\\boxed{3}"),
        a_row(id="proof", thinking="t", said="So.", answer="", solution="s"),
        a_row(id="no trace"),
    ]
    outcomes = list(GradedTraces(Grading(ask_settings(tmp_path), None, 1))(rows))
    marks = {
        one.problem.id: one.trace.correct if one.trace else "-" for one in outcomes if isinstance(one, Row)
    }
    assert marks == {"right": True, "wrong": False, "proof": None, "no trace": "-"}


def test_a_short_bare_line_is_an_answer_and_a_paragraph_is_none() -> None:
    assert answer_in("391") == "391"
    assert answer_in("So I think that this is hard.\nReally.") is None
    assert answer_in("x" * 61) is None
