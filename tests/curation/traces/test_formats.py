"""Traces of every published form give question, thinking and answer; a stranger is named with its place."""

import json
from pathlib import Path

import pytest

from curation.errors import CurationError
from curation.reader import read_raw
from curation.row import Row
from curation.sources.source import Columns, MissingColumnError
from curation.traces.brought import Brought
from curation.traces.formats import FORMATS
from tests.curation.rows import a_row

FIXTURE = Path(__file__).parents[1] / "fixtures" / "s1k_5rows_with_gemini_traces.parquet"
Q, T, A = "What is 1 + 1?", "One and one.", "Two."

SAMPLES: list[tuple[str, Columns]] = [
    ("jsonl", {"problem_id": "math/1", "thinking": T, "answer": A}),
    ("s1k", {"question": Q, "thinking_trajectories": [T], "attempt": A}),
    ("s1k", {"question": Q, "gemini_thinking_trajectory": T, "gemini_attempt": A}),
    (
        "s1k-1.1",
        {
            "question": Q,
            "gemini_thinking_trajectory": "no",
            "deepseek_thinking_trajectory": T,
            "deepseek_attempt": A,
        },
    ),
    (
        "sky-t1",
        {
            "conversations": [
                {"from": "user", "value": Q},
                {
                    "from": "assistant",
                    "value": f"<|begin_of_thought|>\n\n{T}\n\n<|end_of_thought|>\n\n"
                    f"<|begin_of_solution|>\n\n{A}\n\n<|end_of_solution|>",
                },
            ]
        },
    ),
    ("r1", {"problem": Q, "generation": f"<think>\n{T}\n</think>\n\n{A}"}),
    (
        "r1",
        {"messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": f"{T}</think>{A}"}]},
    ),
    *(
        ("r1", {"messages": [{"role": "user", "content": Q}, {"role": "assistant", field: T, "content": A}]})
        for field in ("reasoning_content", "reasoning", "thinking")
    ),
    (
        "r1",
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": Q}]},
                {
                    "role": "assistant",
                    "reasoning_content": None,  # as a key that is absent comes back from Arrow
                    "content": [{"type": "thinking", "thinking": T}, {"type": "text", "text": A}],
                },
            ]
        },
    ),
    (
        "r1",
        {
            "prompt": [{"role": "user", "content": Q}],
            "completion": [{"role": "assistant", "content": f"<think>{T}</think>{A}"}],
        },
    ),
    ("r1", {"prompt": Q, "completion": f"<think>{T}</think>{A}"}),
    (
        "r1",
        {
            "problem": Q,
            "generations": ["<think>no</think>Three.", "<think>cut", f"<think>{T}</think>{A}"],
            "correctness_math_verify": [False, True, True],
            "is_reasoning_complete": [True, False, True],
        },
    ),
    (
        "s1-chat",
        {
            "problem": Q,
            "model_response": f"<|im_start|>user\n{Q}<|im_end|>\n<|im_start|>assistant\n"
            f"<|im_start|>think\n{T}\n<|im_start|>answer\n{A}<|im_end|>",
        },
    ),
]


@pytest.mark.parametrize(("form", "columns"), SAMPLES)
def test_a_format_gives_thinking_and_answer_apart(form: str, columns: Columns) -> None:
    found = FORMATS[form](columns)
    assert (found.thinking, found.answer) == (T, A)
    assert found.question == Q or found.problem_id == "math/1"


def test_an_instruction_is_matched_with_its_input() -> None:
    row: Columns = {"instruction": "Translate.", "input": "Zwei.", "output": f"<think>{T}</think>{A}"}
    assert FORMATS["r1"](row).question == "Translate.\n\nZwei."
    with pytest.raises(MissingColumnError, match=r"no question or .*\(it has output\)"):
        FORMATS["r1"]({"output": A})


def test_of_generations_that_are_all_wrong_none_is_a_trace() -> None:
    row: Columns = {
        "problem": Q,
        "generations": [f"<think>{T}</think>{A}"],
        "correctness_math_verify": [False],
    }
    found = FORMATS["r1"](row)
    assert (found.thinking, found.answer) == ("", "")
    with pytest.raises(MissingColumnError, match="1 generations, but 2 and 1 marks"):
        FORMATS["r1"](row | {"correctness_math_verify": [True, False]})


SEVERAL: Columns = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello?"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": Q},
        {"role": "assistant", "content": f"<think>{T}</think>{A}"},
        {"role": "user", "content": "And 2 + 2?"},
        {"role": "assistant", "reasoning_content": "Two and two.", "content": "Four."},
    ]
}


def test_every_turn_with_thinking_is_a_trace_of_the_question_before_it(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(json.dumps(SEVERAL))
    rows = [a_row(question, id=question) for question in ("Hello?", Q, "And 2 + 2?")]
    found = list(Brought((("r1", path),))(rows))
    traces = [one.trace for one in found if isinstance(one, Row)]
    assert traces[0] is None
    assert [(one.thinking, one.answer) for one in traces[1:] if one] == [(T, A), ("Two and two.", "Four.")]


def test_a_chat_without_thinking_is_read_for_its_answer() -> None:
    found = FORMATS["r1"]({"messages": SEVERAL["messages"][:3]})
    assert (found.question, found.thinking, found.answer) == ("Hello?", "", "Hello.")


def test_thinking_that_never_ends_leaves_the_answer_empty() -> None:
    assert FORMATS["r1"]({"problem": Q, "generation": f"<think>{T}"}).answer == ""


def test_the_real_rows_of_s1k_bring_their_traces_to_the_problems_of_the_pool() -> None:
    raws = [raw.columns or {} for raw in read_raw(FIXTURE)]
    rows = [a_row(raw["question"], id=str(at)) for at, raw in enumerate(raws)]
    found = list(Brought((("s1k", FIXTURE),))([*rows, a_row("Nobody asked this.", id="other")]))
    given = [one.trace.thinking if isinstance(one, Row) and one.trace else None for one in found]
    assert given == [*(raw["gemini_thinking_trajectory"].strip() for raw in raws), None]
    assert all(isinstance(one, Row) and one.trace and one.trace.answer for one in found[:5])


def test_zeroeval_answers_are_read_in_spite_of_their_backslashes() -> None:
    output = '```json\n{\n "reasoning": "So \\( x \\)",\n "answer": "\\frac{1}{2}"\n}\n```'
    assert FORMATS["zeroeval"]({"problem": Q, "output": [output]}).answer == "\\boxed{\\frac{1}{2}}"


def test_a_row_of_another_format_is_an_error_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"question": "x"}\n')
    with pytest.raises(CurationError, match=r"t\.jsonl:1: not of the format s1k: no gemini_thinking"):
        list(Brought((("s1k", path),))([]))
    with pytest.raises(CurationError, match="'word' is not a format of traces"):
        list(Brought((("word", path),))([]))
