"""Separates thinking and answer of a text by the marks of a family."""

from server.reasoning.families import FAMILIES
from server.reasoning.family import cut_at

_CLOSERS = ("<|im_end|>", "<|end_of_solution|>", "<|endoftext|>")


def split_thinking(text: str) -> tuple[str, str]:
    """(thinking, answer).

    Thinking without an end mark leaves the answer empty; without any mark all of the text is the answer.
    """
    for family in FAMILIES.values():
        head, start, rest = cut_at(text, family.starts)
        # The chat template may have opened the thinking in the prompt: then only the end mark is written.
        body = rest if start else head
        thinking, end, answer = cut_at(body, family.ends)
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
