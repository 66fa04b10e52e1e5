"""Training examples out of the rows of a data set, in the shapes that the hub has: chats, prompts, s1K."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from server.reasoning.chats import THINKING_FIELDS, ChatError, Reply, chat_of, replies_of
from server.reasoning.records import Problem, Trace, TrainingExample
from server.reasoning.split import split_thinking

Columns = Mapping[str, Any]
QUESTIONS = ("question", "problem", "prompt", "instruction", "query", "input")
ABOUT = "input"
"""Column of what an `instruction` is about, in Alpaca's rows."""
RESPONSES = ("response", "generation", "output", "completion", "answer", "solution")
REFERENCES = ("expected_answer", "reference_answer", "ground_truth", "final_answer", "answer", "solution")
IDS = ("id", "uuid", "unique_id", "problem_id")
APART = (
    ("deepseek_thinking_trajectory", "deepseek_attempt"),
    ("thinking_trajectories", "attempt"),
    ("gemini_thinking_trajectory", "gemini_attempt"),
)
"""Columns of thinking and answer of s1K-1.1 and s1K, the later trace first."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row, or a turn of it, that cannot be trained on. `reason` is a short name to count by."""

    where: str
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" + (f": {self.detail}" if self.detail else "")


def examples_of(row: Columns, where: str, name: str) -> Iterator[TrainingExample | Rejected]:
    """The examples of a row, one for each reply with thinking, or why there is none.

    `name` is the row's id where it has none.
    """
    try:
        replies = _replies(row)
    except ChatError as error:
        yield Rejected(where, "unreadable", str(error))
        return
    if row.get("tools"):
        yield Rejected(where, "has_tools", "the chat was offered tools, which no prompt here shows")
        return
    name = next((str(row[each]) for each in IDS if row.get(each) not in (None, "")), name)
    thinking = [reply for reply in replies if reply.thinking]
    if not thinking:
        yield Rejected(where, "no_thinking" if replies else "no_reply", _looked_for(row))
        return
    for number, reply in enumerate(thinking, 1):
        if reason := _reason(reply):
            yield Rejected(where, reason)
        else:
            yield _example(row, reply, where, name if len(thinking) == 1 else f"{name}#{number}")


def question_of(row: Columns) -> str:
    """The question of a row that is no chat, an instruction with its input; "" where it has none."""
    name = next((each for each in QUESTIONS if _text(row, each)), "")
    about = _text(row, ABOUT) if name == "instruction" else ""
    return "\n\n".join(filter(None, (_text(row, name), about)))


def _replies(row: Columns) -> list[Reply]:
    messages = chat_of(row)
    if messages is not None:
        return list(replies_of(messages))
    asked = question_of(row)
    before = ({"role": "user", "content": asked},) if asked else ()
    for thinking_column, answer_column in APART:
        if thinking := _text(row, thinking_column):
            return [Reply(before, thinking, _text(row, answer_column))]
    if isinstance(row.get("generations"), list):
        texts = [_right_generation(row)]
    else:
        texts = [_text(row, *RESPONSES)]
    if thinking := _text(row, *THINKING_FIELDS):
        return [Reply(before, thinking, split_thinking(texts[0])[1])]
    return [Reply(before, *split_thinking(text)) for text in texts if text]


def _right_generation(row: Columns) -> str:
    """The first generation that is complete and marked correct; "" without one, or without marks.

    Raises:
        ChatError: There are not as many marks as generations.
    """
    texts, right = row["generations"], row.get("correctness_math_verify")
    whole = row.get("is_reasoning_complete") or [True] * len(texts)
    if not isinstance(right, list) or not len(texts) == len(right) == len(whole):
        raise ChatError(f"{len(texts)} generations without as many marks in correctness_math_verify")
    graded = zip(texts, right, whole, strict=True)
    return next((str(text) for text, is_right, is_whole in graded if is_right and is_whole), "")


def _looked_for(row: Columns) -> str:
    return (
        f"its columns are {', '.join(sorted(map(str, row)))}; looked for messages, conversations, prompt and "
        "completion, or a question and a response, with thinking in a field (reasoning_content, reasoning, "
        "thinking) or in marks (<think> ... </think> and others)"
    )


def _reason(reply: Reply) -> str:
    if not reply.question.strip():
        return "no_question"
    if not reply.answer.strip():
        return "calls_a_tool" if reply.calls_tools else "no_answer"
    return ""


def _example(row: Columns, reply: Reply, where: str, name: str) -> TrainingExample:
    reference = _text(row, *REFERENCES)
    problem = Problem(name, reply.question, "" if reference == reply.answer else reference)
    alone = reply.before == ({"role": "user", "content": reply.question},)
    trace = Trace(name, reply.thinking, reply.answer, _text(row, "model", "generator"))
    return TrainingExample(problem, trace, where, () if alone else reply.before)


def _text(row: Columns, *names: str) -> str:
    """The first of these columns that has text; of a list its first."""
    for name in names:
        value = row.get(name)
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, str | int | float) and str(value).strip():
            return str(value).strip()
    return ""
