"""What the loss falls on, in every family; and what a tokenizer or a sample must have to be learnt from."""

import pytest

from server.reasoning.families import FAMILIES
from server.reasoning.family import Family
from server.reasoning.records import Problem, Trace, TrainingExample
from tests.training.tiny import CHATML, tiny_tokenizer
from training.errors import TrainingError
from training.lesson import IGNORE, Lesson, Writer

FAMILY = pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)


def sample(thinking: str = "1+1 is 2.\nWait, yes.", answer: str = "2") -> TrainingExample:
    return TrainingExample(Problem("p", "What is 1+1?", "2"), Trace("p", thinking, answer), "t.jsonl:3")


def writer(family: Family, template: str = CHATML) -> Writer:
    return Writer(
        tiny_tokenizer(family.start, family.end, *family.end_of_turn, template=template), family, "tiny"
    )


def learnt(one: Lesson, by: Writer) -> str:
    return str(by.tokenizer.decode([label for label in one.labels if label != IGNORE]))


@FAMILY
def test_loss_falls_on_thinking_and_answer_only(family: Family) -> None:
    by = writer(family)
    one = by.write(sample())
    lead = f"\n{family.answer_prefix}" if family.answer_prefix else "\n\nFinal Answer: "
    if not family.cue:
        lead = ""
    thought = f"{family.start.rstrip()}\n1+1 is 2.\nWait, yes.\n{family.end}{family.transition}"
    assert learnt(one, by) == f"{thought}{lead}2<|im_end|>\n"
    prompt = [i for i, label in zip(one.ids, one.labels, strict=True) if label == IGNORE]
    assert by.tokenizer.decode(prompt) == "<|im_start|>user\nWhat is 1+1?<|im_end|>\n<|im_start|>assistant\n"
    assert [*one.ids] == prompt + [label for label in one.labels if label != IGNORE]


@FAMILY
def test_a_start_mark_in_the_prompt_is_not_learnt(family: Family) -> None:
    opening = CHATML.replace("assistant\\n", f"assistant\\n{family.start.rstrip()}\\n")
    by = writer(family, opening)
    assert learnt(by.write(sample()), by).startswith("1+1 is 2.\n")


def test_a_prompt_that_opens_thinking_without_a_line_break_gets_one_in_the_thinking() -> None:
    by = writer(FAMILIES["think"], CHATML.replace("assistant\\n", "assistant\\n<think>"))
    assert learnt(by.write(sample()), by).startswith("\n1+1 is 2.\n")


@pytest.mark.parametrize(
    ("name", "answer", "text"),
    [
        ("s1", "2", "\nAnswer: 2<"),
        ("s1", "So.\n\nAnswer: 2", "\nSo.\n\nAnswer: 2<"),
        ("s1", " 2\n", "\nAnswer: 2<"),
        ("think", "2", "\n\nFinal Answer: 2<"),
        ("think", "Final Answer: 2", "</think>\n\nFinal Answer: 2<"),
        ("think", '<tool_call>\n{"name": "f"}\n</tool_call>', "</think>\n\n<tool_call>\n"),
    ],
)
def test_an_answer_is_labelled_once(name: str, answer: str, text: str) -> None:
    by = writer(FAMILIES[name])
    assert text in learnt(by.write(sample(answer=answer)), by)


@pytest.mark.parametrize(
    ("thinking", "answer", "complaint"),
    [
        ("so </think> no", "2", "field 'trace.thinking' has the mark '</think>' inside"),
        ("<think>so", "2", "field 'trace.thinking' has the mark '<think>' inside"),
        ("so", "2<|im_end|>", r"field 'trace.answer' has the mark '<\|im_end\|>' inside"),
        ("<|im_start|>user", "2", r"field 'trace.thinking' has the mark '<\|im_start\|>' inside"),
    ],
)
def test_a_mark_inside_a_sample_is_refused_by_line_and_field(
    thinking: str, answer: str, complaint: str
) -> None:
    with pytest.raises(TrainingError, match=rf"^t\.jsonl:3: {complaint}"):
        writer(FAMILIES["think"]).write(sample(thinking, answer))


@pytest.mark.parametrize("name", ["think", "seed", "magistral"])
def test_a_tokenizer_without_the_familys_marks_is_refused_with_the_families_it_can_learn(name: str) -> None:
    family = FAMILIES[name]
    with pytest.raises(TrainingError) as caught:
        Writer(tiny_tokenizer(), family, "tiny")
    assert str(caught.value) == (
        f"--family {name}: the tokenizer of tiny has no token {family.start!r}; it can learn s1, kimi,"
        " sky-t1, granite, apriel"
    )


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("", "its tokenizer has no chat template"),
        (CHATML.replace("<|im_end|>", ""), "has no end mark after an answer"),
        (CHATML.replace("assistant\\n'", "assistant\\n<think>\\n</think>'"), "closes thinking in the prompt"),
    ],
)
def test_a_template_that_cannot_teach_an_end_is_refused(template: str, complaint: str) -> None:
    with pytest.raises(TrainingError, match=f"--model tiny: .*{complaint}"):
        writer(FAMILIES["think"], template).write(sample())
