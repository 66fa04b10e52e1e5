"""Readers for published trace formats: where each has question, thinking and answer. One row per format."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from curation.ask.split import split_thinking
from curation.sources.source import Columns, MissingColumnError, column, optional


@dataclass(frozen=True, slots=True)
class Found:
    """One row of a file: matched to the pool by its question, or by `problem_id` if it has no question."""

    question: str
    thinking: str
    answer: str
    model: str = ""
    finish_reason: str = ""
    problem_id: str = ""


def own(row: Columns) -> Found:
    """This project's traces.jsonl (`server.reasoning.records.Trace`)."""
    identity = column(row, "problem_id")
    return Found("", column(row, "thinking"), optional(row, "answer"), optional(row, "model"), "", identity)


def s1k(row: Columns) -> Found:
    """simplescaling/s1K: the first of its trajectories, or the columns of Gemini's trace."""
    trajectories = row.get("thinking_trajectories")
    if trajectories:
        return Found(column(row, "question"), str(trajectories[0]), column(row, "attempt"), "gemini")
    return Found(
        column(row, "question"),
        column(row, "gemini_thinking_trajectory"),
        column(row, "gemini_attempt"),
        "gemini",
    )


def s1k_1_1(row: Columns) -> Found:
    """simplescaling/s1K-1.1: the columns of DeepSeek-R1's trace."""
    thinking, answer = column(row, "deepseek_thinking_trajectory"), column(row, "deepseek_attempt")
    return Found(column(row, "question"), thinking, answer, "deepseek-r1")


def marked(row: Columns) -> Found:
    """One text with thinking marks (R1, QwQ, Sky-T1): a conversation, or a question and a response."""
    question, text = _turns(row) or (
        column(row, "question", "problem", "prompt", "instruction"),
        _text(row, "response", "generation", "generations", "output", "completion", "code", "answer"),
    )
    thinking, answer = split_thinking(text)
    return Found(question, thinking, answer, optional(row, "model"), optional(row, "finish_reason"))


def s1_chat(row: Columns) -> Found:
    """A whole chat with s1's marks (<|im_start|>think ... <|im_start|>answer).

    Raises:
        MissingColumnError: There is no assistant turn.
    """
    text = column(row, "model_response", "text")
    _, mark, written = text.partition("<|im_start|>assistant\n")
    if not mark:
        raise MissingColumnError("no assistant's turn in the text")
    thinking, answer = split_thinking(written)
    return Found(
        column(row, "problem", "question"), thinking, answer, "", "length" if row.get("truncated") else ""
    )


def zero_eval(row: Columns) -> Found:
    """ZeroEval: JSON in a code fence, often with raw backslashes that JSON parsers refuse."""
    text = _text(row, "output")
    _, mark, tail = text.rpartition('"answer"')
    value = tail.strip().removeprefix(":").strip().rstrip("`\n }").strip()
    if not mark:
        return Found(column(row, "problem"), "", text, optional(row, "generator"))
    answer = value.strip('"').replace("\\\\", "\\")
    return Found(column(row, "problem"), text, f"\\boxed{{{answer}}}", optional(row, "generator"))


def _turns(row: Columns) -> tuple[str, str] | None:
    """The first question and the first answer of `conversations` or `messages`, in either spelling.

    Raises:
        MissingColumnError: One of them is missing.
    """
    turns: Any = row.get("conversations") or row.get("messages")
    if isinstance(turns, str):
        turns = json.loads(turns)
    if not turns:
        return None
    by_role = {str(turn.get("from") or turn.get("role")): turn for turn in reversed(turns)}
    question = by_role.get("user") or by_role.get("human")
    answer = by_role.get("assistant") or by_role.get("gpt")
    if question is None or answer is None:
        raise MissingColumnError(f"no question and answer among the turns of {', '.join(sorted(by_role))}")
    return _content(question), _content(answer)


def _content(turn: Any) -> str:
    return str(turn.get("value") or turn.get("content") or "")


def _text(row: Columns, *names: str) -> str:
    for name in names:
        value = row.get(name)
        if isinstance(value, list) and value:
            return str(value[0])
        if value:
            return str(value)
    raise MissingColumnError(f"no {' or '.join(names)} (it has {', '.join(sorted(row))})")


FORMATS: dict[str, Callable[[Columns], Found]] = {
    "jsonl": own,
    "s1k": s1k,
    "s1k-1.1": s1k_1_1,
    "sky-t1": marked,
    "r1": marked,
    "s1-chat": s1_chat,
    "zeroeval": zero_eval,
}
