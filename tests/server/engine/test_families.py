"""Every family in every kind of tokenizer: the ids of its marks, and the split of its texts."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from vllm.parser.chat_parsing.response_templates import load_response_template
from vllm.reasoning import ReasoningParserManager

from server.budget.plan import Opening, Plan
from server.engine.client.call import CALL, Call
from server.engine.family_tokens import declared_by, family_tokens
from server.engine.reasoning_parser import parser_name
from server.reasoning.families import FAMILIES
from server.reasoning.family import Family
from tests.examples import examples

TURN_END = "<|im_end|>"


def tokenizer(*marks: str, special: bool = False) -> PreTrainedTokenizerFast:
    """Bytes, and these marks as whole tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken("<|im_start|>", special=True), AddedToken(TURN_END, special=True)])
    inner.add_tokens([AddedToken(mark, special=special, normalized=False) for mark in marks])
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=TURN_END)


PIECE = re.compile(r"<[^<>]*>")


def marked_by(family: Family) -> PreTrainedTokenizerFast:
    """A tokenizer with the family's marks as tokens, or of longer ones the pieces; s1's begin with a chat's
    own."""
    if not family.is_detectable:
        return tokenizer()
    pieces = PIECE.findall(f"{family.start}{family.end}{family.transition}")
    return tokenizer(*(dict.fromkeys(pieces) if family.tells else (family.start, family.end)))


PLAIN = tokenizer()
"""Without any mark: bytes write them."""
WRITTEN = {
    **FAMILIES,
    **{
        f"{family.name}, {end}": replace(family, start=start, end=end)
        for family in FAMILIES.values()
        for start in family.starts
        for end in family.ends
        if (start, end) != (family.start, family.end)
    },
}
"""Each family with its marks as they are forced, and as its models may spell them, too."""
FAMILY = pytest.mark.parametrize("family", WRITTEN.values(), ids=WRITTEN)


@FAMILY
def test_marks_that_are_whole_tokens_are_distinct(family: Family) -> None:
    if not family.is_detectable:
        tokens = family_tokens(family, tokenizer(), [])
        assert len(tokens.end) > 1  # "<|im_start|>", then "answer" as ordinary text
        assert tokens.line_breaks
    else:
        tokens = family_tokens(family, marked_by(family), [])
        for ids, mark in ((tokens.start, family.start), (tokens.end, family.end)):
            assert len(ids) == (len(PIECE.sub("x", mark)) if family.tells else 1)
    assert tokens.end_is_distinct is not family.is_spelled_in_many_ways


@FAMILY
def test_steps_are_marked_by_the_token_that_begins_the_delimiter(family: Family) -> None:
    if family.step_mark is not None:
        marked = tokenizer()
        ids = marked.encode(family.step_mark.format(steps=64), add_special_tokens=False)
        end = family_tokens(family, marked, []).end
        assert (ids[0], ids[1] == end[1]) == (end[0], False)


@FAMILY
def test_marks_that_are_ordinary_text_are_not_distinct(family: Family) -> None:
    if family.is_detectable:
        tokens = family_tokens(family, tokenizer(), [])
        assert len(tokens.end) == len(family.end.encode())
        assert not tokens.end_is_distinct


def test_engine_and_tokenizer_ends_are_all_ends_of_turn() -> None:
    marked = tokenizer("<think>", "</think>")
    turn_end = marked.convert_tokens_to_ids(TURN_END)
    assert family_tokens(FAMILIES["think"], marked, [7]).end_of_turn == (7, turn_end)


def test_tool_marks_count_only_as_whole_tokens() -> None:
    assert family_tokens(FAMILIES["think"], tokenizer("<think>", "</think>"), []).tool_call == ()
    offered = tokenizer("<think>", "</think>", "<tool_call>")
    assert len(family_tokens(FAMILIES["think"], offered, []).tool_call) == 1


# -- the split of text -----------------------------------------------------------------------------------

