"""Final answers are found where they stand, and compared by the rule of their kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.reasoning.answers import (
    final_answer,
    integer,
    labelled_answer,
    last_boxed,
    letter,
    same_integer,
    same_letter,
    same_string,
    settle_same,
)

UNANSWERED = [
    "Let me think about this more. We have 3 apples",
    "To solve this, note that $x = 5$ and we continue",
    "I think the answer should be somewhere else.",
    "no idea",
    "#### Step 3: do this\nwe have",
    "#### 3. Compute the sum\nof all of them",
    r"Put it in \boxed{}.",
]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"So \boxed{\frac{1}{2}} it is", r"\frac{1}{2}"),
        (r"first \boxed{1}, no, \boxed{2}.", "2"),
        (r"\fbox{7}", "7"),
        (r"thus \boxed 5 .", "5"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{a\}b}", r"a\}b"),
        (r"\boxed{ {3} }", "{3}"),
    ],
)
def test_the_last_box_is_read_with_its_braces_matched(text: str, value: str) -> None:
    found = last_boxed(text)
    assert found is not None
    assert found.value == value
    assert found.source in text


def test_a_box_cut_off_by_the_token_limit_gives_way_to_the_last_whole_one() -> None:
    found = last_boxed(r"\boxed{12} ... \boxed{1")
    assert found is not None
    assert found.value == "12"


@pytest.mark.parametrize("text", ["", "42", r"\boxed", r"\boxed{", "boxed{3}"])
def test_no_box_is_no_answer(text: str) -> None:
    assert last_boxed(text) is None


@given(st.text(alphabet="ab{}\\ ", max_size=30))
def test_what_a_box_holds_comes_back_when_its_braces_are_balanced(inside: str) -> None:
    plain = inside.replace("\\", "").replace("{", "").replace("}", "")
    found = last_boxed(f"x \\boxed{{{{{plain}}}}} y")
    assert found is not None
    assert found.value == f"{{{plain}}}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("\n\nFinal Answer: 193", "193"),
        ("Final answer: 5\nFinal answer: 7\n", "7"),
        ("**Answer:** B", "B"),
        ("**Final Answer**: $x + 1$.", "x + 1"),
        ("ANSWER:\n42\n", "42"),
        ("So the answer is $5$.", "5"),
        ("The answer is definitely 8", "8"),
    ],
)
def test_without_a_box_the_labelled_answer_counts(text: str, value: str) -> None:
    found = final_answer(text)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize(
    "text", ["", "The answer is correct.", "Answer:", "Answer:   \n  ", "Answer\n---\n", *UNANSWERED]
)
def test_a_text_that_names_no_answer_has_none(text: str) -> None:
    assert final_answer(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Final Answer:\n\\[\n42\n\\]", "42"),
        (
            "Final Answer:\n\\begin{pmatrix}\n1 \\\\ 2\n\\end{pmatrix}",
            r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}",
        ),
        ("Final Answer: The minimum is $42$, which is reached at $x = 3$.", "42"),
        ("Final Answer: There are 42 ways.", "42 ways"),
        ("Final Answer: It takes 42 minutes.", "42 minutes"),
        ("Final Answer: 42. I hope it is correct.", "42"),
        ("Final Answer: Evelyn is the fastest.", "Evelyn is the fastest"),
        ("Final Answer: The winner is Evelyn.", "Evelyn"),
        ("Final Answer: C because A is wrong", "C"),
        ("Final Answer: -42", "-42"),
        ("Final Answer:\n- 42", "42"),
        ("Final Answer: $x = 3$ and $y = 4$", "$x = 3$ and $y = 4$"),
        ("The answer to the question is 42.", "42"),
        ("The final answer should be Evelyn.", "Evelyn"),
        (r"\[Answer: 042\]", "042"),
        ("She sells 9.\n#### 42", "42"),
        ("#### 42 dollars", "42 dollars"),
        ("Final Answer: 42\n\nWait, let me check. The answer is 43.", "42"),
        ("Put it in \\boxed{}.\nFinal Answer: 7", "7"),
    ],
)
def test_what_follows_a_label_is_read_as_far_as_it_is_the_answer(text: str, value: str) -> None:
    found = final_answer(text)
    assert found is not None
    assert found.value == value
    assert found.source in text


@pytest.mark.parametrize(
    "text",
    ["193", "$193$", "`193`", "**193**", "\\[\n193\n\\]", "193.", "x = 193", "193 dollars", "blue", "(B)"],
)
def test_a_reply_that_is_nothing_but_the_answer_is_one(text: str) -> None:
    found = final_answer(text)
    assert found is not None
    assert found.source == text


PIECES = [
    *(
        "\\boxed{",
        "\\boxed{1}",
        "\\boxed ",
        "{",
        "}",
        "\\",
        "Answer: ",
        "Answer:\n",
        "answer is ",
        "answer is\n",
    ),
    *("**Answer**\n", "Final Answer: \\[\n", "Final Answer:\n```\n", "#### 4\n", "<answer>", "$", "**", "`"),
    *(
        "\n",
        "\n- ",
        " ",
        "1",
        "1,",
        "1 ",
        "a ",
        "\\text{",
        "\\frac{",
        "^",
        "\\,",
        "~",
        "> ",
        "A. ",
        "is ",
        "\\(",
    ),
]


def read_and_compare(text: str) -> None:
    found = final_answer(text)
    value = found.value if found else text
    assert settle_same(value, value) is True
    assert settle_same("71", value) is not True
    assert not same_integer("71", value)
    assert letter(value) in (None, "A", "I")


@pytest.mark.parametrize("piece", PIECES)
def test_any_long_run_is_read_and_compared(piece: str) -> None:
    """Where the time grew with the square of the length, this would take hours."""
    read_and_compare(piece * (200_000 // len(piece)))


@pytest.mark.parametrize("piece", ["\\boxed{", "1,234,"])
def test_a_megabyte_after_a_label_is_read_and_compared(piece: str) -> None:
    read_and_compare("Final Answer: " + piece * (1_000_000 // len(piece)))


def test_numbers_longer_than_python_converts_are_compared_all_the_same() -> None:
    long = "9" * 5000
    assert integer(long) is None
    assert settle_same(long, long) is True
    assert not same_integer(long, long[:-1] + "8")


def test_a_box_beats_a_label_as_in_the_extraction_of_s1() -> None:
    found = final_answer(r"\boxed{3}. Final Answer: 4")
    assert found is not None
    assert found.value == "3"
    assert labelled_answer(r"\boxed{3}. Final Answer: 4") is not None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("073", 73),
        ("1,234", 1234),
        (r"10,\!080", 10080),
        ("$27.0$", 27),
        ("+5", 5),
        ("−3", -3),
        (r"12^{\mathrm{th}} \text{ grade}", 12),
        (r"90^\circ", 90),
        (r"12 \text{ cm}^2", 12),
        (r"5\%", 5),
        (r"\$23", 23),
    ],
)
def test_an_integer_is_read_in_the_ways_that_models_write_it(text: str, number: int) -> None:
    assert integer(text) == number


@pytest.mark.parametrize(
    "text", ["5 apples", "1/2", "x", "", "12^{2}", r"20 \text{ million}", "1e3", "4 5", "3.5"]
)
def test_what_is_not_one_integer_is_none(text: str) -> None:
    assert integer(text) is None


@given(st.integers(-(10**12), 10**12))
def test_every_integer_equals_itself_with_and_without_commas(number: int) -> None:
    assert same_integer(str(number), f"${number:,}$")
    assert not same_integer(str(number), str(number + 1))


def test_two_texts_that_are_no_integers_are_not_the_same_integer() -> None:
    assert not same_integer("x", "x")


def test_an_integer_in_words_of_a_unit_is_the_same_integer() -> None:
    assert same_integer("42", "42 dollars")
    assert not same_integer("42 km", "42 miles")
    assert not same_integer("0.5", "1/2")  # the same, and no integer


@pytest.mark.parametrize(
    "text",
    [
        *(
            "B",
            "(b)",
            r"\text{B}",
            "**B) foo**",
            "B.",
            r"\textbf{(B)}",
            "B: foo",
            "$B$",
            "Option B",
            "option (B)",
        ),
        *("B because A is wrong", "B, since A is wrong", "B (as A is wrong)", r"\text{Option B}", "Choice B"),
        *("The correct option is B", "B is correct", "B. Banana", "5.2 eV (option B)", "B - foo"),
    ],
)
def test_a_letter_is_read_in_the_ways_that_models_write_it(text: str) -> None:
    assert letter(text) == "B"
    assert same_letter("B", text)
    assert not same_letter("C", text)


@pytest.mark.parametrize(
    "text", ["Banana", "A cat", "42", "", "I'm sure", "A is wrong", "A and C", "A, C", "B or C"]
)
def test_a_word_is_no_letter(text: str) -> None:
    assert letter(text) is None


def test_strings_are_the_same_whatever_their_case_and_blanks() -> None:
    assert same_string("June 20", r"\text{ june   20}.")
    assert not same_string("June 20", "June 21")
