"""A reply of an endpoint: thinking and answer by the message's fields, or by a family's marks in its text."""

from typing import Any

from curation.ask.request import Reply
from server.reasoning.split import split_thinking


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
