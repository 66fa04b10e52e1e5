"""A list is a list in a .csv file too, however it was written, and an answer in brackets is none."""

import pytest

from curation.cells import cell


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        (" \n", None),
        ("2", "2"),
        (" as it is ", " as it is "),
        ("[]", []),
        ("['(A)1', '(B)2']", ["(A)1", "(B)2"]),
        ('["(A)1", "(B)2"]', ["(A)1", "(B)2"]),
        ("['(A)1' '(B)2']", ["(A)1", "(B)2"]),
        ("['(A)1'\n \"(B)it's 2\"]", ["(A)1", "(B)it's 2"]),
        (r"['\\frac12']", [r"\frac12"]),
        ("[True, False]", [True, False]),
        ("[ True False]", [True, False]),
        ("{'solution': None, 'level': 5}", {"solution": None, "level": 5}),
        *(
            (text, text)
            for text in (
                *(
                    "[1, 2]",
                    "[1, 2)",
                    "[Ar]",
                    "{1, 2}",
                    r"{x \in R}",
                    "[x', y']",
                    r"['\pi']",
                    "['a' ... 'b']",
                ),
                *("['a', 1]", "[" * 500 + "]" * 500, "[", "{'a': 1", "{1: 2}", "[\0]", "['a'"),
            )
        ),
    ],
)
def test_what_a_cell_holds(text: str, value: object) -> None:
    assert cell(text) == value
