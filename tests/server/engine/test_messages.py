"""Families whose answers are written with tokens of their thinking marks: gpt-oss, Inkling, Muse, Kimi K3."""

from dataclasses import replace
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from vllm.config import ModelConfig
from vllm.exceptions import VLLMValidationError
from vllm.renderers.inkling_encoding import SPECIAL_TOKEN_SPELLINGS, render_inkling_messages
from vllm.sampling_params import SamplingParams, StructuredOutputsParams

from server.budget.budget import ThinkingBudget
from server.budget.plan import FamilyTokens, Opening, Plan
from server.budget.planning.make_plan import PlanContext, make_plan
from server.budget.running.tracker import ThinkingTracker
from server.engine.chat_template import variables_of
from server.engine.client.call import Call
from server.engine.client.planner import Planner
from server.engine.family_tokens import Encoder, family_tokens, vocabulary_of
from server.reasoning.families import FAMILIES
from server.settings import EMBEDDED_MODEL_PATH
from tests.server.budget.driving import drive, says
from tests.server.engine.test_families import marked_by, tokenizer
from tests.server.reasoning.chat_templates import SITUATIONS

GPT_OSS, INKLING, MUSE, KIMI = (FAMILIES[name] for name in ("gpt-oss", "inkling", "muse", "kimi-k3"))
BY_MESSAGES = pytest.mark.parametrize("name", ["gpt-oss", "inkling", "muse", "kimi-k3"])


def marks_of(name: str) -> tuple[FamilyTokens, PreTrainedTokenizerFast]:
    family = FAMILIES[name]
    marked = marked_by(replace(family, tells=("x",)))  # each part in angle brackets is a token
    return family_tokens(family, marked, [marked.eos_token_id]), marked


def plan_of(name: str, budget: ThinkingBudget, prompt: str = "", **context: Any) -> Plan:
    tokens, marked = marks_of(name)
    ids = marked.encode(prompt, add_special_tokens=False)
    return make_plan(budget, tokens, Encoder(marked), PlanContext(ids, 400, **context), vocabulary_of(marked))


@BY_MESSAGES
def test_answer_may_have_every_token_of_the_marks_but_no_further_thinking(name: str) -> None:
    """A message that ends, and another one of another kind, between the thinking and a second thought."""
    family = FAMILIES[name]
    _, marked = marks_of(name)
    ids = marked.encode(f"{family.start}so4{family.end}{family.start}on", add_special_tokens=False)
    plan = plan_of(name, ThinkingBudget(max_tokens=2))
    out, controller = drive(plan, says(ids))
    said = f"{family.start}so{family.end}{family.transition}4{family.end}"
    text = marked.decode(out)
    assert text.startswith(said)
    assert family.start not in text.removeprefix(said)
    assert controller.tokens == 2
    tracker = ThinkingTracker(plan)
    for token in out:
        tracker.feed(token)
    assert (tracker.tokens, tracker.end) == (2, controller.end)


@BY_MESSAGES
def test_several_thoughts_count_where_the_model_has_them_and_else_there_is_one(name: str) -> None:
    family = FAMILIES[name]
    _, marked = marks_of(name)
    said = f"{family.start}so{family.end}{family.transition}4{family.end}{family.start}on{family.end}"
    ids = marked.encode(said, add_special_tokens=False)
    out, controller = drive(plan_of(name, ThinkingBudget(max_tokens=90)), says(ids))
    assert controller.tokens == (4 if family.reopens else 2)
    assert (marked.decode(out[: len(ids)]) == said) is family.reopens


@BY_MESSAGES
def test_forced_close_leads_to_the_answer_and_where_tools_are_offered_to_none(name: str) -> None:
    family = FAMILIES[name]
    _, marked = marks_of(name)
    ids = marked.encode(f"{family.start}abcdef", add_special_tokens=False)
    budget = ThinkingBudget(max_tokens=3)
    for has_tools, way in ((False, family.transition), (True, "")):
        out, _ = drive(plan_of(name, budget, has_tools=has_tools), says(ids))
        assert marked.decode(out).startswith(f"{family.start}abc{family.end}{way}")


@pytest.mark.parametrize("name", ["kimi-k3", "gpt-oss"])
def test_grammar_that_begins_right_behind_thinking_has_no_header_forced_before_it(name: str) -> None:
    """As vLLM 0.32's parsers have it: Kimi K3's grammar has no header, gpt-oss' writes one of its own."""
    assert plan_of(name, ThinkingBudget(max_tokens=3), has_structure=True).transition == ()
    assert plan_of("inkling", ThinkingBudget(max_tokens=3), has_structure=True).transition != ()


