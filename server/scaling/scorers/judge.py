"""A chat model as judge: its prompt, and how its score is parsed."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

MAX_SCORE = 10
PROMPT = """Judge how likely it is that the response below answers the question correctly. Check it step by \
step where that helps. End with a line "Score: N", N a whole number from 0 (certainly wrong) to {best} \
(certainly right).

Question:
{question}

Response:
{response}"""
_SCORE = re.compile(r"Score:\s*\**\s*(\d+(?:\.\d+)?)", re.IGNORECASE)


def prompt_of(conversation: Sequence[Mapping[str, Any]], response: str) -> str:
    """The judge's prompt for a response to this conversation."""
    return PROMPT.format(best=MAX_SCORE, question=text_of(conversation), response=response)


def parse_score(reply: str) -> float:
    """The last score in the judge's reply, as a fraction of MAX_SCORE.

    Raises:
        ValueError: There is no score, or it is above MAX_SCORE.
    """
    scores = _SCORE.findall(reply)
    if not scores:
        raise ValueError(f'no "Score: N" in {reply[-80:]!r}')
    score = float(scores[-1])
    if score > MAX_SCORE:
        raise ValueError(f"the mark {score:g} is above {MAX_SCORE}")
    return score / MAX_SCORE


def text_of(conversation: Sequence[Mapping[str, Any]]) -> str:
    """The text of the conversation's last user message."""
    user_messages = [message for message in conversation if message.get("role") == "user"]
    content = user_messages[-1].get("content") if user_messages else ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text") or "" for part in content or () if isinstance(part, Mapping))
