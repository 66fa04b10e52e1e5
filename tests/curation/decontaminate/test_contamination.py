"""No question that an eval asks, and none that shares a run of words with one."""

from dataclasses import replace
from pathlib import Path

import pytest

from curation.decontaminate.contamination import Contamination
from curation.decontaminate.references import EvalQuestion, read_references
from curation.errors import CurationError
from curation.row import Dropped
from tests.curation.rows import a_row, kept, reasons

EIGHT = "one two three four five six seven eight"
REFERENCE = EvalQuestion("math500 test/1", f"Zero {EIGHT} nine.")


def test_a_shared_word_8_gram_drops_and_seven_words_do_not() -> None:
    seven = EIGHT.removesuffix(" eight")
    rows = [a_row(f"Now {EIGHT} ten", id="a"), a_row(f"Now {seven} ten", id="b")]
    outcomes = list(Contamination((REFERENCE,))(rows))
    assert reasons(outcomes) == {"a": "8_gram_of_math500"}
    [dropped] = [one for one in outcomes if isinstance(one, Dropped)]
    assert dropped.detail == f"shares '{EIGHT}' with math500 test/1"


def test_case_and_white_space_do_not_hide_a_shared_8_gram() -> None:
    row = a_row(EIGHT.upper().replace(" ", " \n\t"), id="a")
    assert reasons(list(Contamination((REFERENCE,))([row]))) == {"a": "8_gram_of_math500"}


def test_with_13_words_an_8_gram_is_not_enough() -> None:
    thirteen = " ".join(f"w{at}" for at in range(13))
    reference = EvalQuestion("gpqa_diamond 1", f"start {thirteen} end")
    rows = [a_row(" ".join(thirteen.split()[:12]), id="twelve"), a_row(f"x {thirteen} y", id="thirteen")]
    assert reasons(list(Contamination((reference,), 13)(rows))) == {"thirteen": "13_gram_of_gpqa_diamond"}
    assert kept(list(Contamination((reference,), 13)(rows))) == ["twelve"]


def test_a_question_of_under_8_words_drops_only_when_it_is_the_eval_question() -> None:
    reference = EvalQuestion("aime24 1", "Find $x+1$.")
    rows = [a_row("find   x+1", id="same"), a_row("Find $x-1$.", id="other")]
    outcomes = list(Contamination((reference,))(rows))
    assert reasons(outcomes) == {"same": "in_aime24"}
    assert kept(outcomes) == ["other"]


def test_a_diamond_question_of_gpqa_is_known_without_its_choices() -> None:
    # A made-up question of GPQA's shape: its own are not to be printed.
    row = a_row("Which number is even?\nAnswer Choices:\n(A) one\n(B) two", id="gpqa/1", source="gpqa")
    row = replace(row, problem=replace(row.problem, choices=("(A) one", "(B) two")))
    reference = EvalQuestion("gpqa_diamond rec0", "Which number is even?")
    assert reasons(list(Contamination((reference,), 13)([row]))) == {"gpqa/1": "in_gpqa_diamond"}


def test_a_late_added_source_passes_the_same_stage() -> None:
    # s1's add_aime.py ran after decontamination: AIME 2017 II #7 is a MATH500 item and got into s1K (#26).
    rows = [a_row("Something else.", id="math/1"), a_row(f"So {EIGHT}.", id="aime/2017-II-7", source="aime")]
    assert list(reasons(list(Contamination((EvalQuestion("math500 1", f"So {EIGHT}."),))(rows)))) == [
        "aime/2017-II-7"
    ]


def test_whole_questions_only_lets_procedural_wording_pass() -> None:
    rows = [a_row(f"{EIGHT} 15", id="other"), a_row(f"zero {EIGHT} nine", id="same")]
    outcomes = list(Contamination((REFERENCE,), 0)(rows))
    assert (kept(outcomes), reasons(outcomes)) == (["other"], {"same": "in_math500"})


