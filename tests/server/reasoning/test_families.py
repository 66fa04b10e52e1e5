"""Every family is found by what tells it, and by nothing else."""

import pytest

from server.reasoning.families import FAMILIES, detect_family
from server.reasoning.family import Family

DETECTABLE = pytest.mark.parametrize(
    "family", [f for f in FAMILIES.values() if f.is_detectable], ids=lambda family: family.name
)


@DETECTABLE
def test_family_is_found_by_its_tokens(family: Family) -> None:
    vocabulary = dict.fromkeys(family.tells or (family.start, family.end), 1)
    assert detect_family("some/model", None, vocabulary)[0] is family


@DETECTABLE
def test_family_is_found_by_both_marks_in_the_template_or_by_the_start_at_its_end(family: Family) -> None:
    start = family.start.replace("\n", "\\n")  # as Jinja writes a line break
    assert detect_family("some/model", f"{start}{{{{x}}}}{family.end}", {})[0] is family
    opens = f"{{% if add_generation_prompt %}}assistant {start}{{% endif %}}"
    assert detect_family("some/model", opens, {})[0] is family
    assert (
        detect_family("some/model", f"{start} {{% if add_generation_prompt %}}{{% endif %}}", {})[0] is None
    )


def test_suffix_of_marks_is_read_off_the_vocabulary() -> None:
    vocabulary = ("a", "<think:v2>", "</think:v2>", "<tool_calls:v2>", "<｜hy_eos:v2｜>")
    found, how = detect_family("some/model", None, vocabulary)
    assert found is not None
    assert (found.name, found.start, found.end) == ("hy", "<think:v2>", "</think:v2>")
    assert (found.tool_call, found.end_of_turn) == (("<tool_calls:v2>",), ("<｜hy_eos:v2｜>",))
    assert how == "<think:v2> and </think:v2> in the tokenizer"
    assert FAMILIES["think"].written_in(vocabulary) is FAMILIES["think"]


def test_what_tells_nothing_finds_nothing_and_says_what_was_looked_for_and_where() -> None:
    assert detect_family("m", None, {}) == (None, "no known thinking marks in the tokenizer")
    assert detect_family("m", "{{x}}", {}) == (
        None,
        "no known thinking marks in the tokenizer or the chat template",
    )


def test_s1_is_known_by_its_name_alone() -> None:
    assert detect_family("simplescaling/s1.1-32B", None, {})[0] is FAMILIES["s1"]
    assert detect_family("simplescaling/step-conditional-control-old", None, {})[0] is FAMILIES["s1"]
