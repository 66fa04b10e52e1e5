"""Marks that are ordinary text, in real vocabularies: in whatever text they stand, they are found."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from server.budget.budget import BudgetError, ThinkingBudget
from server.budget.plan import FamilyTokens, Opening
from server.budget.planning.make_plan import PlanContext, make_plan
from server.budget.running.tracker import ThinkingTracker
from server.engine.family_tokens import Encoder, bytes_of, family_tokens, vocabulary_of
from server.reasoning.families import FAMILIES
from server.reasoning.family import Family
from server.scaling.marks import Marks
from server.settings import EMBEDDED_MODEL_PATH
from tests.training import real_tokenizers

BEFORE = ("so it is 4", "so it is 4.", "(so)", "so\n", "so\n\n", "so ", '"so"')
BEHIND = ("", "\n", "\n\n", " ", "The answer", "4", ".")
GRANITE = FAMILIES["granite"]
FAMILIES_OF_TEXT = pytest.mark.parametrize(
    "family",
    [
        *(FAMILIES["think"], FAMILIES["sky-t1"], FAMILIES["kimi"], GRANITE),
        replace(GRANITE, start=GRANITE.also_start[0], end=GRANITE.also_end[0]),
    ],
    ids=lambda family: family.end,
)
"""With the marks as a model writes them."""


@pytest.fixture(scope="module")
def qwen() -> PreTrainedTokenizerFast:
    """Qwen2.5's, which has a token for none of these marks."""
    return real_tokenizers.qwen25()


def tokens_of(family: Family, tokenizer: PreTrainedTokenizerFast) -> FamilyTokens:
    return family_tokens(FAMILIES[family.name], tokenizer, [tokenizer.eos_token_id])


def ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False))


@FAMILIES_OF_TEXT
def test_opening_is_read_in_every_context(qwen: PreTrainedTokenizerFast, family: Family) -> None:
    tokens = tokens_of(family, qwen)
    for before in ("<|im_start|>assistant\n", *BEFORE):
        for behind in BEHIND:
            opened = f"{before}{family.start}{behind}"
            assert tokens.opening_of(ids(qwen, opened)) is Opening.OPEN, opened
            closed = f"{opened}{family.end}{behind}"
            assert tokens.opening_of(ids(qwen, closed)) is Opening.CLOSED, closed


@FAMILIES_OF_TEXT
def test_end_is_seen_in_every_context_and_counted_to_the_token(
    qwen: PreTrainedTokenizerFast, family: Family
) -> None:
    tokens = tokens_of(family, qwen)
    plan = make_plan(
        ThinkingBudget(),
        tokens,
        Encoder(qwen),
        PlanContext(ids(qwen, f"<|im_start|>assistant\n{family.start}\n"), 4096),
        vocabulary_of(qwen),
    )
    assert plan.opening is Opening.OPEN
    for before in BEFORE:
        for behind in BEHIND:
            output = ids(qwen, f"{before}{family.end}{behind}")
            tracker = ThinkingTracker(plan)
            for token in output:
                tracker.feed(token)
            assert tracker.end == "natural", (before, behind)
            # Those that say anything of the thinking, by the tokenizer's own account of its text.
            said = [qwen.decode(output[: n + 1]) for n in range(len(output))]
            assert tracker.tokens == 1 + sum(len(text) < len(before) for text in said), (before, behind)
            assert tracker.answer_at == 1 + next(n for n, text in enumerate(said) if family.end in text)


def test_text_that_only_looks_like_a_mark_is_none(qwen: PreTrainedTokenizerFast) -> None:
    tokens = tokens_of(FAMILIES["think"], qwen)
    for text in ("</ think>", "</think", "< /think>", "<thinking>", "</thinking>\n", "x</thinkk>"):
        assert tokens.opening_of(ids(qwen, text)) is Opening.AWAIT, text


def test_marks_that_are_tokens_have_no_tables() -> None:
    qwen3 = real_tokenizers.qwen3()
    assert tokens_of(FAMILIES["think"], qwen3).text is None


@pytest.mark.parametrize("make", [real_tokenizers.qwen25, real_tokenizers.deepseek])
def test_bytes_of_tokens_are_the_text_that_they_decode_to(
    make: Callable[[], PreTrainedTokenizerFast],
) -> None:
    tokenizer = make()
    pieces = bytes_of(tokenizer)
    text = "Ein naïver Text: 木曜日, 😀\n\n\tx </think>\n\n ◁/think▷"
    assert b"".join(pieces[token] for token in ids(tokenizer, text)).decode() == text


def test_bytes_of_s1_nanos_tokens_are_its_text() -> None:
    nano = AutoTokenizer.from_pretrained(str(EMBEDDED_MODEL_PATH))
    pieces = bytes_of(nano)
    text = "No: 391 = 17 * 23.\nWait é</think>\n"
    assert b"".join(pieces[token] for token in ids(nano, text)).decode() == text


def test_mark_that_the_model_may_spell_is_found_as_a_token_and_in_pieces() -> None:
    tokenizer = real_tokenizers.qwen25()
    family = FAMILIES["minimax-m3"]
    tokenizer.add_tokens([family.start, family.end])
    tokens = tokens_of(family, tokenizer)
    assert len(tokens.end) == 1
    pieces = [*ids(tokenizer, "so</mm"), *ids(tokenizer, ":think"), *ids(tokenizer, ">\n\n")]
    start = ids(tokenizer, family.start)
    assert len(start) == 1
    assert tokens.opening_of([*start, *pieces]) is Opening.CLOSED
    assert tokens.opening_of([*start, *pieces[:-1]]) is Opening.OPEN
    assert tokens.opening_of([*start, *tokens.end]) is Opening.CLOSED


@pytest.mark.parametrize(
    ("closed", "kept"), [("so.</think>\n\n", "so.</"), ("so\n</think>", "so\n"), ("so</think>\n", "so")]
)
def test_chain_is_opened_again_before_whatever_tokens_ended_it(
    qwen: PreTrainedTokenizerFast, closed: str, kept: str
) -> None:
    marks = Marks(tokens_of(FAMILIES["think"], qwen), Encoder(qwen), qwen.decode)
    chain = tuple(ids(qwen, closed))
    assert qwen.decode(list(chain[: -marks.delimiter_of(chain)])) == kept


def test_cue_may_hold_no_mark_in_any_spelling(qwen: PreTrainedTokenizerFast) -> None:
    context = PlanContext(ids(qwen, "<|im_start|>assistant\n"), 4096)
    for mark in (*GRANITE.starts, *GRANITE.ends):
        budget = ThinkingBudget(max_tokens=9, end_message=f"\n{mark} 4")
        with pytest.raises(BudgetError, match="a mark of thinking"):
            make_plan(budget, tokens_of(GRANITE, qwen), Encoder(qwen), context, vocabulary_of(qwen))


@pytest.mark.parametrize("start", [*GRANITE.starts, ""])
def test_chain_that_began_with_a_mark_in_any_spelling_is_opened_again(
    qwen: PreTrainedTokenizerFast, start: str
) -> None:
    """Where the prompt opens thinking, a chain has none, and its successor needs none."""
    marks = Marks(tokens_of(GRANITE, qwen), Encoder(qwen), qwen.decode)
    again = marks.reopened(tuple(ids(qwen, f"{start} 2+2 is 4")), "Summary")
    assert qwen.decode(list(again)) == (f"{GRANITE.start}Summary" if start else "Summary")
    assert marks.text_of(tuple(ids(qwen, f"{start} 4.{GRANITE.ends[1]} 4"))) == " 4."