QUESTION = (
    r"Let $x$ and $y$ be real numbers with $x^2 + y^2 \le 2$. Find the largest value of $\frac{x}{3} + y$."
)
REWRITTEN = {
    "round delimiters": QUESTION.replace("$x$", r"\(x\)").replace("$y$", r"\(y\)"),
    "unicode": "Let x and y be real numbers with x² + y² ≤ 2. Find the largest value of x/3 + y.",
    "blanks in formulas": r"Let $ x $ and $ y $ be real numbers with $ x ^ 2 + y ^ 2 \leq 2 $. Find",
    "no punctuation": "let x and y be real numbers with x^2+y^2<=2 find the largest value of x/3+y",
    "a prompt in front": "Solve it step by step: " + QUESTION,
}


@pytest.mark.parametrize("how", REWRITTEN)
def test_a_question_typed_in_another_way_is_found(how: str) -> None:
    rows = [a_row(REWRITTEN[how], id="a")]
    assert reasons(list(Contamination((EvalQuestion("math500 1", QUESTION),))(rows))) == {
        "a": "8_gram_of_math500"
    }


def test_the_papers_rule_takes_punctuation_for_part_of_a_word() -> None:
    rows = [a_row(f"now {EIGHT}".replace(" ", ", "), id="a")]
    assert not reasons(list(Contamination((REFERENCE,), match="paper")(rows)))
    assert reasons(list(Contamination((REFERENCE,))(rows))) == {"a": "8_gram_of_math500"}


def test_a_question_of_few_words_is_found_whole_inside_a_longer_one() -> None:
    short, long = "How many primes divide 210?", "Think well. How many primes divide 210? Give a number."
    rows = [a_row(long, id="inside"), a_row("How many primes divide 211? Give a number.", id="other")]
    found = reasons(list(Contamination((EvalQuestion("aime24 1", short),))(rows)))
    assert found == {"inside": "short_question_of_aime24"}
    assert not reasons(
        list(Contamination((EvalQuestion("aime24 1", short),), match="paper")([a_row(long, id="x")]))
    )


def test_a_short_whole_question_is_found_though_a_longer_reference_holds_it_first() -> None:
    references = (
        EvalQuestion("m 1", "Say how many primes divide 210 and 9."),
        EvalQuestion("m 2", "how many primes divide 210"),
    )
    rows = [a_row("Tell me how many primes divide 210, friend.", id="a")]
    assert reasons(list(Contamination(references)(rows))) == {"a": "short_question_of_m"}


def test_it_finds_what_the_slow_and_obvious_way_finds() -> None:
    words = ["a", "b", "c", "d", "e", "f"]
    texts = [
        " ".join(words[(at * at + step * (at % 5 + 1)) % 6] for step in range(at % 23)) for at in range(400)
    ]
    references = tuple(EvalQuestion(f"r {at}", text) for at, text in enumerate(texts[:40]))
    rows = [a_row(text or "?", id=str(at)) for at, text in enumerate(texts[40:])]

    def grams(text: str) -> set[str]:
        split = text.split()
        return {" ".join(split[at : at + 8]) for at in range(len(split) - 7)}

    theirs = {gram for one in references for gram in grams(one.question)}
    same = {one.question for one in references}
    asked = {row.problem.id: row.problem.question for row in rows}
    slow = {id for id, question in asked.items() if grams(question) & theirs or question in same}
    assert set(reasons(list(Contamination(references, match="paper")(rows)))) == slow
    assert 0 < len(slow) < len(rows)


def test_a_reference_without_a_question_is_an_error_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "math500.jsonl"
    path.write_text('{"problem": "One?"}\n{"solution": "x"}\n')
    with pytest.raises(CurationError, match=r"math500\.jsonl:2: no question"):
        read_references([("math500", path)])


def test_references_are_read_from_the_files_that_the_evals_use(tmp_path: Path) -> None:
    path = tmp_path / "math500.jsonl"
    path.write_text('{"problem": "One?", "unique_id": "test/1.json"}\n')
    assert read_references([("math500", path)]) == [EvalQuestion("math500 test/1.json", "One?")]
