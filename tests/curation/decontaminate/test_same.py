"""Dress makes no other question; a factorial and the case of a variable do."""

import pytest

from curation.decontaminate.same import bare


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Find $x + 1$.", "find  x+1"),
        ("Find $P$ of $AB$.", "Find P of ab"),
        ("What is $10!$?", "What is 10!?"),
        ("What is $10!$ ?", "What is 10!"),
        ("A man has 3 hats. I count them.", "a man has 3 hats. i count them"),
        ("Stop it now! Then go.", "Stop it now. Then go"),
        (r"Let $\left( a \right) = 2$, please!", "Let (a)=2, please"),
        ("So what?!", "so what"),
    ],
)
def test_dress_makes_no_other_question(one: str, other: str) -> None:
    assert bare(one) == bare(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How many zeros has 10! in base 2?", "How many zeros has 10 in base 2?"),
        ("What is 10!?", "What is 10?"),
        ("What is (n+1)! ?", "What is (n+1)?"),
        ("Compute $n! + 1$.", "Compute $n + 1$."),
        (r"Compute \(n! + 1\).", r"Compute \(n + 1\)."),
        ("What is 7!! in base 3?", "What is 7! in base 3?"),
        ("Find $A$ for $a=2$", "Find $a$ for $A=2$"),
        ("Find $A_1 + 2B$", "Find $a_1 + 2b$"),
        ("Find A for a=2", "Find a for A=2"),
    ],
)
def test_factorials_and_variables_do(one: str, other: str) -> None:
    assert bare(one) != bare(other)