@BY_MESSAGES
def test_where_a_grammar_begins_is_left_to_vllms_own_parser(name: str) -> None:
    config = ModelConfig(model=str(EMBEDDED_MODEL_PATH), served_model_name="nano")
    nano = AutoTokenizer.from_pretrained(str(EMBEDDED_MODEL_PATH))
    planner = Planner(config, nano, replace(FAMILIES[name], has_grammar=True))
    prompt = {"type": "token", "prompt_token_ids": nano.encode("391", add_special_tokens=False)}
    asked = SamplingParams(max_tokens=90, structured_outputs=StructuredOutputsParams(json={"type": "object"}))
    call = Call(is_chat=True)
    plan = planner.plan(prompt, asked, call)
    assert plan is not None
    assert plan.opening is Opening.AWAIT  # the header of the model's message says whether it thinks
    assert planner.apply(plan, asked, call) == {}


def test_marks_fork_from_an_answer_where_they_differ() -> None:
    assert marks_of("gpt-oss")[0].forks_at == 1
    assert marks_of("inkling")[0].forks_at == 0
    muse, marked = marks_of("muse")
    assert marked.decode(muse.start[: muse.forks_at]) == " to="
    assert marks_of("kimi-k3")[0].forks_at == 1
    ordinary = tokenizer("<think>", "</think>")
    assert family_tokens(FAMILIES["think"], ordinary, []).forks_at is None
    plamo = tokenizer("<|plamo:begin_", "<|plamo:end_", ":plamo|>")  # its other marks begin so, too
    assert family_tokens(FAMILIES["plamo3"], plamo, []).forks_at == 2  # bytes: "think" and "tool" share one
    begins, ends = (plamo.convert_tokens_to_ids(f"<|plamo:{part}_") for part in ("begin", "end"))
    assert plamo.encode("<|plamo:begin_tool", add_special_tokens=False)[0] == begins != ends


KIMI_ASKED = (
    '<|open|>message role="user"<|sep|>What is <|open|>think<|sep|>?<|close|>message<|sep|><|end_of_msg|>'
)


@pytest.mark.parametrize(
    ("behind", "opening"),
    [("think", Opening.OPEN), ("response", Opening.CLOSED), ("tools", Opening.AWAIT)],
)
def test_prompt_of_kimi_k3_opens_thinking_or_its_response(behind: str, opening: Opening) -> None:
    """As llama.cpp's Kimi-K3.jinja and vLLM's tests have it, `thinking` on and off."""
    marked = tokenizer("<|open|>", "<|close|>", "<|sep|>", "<|end_of_msg|>")
    tokens = family_tokens(KIMI, marked, [marked.eos_token_id])
    header = f'<|open|>message role="assistant"<|sep|><|open|>{behind}<|sep|>'
    assert tokens.opening_of(marked.encode(KIMI_ASKED + header, add_special_tokens=False)) is opening


class InklingTokenizer:
    """As vLLM's renderer for Inkling wants one."""

    def __init__(self) -> None:
        self.marked = tokenizer(*SPECIAL_TOKEN_SPELLINGS)

    def encode_text(self, text: str) -> list[int]:
        return list(self.marked.encode(text, add_special_tokens=False))

    def encode_special(self, token: str) -> int:
        return int(self.marked.convert_tokens_to_ids(token))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_prompt_of_vllms_renderer_for_inkling_leaves_thinking_to_the_model(situation: str) -> None:
    inkling = InklingTokenizer()
    tokens = family_tokens(INKLING, inkling.marked, [])
    ids = render_inkling_messages(SITUATIONS[situation], inkling, reasoning_effort=0.9)
    assert tokens.opening_of(ids) is Opening.AWAIT
    assert tokens.opening_of([*ids, *tokens.start]) is Opening.OPEN
    assert tokens.opening_of([*ids, *tokens.header]) is Opening.CLOSED


@pytest.mark.parametrize(
    ("name", "efforts"), [("kimi-k3", {"low", "high", "max"}), ("k2-horizon", {"high"}), ("inkling", None)]
)
def test_efforts_of_a_renderer_without_a_template_are_the_rows(name: str, efforts: set[str] | None) -> None:
    assert variables_of(object(), None, FAMILIES[name]).efforts == efforts


def test_structured_answer_that_vllms_parser_does_not_enforce_is_refused() -> None:
    config = ModelConfig(model=str(EMBEDDED_MODEL_PATH), served_model_name="nano")
    nano = AutoTokenizer.from_pretrained(str(EMBEDDED_MODEL_PATH))
    prompt = {"type": "token", "prompt_token_ids": nano.encode("391", add_special_tokens=False)}
    call = Call(is_chat=True, grammar_field="response_format")
    asked = SamplingParams(max_tokens=90, structured_outputs=StructuredOutputsParams(json={"type": "object"}))
    with pytest.raises(VLLMValidationError, match="muse_glimmer enforces no structured answer"):
        Planner(config, nano, MUSE).plan(prompt, asked, call)
    assert call.refused == "response_format"
    assert Planner(config, nano, FAMILIES["think"]).plan(prompt, asked, Call(is_chat=True)) is not None
