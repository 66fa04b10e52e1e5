"""Readers for published trace formats: where each has question, thinking and answer. One row per format."""

from collections.abc import Callable
from dataclasses import dataclass

from curation.sources.source import Columns, MissingColumnError, column, optional
from server.reasoning.chats import chat_of, replies_of
from server.reasoning.data_sets import QUESTIONS, question_of
from server.reasoning.split import split_thinking


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
    """A conversation, or a question and a response, with thinking in marks or in a field of its own.

    Of several turns the first with thinking.
    """
    found = marked_turns(row)
    return next((one for one in found if one.thinking), found[0])


def marked_turns(row: Columns) -> list[Found]:
    """Every reply of a conversation, with the question before it.

    Raises:
        MissingColumnError: There is no question and answer.
    """
    model, finish_reason = optional(row, "model"), optional(row, "finish_reason")
    messages = chat_of(row)
    if messages is None:
        question = question_of(row)
        if not question:
            raise MissingColumnError(f"no {' or '.join(QUESTIONS)} (it has {', '.join(sorted(row))})")
        thinking, answer = split_thinking(_response(row))
        return [Found(question, thinking, answer, model, finish_reason)]
    replies = [reply for reply in replies_of(messages) if reply.question]
    if not replies:
        roles = sorted({message["role"] for message in messages})
        raise MissingColumnError(f"no question and answer among the turns of {', '.join(roles)}")
    return [Found(one.question, one.thinking, one.answer, model, finish_reason) for one in replies]


def _response(row: Columns) -> str:
    """The response; of OpenR1's graded generations the first that is complete and correct, if any.

    Raises:
        MissingColumnError: There is no response, or not as many marks as generations.
    """
    generations, right = row.get("generations"), row.get("correctness_math_verify")
    if not isinstance(generations, list) or not isinstance(right, list):
        return _text(row, "response", "generation", "generations", "output", "completion", "code", "answer")
    whole = row.get("is_reasoning_complete") or [True] * len(generations)
    if not len(generations) == len(right) == len(whole):
        raise MissingColumnError(
            f"{len(generations)} generations, but {len(right)} and {len(whole)} marks of them"
        )
    graded = zip(generations, right, whole, strict=True)
    return next((str(text) for text, is_right, is_whole in graded if is_right and is_whole), "")


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


def found_in(form: str, row: Columns) -> list[Found]:
    """All traces of a row: a conversation has one for each turn with thinking."""
    if FORMATS[form] is not marked:
        return [FORMATS[form](row)]
    found = marked_turns(row)
    return [one for one in found if one.thinking] or found[:1]
