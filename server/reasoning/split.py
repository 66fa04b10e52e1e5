"""Separates thinking and answer of a text by the marks of a family."""

from server.reasoning.families import FAMILIES
from server.reasoning.family import Family, cut_at

_CLOSERS = ("<|im_end|>", "<|end_of_solution|>", "<|endoftext|>")


def split_thinking(text: str) -> tuple[str, str]:
    """(thinking, answer).

    The family is that whose start mark the text begins with; else that whose end mark comes first without a
    start, or whose start mark does. Thinking without an end mark leaves the answer empty; without any mark
    all of the text is the answer.
    """
    found = []
    for family in FAMILIES.values():
        head, start, rest = cut_at(text, family.starts)
        before, bare, _ = cut_at(head, family.ends) if _says_it_alone(family) else (head, "", "")
        if bare:  # the chat template has opened the thinking in the prompt: then only the end mark is written
            found.append((1, len(before), False, before, text[len(before + bare) :]))
        elif start:
            thinking, end, answer = cut_at(rest, family.ends)
            answer = answer.removeprefix(family.transition)
            found.append((2 if head.strip() else 0, len(head), not end, thinking, answer))
    if not found:
        return "", _strip_marks(text)
    *_, thinking, answer = min(found, key=lambda each: each[:3])
    return thinking.strip(), _strip_marks(answer)


def _says_it_alone(family: Family) -> bool:
    """Whether an end mark says something without a start: not where each message ends by it, or in prose."""
    return not family.reopens and not family.end[0].isalpha()


def _strip_marks(answer: str) -> str:
    """The answer without Sky-T1's solution marks and without end-of-turn marks."""
    answer = answer.replace("<|begin_of_solution|>", "")
    for mark in _CLOSERS:
        answer = answer.partition(mark)[0]
    return answer.strip()
