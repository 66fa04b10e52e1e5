"""Where thinking stands in a real prompt: what the product reads off it is what the template has written."""

import re
from collections.abc import Mapping
from functools import cache

from server.budget.plan import Opening
from server.engine.family_tokens import family_tokens
from server.reasoning.families import Family, detect_family
from tests.server.reasoning.chat_templates import EOS, Rendered, rendered, sources


class MarkTokenizer:
    """Marks are tokens, and all other text is one token a character."""

    def __init__(self, marks: list[str]) -> None:
        self._marks = {mark: 0x110000 + n for n, mark in enumerate(marks)}
        longest_first = sorted(marks, key=len, reverse=True)
        self._pieces = re.compile("|".join([*map(re.escape, longest_first), "."]), re.DOTALL)

    @property
    def all_special_ids(self) -> list[int]:
        return [self._marks[EOS]]

    def get_vocab(self) -> Mapping[str, int]:
        return self._marks

    def get_added_vocab(self) -> Mapping[str, int]:
        return self._marks

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        del add_special_tokens
        return [self._marks.get(piece) or ord(piece) for piece in self._pieces.findall(text)]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        return "".join(tokens)


def written(family: Family, one: Rendered) -> Opening:
    """What the text says that the template adds for an answer."""
    opened, closed = one.added.rfind(family.start), one.added.rfind(family.end)
    if opened > closed:
        return Opening.OPEN
    return Opening.CLOSED if closed >= 0 else Opening.AWAIT


@cache
def judged(name: str) -> dict[str, tuple[Opening, Opening]]:
    """By situation and switch: what the template has written, and what is read off the prompt."""
    family, _ = detect_family("", sources()[name], {})
    if family is None:
        return {}
    marks = {
        *(family.tells or (family.start, family.end)),
        *family.end_of_turn,
        *family.assistant,
        *family.tool_call,
    }
    tokenizer = MarkTokenizer([EOS, *sorted(mark for mark in marks if mark in sources()[name])])
    tokens = family_tokens(family, tokenizer, tokenizer.all_special_ids)
    return {
        f"{one.situation}, {one.switch}": (
            written(family, one),
            tokens.opening_of(tokenizer.encode(one.prompt)),
        )
        for one in rendered(name)
    }