THOUGHTS = st.text(st.sampled_from("ab<>/think \n◁▷[]|"), max_size=30)


def parser(family: Family, marked: PreTrainedTokenizerFast) -> Any:
    """As vLLM makes it."""
    return ReasoningParserManager.get_reasoning_parser(parser_name(family))(marked)


def text_of(family: Family, opening: Opening, thinking: str, answer: str | None) -> str:
    """What a model of this family writes."""
    start = "" if opening is Opening.OPEN else family.start
    return start + thinking + ("" if answer is None else family.end + answer)


def text_ends_within(mark: str, text: str) -> bool:
    """Whether the text breaks off inside a mark: what stands of it is neither thinking nor answer."""
    return any(text.endswith(mark[:n]) for n in range(1, len(mark)))


def in_chunks(ids: Sequence[int], cuts: Sequence[int]) -> list[list[int]]:
    """The ids, cut behind these places."""
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(ids)}), len(ids)]
    return [list(ids[a:b]) for a, b in pairwise(places)]


@FAMILY
@pytest.mark.parametrize("is_text", [False, True], ids=["tokens", "text"])
@settings(max_examples=examples(60))
@given(
    st.sampled_from([Opening.OPEN, Opening.AWAIT, Opening.FORCE]),
    THOUGHTS,
    st.one_of(st.none(), st.text(st.sampled_from("xyz<1 \n"), min_size=1, max_size=20)),
    st.lists(st.integers(1, 80), max_size=12),
)
def test_stream_in_any_pieces_says_what_the_whole_text_says(
    family: Family,
    is_text: bool,
    opening: Opening,
    thinking: str,
    answer: str | None,
    cuts: list[int],
) -> None:
    if (
        family.end in thinking
        or family.start in thinking
        or text_ends_within(family.end, thinking + (answer or ""))
    ):
        return
    marked = PLAIN if is_text else marked_by(family)
    text = text_of(family, opening, thinking, answer)
    token = CALL.set(Call(opening=opening))
    try:
        assert parser(family, marked).extract_reasoning(text, None) == (thinking, answer)
        assert _streamed(family, marked, text, cuts) == (thinking, answer or "")
    finally:
        CALL.reset(token)


def _streamed(family: Family, marked: PreTrainedTokenizerFast, text: str, cuts: list[int]) -> tuple[str, str]:
    """Through vLLM's own stream driver, which hands the answer on once the parser says thinking is over."""
    from vllm.parser import ParserManager

    parser_class = ParserManager.get_parser(reasoning_parser_name=parser_name(family))
    assert parser_class is not None
    driver = parser_class(marked)
    ids = marked.encode(text, add_special_tokens=False)
    request = SimpleNamespace(include_reasoning=True, messages=[], tools=None, tool_choice=None)
    thinking = content = sent = ""
    pieces = in_chunks(ids, cuts)
    done: list[int] = []
    for number, piece in enumerate(pieces):
        done += piece
        now = marked.decode(done)
        if now.endswith("�") and number < len(pieces) - 1:
            continue  # half a character: a detokenizer holds it back
        delta, sent = now[len(sent) :], now
        message = driver.parse_delta(
            delta, piece, request, prompt_token_ids=[1], finished=number == len(pieces) - 1
        )
        if message is not None:
            thinking += message.reasoning or ""
            content += message.content or ""
    return thinking, content


