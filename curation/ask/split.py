"""Separates thinking and answer: by the message's fields, or by a family's marks in its text."""

from typing import Any

from curation.ask.request import Reply
from server.reasoning.families import FAMILIES

_CLOSERS = ("<|im_end|>", "<|end_of_solution|>", "<|endoftext|>")


def split_thinking(text: str) -> tuple[str, str]:
    """(thinking, answer).

    Thinking without an end mark leaves the answer empty; without any mark all of the text is the answer.
    """
    for family in FAMILIES.values():
        head, start, rest = text.partition(family.start)
        # The chat template may have opened the thinking in the prompt: then only the end mark is written.
        body = rest if start else head
        thinking, end, answer = body.partition(family.end)
        # Where every message ends by the same mark, it says nothing by itself.
        if end and (start or not family.reopens):
            return thinking.strip(), _strip_marks(answer.removeprefix(family.transition))
        if start:
            return thinking.strip(), ""
    return "", _strip_marks(text)


def _strip_marks(answer: str) -> str:
    """The answer without Sky-T1's solution marks and without end-of-turn marks."""
    answer = answer.replace("<|begin_of_solution|>", "")
    for mark in _CLOSERS:
        answer = answer.partition(mark)[0]
    return answer.strip()


def reply_from(body: Any) -> Reply:
    """Parse an OpenAI chat response.

    Raises:
        KeyError: A field is missing.
        IndexError: There is no choice.
        TypeError: The content is not text.
    """
    choice = body["choices"][0]
    message = choice["message"]
    content = message["content"] or ""
    thinking = message.get("reasoning_content") or message.get("reasoning") or ""
    if not isinstance(content, str) or not isinstance(thinking, str):
        raise TypeError("content is no text")
    answer = content.strip()
    if not thinking:
        thinking, answer = split_thinking(content)
    # s1-serve also reports why the thinking ended; other servers have finish_reason only.
    return Reply(
        thinking.strip(), answer, str(choice.get("finish_reason") or ""), _thinking_tokens(body, choice)
    )


def _thinking_tokens(body: Any, choice: Any) -> int | None:
    report = choice.get("thinking")
    if isinstance(report, dict) and isinstance(report.get("tokens"), int):
        return int(report["tokens"])
    details = (body.get("usage") or {}).get("completion_tokens_details") or {}
    tokens = details.get("reasoning_tokens")
    return tokens if isinstance(tokens, int) else None
