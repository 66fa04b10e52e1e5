"""A chat model as judge: what it is asked, and how its mark is read."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

BEST = 10
PROMPT = """Judge how likely it is that the response below answers the question correctly. Check it step by \
step where that helps. End with a line "Score: N", N a whole number from 0 (certainly wrong) to {best} \
(certainly right).

Question:
{question}

Response:
{response}"""
_MARK = re.compile(r"Score:\s*\**\s*(\d+(?:\.\d+)?)", re.IGNORECASE)


def prompt_of(conversation: Sequence[Mapping[str, Any]], response: str) -> str:
    """The judge's prompt."""
    return PROMPT.format(best=BEST, question=text_of(conversation), response=response)


def judged(said: str) -> float:
    """The last mark in what the judge said, as a share of the best one. Raises ValueError without one."""
    marks = _MARK.findall(said)
    if not marks:
        raise ValueError(f'no "Score: N" in {said[-80:]!r}')
    mark = float(marks[-1])
    if mark > BEST:
        raise ValueError(f"the mark {mark:g} is above {BEST}")
    return mark / BEST


def text_of(conversation: Sequence[Mapping[str, Any]]) -> str:
    """The text of the last message of the user."""
    spoken = [message for message in conversation if message.get("role") == "user"]
    content = spoken[-1].get("content") if spoken else ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or () if isinstance(part, Mapping))