@pytest.mark.parametrize("marked", [PLAIN, tokenizer("<think>", "</think>")], ids=["text", "tokens"])
def test_stream_of_plain_thinking_is_not_read_again_from_its_beginning(
    marked: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_family, text, ids = parser(FAMILIES["think"], marked), "", list[int]()
    token = CALL.set(Call(opening=Opening.OPEN))
    splits: list[str] = []
    split = of_family._split

    def counted(whole: str) -> object:
        splits.append(whole)
        return split(whole)

    monkeypatch.setattr(of_family, "_split", counted)
    try:
        for piece in ("so", " it", " is <", "b>", " that", "</think>4"):
            new = marked.encode(piece, add_special_tokens=False)
            of_family.extract_reasoning_streaming(text, text + piece, piece, ids, [*ids, *new], new)
            text, ids = text + piece, [*ids, *new]
    finally:
        CALL.reset(token)
    # What looks like a mark is read from the beginning, and what comes then.
    begun = ["so it is <", "so it is <b>"] if marked is PLAIN else []
    assert splits == ["so", *begun, text]


@FAMILY
def test_text_of_a_model_that_did_not_think_is_all_answer(family: Family) -> None:
    marked = marked_by(family)
    token = CALL.set(Call(opening=Opening.AWAIT))
    try:
        assert parser(family, marked).extract_reasoning("just so", None) == (None, "just so")
        assert _streamed(family, marked, "just so", [1, 3]) == ("", "just so")
    finally:
        CALL.reset(token)


def test_delimiter_that_began_in_the_prompt_is_split_off() -> None:
    """A thought that was cut within its delimiter, and goes on."""
    family = FAMILIES["sky-t1"]
    begun, rest = family.end[:8], family.end[8:]
    token = CALL.set(Call(opening=Opening.OPEN, begun=begun))
    try:
        assert parser(family, PLAIN).extract_reasoning(f"{rest}4", None) == ("", "4")
        assert parser(family, PLAIN).extract_reasoning("x it", None) == ("x it", None)
        assert _streamed(family, PLAIN, f"{rest}4", [1, 3]) == ("", "4")
        before = tuple(PLAIN.encode(begun, add_special_tokens=False))
        CALL.set(Call(opening=Opening.OPEN, begun=begun, before=before))
        ids = PLAIN.encode(f"{rest}4 and so on", add_special_tokens=False)
        assert parser(family, PLAIN).count_reasoning_tokens(ids) == 0
        assert _streamed(family, PLAIN, f"{rest[:3]} it", [1, 3]) == (f"{rest[:3]} it", "")
    finally:
        CALL.reset(token)


@FAMILY
def test_thinking_is_counted_without_its_marks(family: Family) -> None:
    marked = marked_by(family)
    ids = marked.encode(f"{family.start}abc{family.end}de", add_special_tokens=False)
    assert parser(family, marked).count_reasoning_tokens(ids) == 3


@FAMILY
def test_grammar_begins_behind_the_delimiter(family: Family) -> None:
    marked = marked_by(family)
    of_family = parser(family, marked)
    before = marked.encode(f"{family.start}abc", add_special_tokens=False)
    end = marked.encode(family.end, add_special_tokens=False)
    for cut in range(1, len(end)):
        assert not of_family.is_reasoning_end_streaming([*before, *end[:cut]], end[cut - 1 : cut])
    assert of_family.is_reasoning_end_streaming([*before, *end], end[-1:])
    assert of_family.extract_content_ids([*end, 5, 6]) == [5, 6]


def test_plan_of_a_parser_never_closes_by_itself() -> None:
    plan = Plan(Opening.OPEN, (1,), (2,), True, (3,))
    assert plan.due(10**6, 10**6) is None


def test_marks_that_the_checkpoint_declares_are_split_by_the_parser_of_no_row() -> None:
    marked = tokenizer("<|reason|>", "<|answer|>")
    fields = {"thinking": {"open": "<|reason|>", "close": "<|answer|>"}, "content": {}}
    marked.response_template = {"version": 1, "start_anchor": "x", "fields": fields}
    family = declared_by(marked)
    assert family is not None
    assert load_response_template(marked.response_template).fields["thinking"].open_literals == ["<|reason|>"]
    token = CALL.set(Call(opening=Opening.AWAIT))
    try:
        told = parser(family, marked).extract_reasoning("<|reason|>so<|answer|>4", None)
        assert told == ("so", "4")
    finally:
        CALL.reset(token)
