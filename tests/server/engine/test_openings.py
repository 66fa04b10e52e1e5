"""Where thinking stands in a real prompt: what the product reads off it is what the template has written."""

import re
from collections.abc import Mapping

import pytest

from server.budget.plan import Opening
from server.engine.family_tokens import family_tokens
from server.reasoning.families import detect_family
from server.reasoning.family import Family
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


def judged(name: str) -> dict[str, tuple[Opening, Opening]]:
    """By situation and switch: what the template has written, and what is read off the prompt."""
    source = sources()[name]
    family, _ = detect_family("", source, {})
    if family is None:
        return {}
    marks = {
        *(family.tells or (family.start, family.end)),
        *family.end_of_turn,
        *family.assistant,
        *family.tool_call,
    }
    tokenizer = MarkTokenizer([EOS, *sorted(mark for mark in marks if mark in source)])
    tokens = family_tokens(family, tokenizer, tokenizer.all_special_ids)
    return {
        one.situation: (written(family, one), tokens.opening_of(tokenizer.encode(one.prompt)))
        for one in rendered(name)
    }


POPULAR = (
    *("Qwen-Qwen3-0.6B", "Qwen-Qwen3-4B-Thinking-2507", "Qwen-Qwen3.5-0.8B", "deepseek-ai-DeepSeek-V3.1"),
    *("mistralai-Ministral-3-14B-Reasoning-2512", "google-gemma-4-26B-A4B-it", "google-gemma-4-E4B-it"),
    *("MiniMaxAI-MiniMax-M3-MXFP8", "moonshotai-Kimi-K2-Thinking", "ByteDance-Seed-OSS", "Cohere2MoE"),
    *("meituan-longcat-LongCat-2.0", "upstage-Solar-Open2-250B", "LGAI-EXAONE-EXAONE-4.0-32B"),
    *("LGAI-EXAONE-EXAONE-Deep-7.8B", "swiss-ai-Apertus-8B-Instruct-2509", "inclusionAI-Ring-1T"),
    *("trl-muse_glimmer", "ibm-granite-granite-speech-3.2-8b", "ServiceNow-AI-Apriel-1.6-15b-Thinker"),
    *("RekaAI-reka-flash-3", "trl-qwen3_8", "trl-nemotron_3_ultra", "trl-gemma4_v5", "trl-glm4moe"),
)

NOT_READ = {"llama-cpp-rwkv-world": "{{- 'Assistant:' -}}"}
"""Templates of which some openings are not read right, each with the line of it that says why: a header of
ordinary text, so that marks in a user's question stand in the assistant's turn."""


def wrong(name: str) -> dict[str, tuple[Opening, Opening]]:
    return {situation: pair for situation, pair in judged(name).items() if pair[0] is not pair[1]}


@pytest.mark.parametrize("name", POPULAR)
def test_opening_of_a_popular_template_is_read_right(name: str) -> None:
    assert judged(name)
    assert wrong(name) == {}


@pytest.mark.slow
def test_openings_of_all_templates_are_read_right_but_for_what_is_explained() -> None:
    found = {name: wrong(name) for name in sources()}
    assert sum(map(len, map(judged, sources()))) > 9_000
    assert {name for name, pairs in found.items() if pairs} <= NOT_READ.keys()
    for name, line in NOT_READ.items():
        assert line in sources()[name]
