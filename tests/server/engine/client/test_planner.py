"""A request's plan, for s1-nano as vLLM is configured for it: what is put in, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from vllm.config import ModelConfig
from vllm.exceptions import VLLMValidationError
from vllm.lora.request import LoRARequest
from vllm.sampling_params import SamplingParams, StructuredOutputsParams

from server.budget.budget import ThinkingBudget
from server.budget.plan import UNGOVERNED, Opening, Plan
from server.budget.running.step import Step
from server.engine.client.call import Call
from server.engine.client.planner import Planner
from server.engine.client.segment import Segment
from server.engine.worker.row_registry import PLAN_KEY
from server.reasoning.families import FAMILIES
from server.settings import EMBEDDED_MODEL_PATH


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    return ModelConfig(model=str(EMBEDDED_MODEL_PATH), served_model_name="nano", max_logprobs=3)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(str(EMBEDDED_MODEL_PATH))


@pytest.fixture(scope="module")
def planner(config: ModelConfig, tokenizer: PreTrainedTokenizerBase) -> Planner:
    return Planner(config, tokenizer, FAMILIES["think"])


@pytest.fixture(scope="module")
def stranger(config: ModelConfig, tokenizer: PreTrainedTokenizerBase) -> Planner:
    """Of a model whose family is unknown."""
    return Planner(config, tokenizer, None)


def prompt_of(tokenizer: PreTrainedTokenizerBase, text: str) -> dict[str, Any]:
    """As vLLM's renderer makes it."""
    return {"type": "token", "prompt_token_ids": tokenizer.encode(text, add_special_tokens=False)}


@pytest.fixture
def prompt(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return prompt_of(tokenizer, "<|im_start|>user\n391<|im_end|>\n<|im_start|>assistant\n<think>\n")


EMBEDS = {"type": "embeds", "prompt_embeds": object()}


def test_plan_is_the_calls_budget_in_the_models_ids(
    planner: Planner, tokenizer: PreTrainedTokenizerBase, prompt: dict[str, Any]
) -> None:
    call = Call(budget=ThinkingBudget(max_tokens=40, nudge=("Wait",), num_waits=2), asked=True)
    plan = planner.plan(prompt, SamplingParams(max_tokens=100), call)
    assert plan is not None
    assert (plan.opening, plan.max_tokens, plan.num_waits, plan.room) == (Opening.OPEN, 40, 2, 100)
    assert tokenizer.decode(plan.nudges[0]) == "Wait"
    assert tokenizer.decode(plan.end) == "</think>"


def test_nudges_and_cues_are_encoded_once(
    config: ModelConfig, prompt: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(str(EMBEDDED_MODEL_PATH))
    planner, encode, encoded = Planner(config, tokenizer, FAMILIES["think"]), tokenizer.encode, list[str]()

    def noting(text: str, **options: Any) -> Any:
        encoded.append(text)
        return encode(text, **options)

    monkeypatch.setattr(tokenizer, "encode", noting)

    def plan(budget: ThinkingBudget) -> Plan:
        call = Call(budget=budget, asked=True)
        return _plan(planner, prompt, call)

    first = plan(ThinkingBudget(max_tokens=40))
    assert "Wait" in encoded
    encoded.clear()
    assert replace(plan(ThinkingBudget(max_tokens=40)), steering=first.steering) == first
    plan(ThinkingBudget(max_tokens=40, nudge=("Hmm",)))
    assert encoded == ["Hmm"]


@pytest.mark.parametrize("name", ["s1_plan", "s1_row", "s1_ticket", "s1_of_a_later_version"])
def test_the_servers_own_names_are_refused_from_a_client(name: str) -> None:
    call = Call()
    with pytest.raises(VLLMValidationError, match="server's own") as caught:
        Planner.check_names(SamplingParams(extra_args={name: {}}), call)
    assert caught.value.parameter == call.refused == f"vllm_xargs.{name}"


@pytest.mark.parametrize("call", [Call(asked=True), Call(detail=True)], ids=["asked", "detail"])
def test_budget_is_refused_where_the_family_is_unknown(
    stranger: Planner, prompt: dict[str, Any], call: Call
) -> None:
    with pytest.raises(VLLMValidationError, match="--family"):
        stranger.plan(prompt, SamplingParams(), call)
    assert call.refused == "thinking_budget"
    assert stranger.plan(prompt, SamplingParams(), Call()) is None


def test_budget_is_refused_for_a_prompt_without_tokens_and_nothing_else_is(planner: Planner) -> None:
    with pytest.raises(VLLMValidationError, match="not of embeddings"):
        planner.plan(EMBEDS, SamplingParams(), Call(asked=True))
    assert planner.plan(EMBEDS, SamplingParams(), Call()) is None


def test_budget_that_cannot_be_kept_is_refused_by_its_field(planner: Planner, prompt: dict[str, Any]) -> None:
    call = Call(budget=ThinkingBudget(answer_reserve_tokens=200), asked=True)
    with pytest.raises(VLLMValidationError) as caught:
        planner.plan(prompt, SamplingParams(max_tokens=100), call)
    assert caught.value.parameter == call.refused == "thinking_budget.answer_reserve_tokens"


def test_clients_stops_are_taken_out_and_the_plan_goes_with_the_request(
    planner: Planner, prompt: dict[str, Any]
) -> None:
    params = SamplingParams(
        stop=["\n"], stop_token_ids=[5], extra_args={"theirs": 1}, thinking_token_budget=9
    )
    call = Call()
    plan = _plan(planner, prompt, call)
    assert planner.apply(plan, params, call) == {}
    assert (params.stop, params.stop_token_ids, params.thinking_token_budget) == ([], [], None)
    assert params.extra_args is not None
    assert params.extra_args["theirs"] == 1
    assert Plan.from_wire(params.extra_args[PLAN_KEY], blanks=plan.blanks) == plan
    assert call.opening is Opening.OPEN


@pytest.mark.parametrize("is_chat", [True, False])
def test_grammar_begins_where_thinking_ends(
    planner: Planner, tokenizer: PreTrainedTokenizerBase, is_chat: bool
) -> None:
    """A raw completion that opens no thinking has none: its grammar begins at once."""

    def has_ended(prompt: str) -> bool:
        call = Call(is_chat=is_chat)
        plan = _plan(planner, prompt_of(tokenizer, prompt), call)
        params = SamplingParams(structured_outputs=StructuredOutputsParams(json_object=True))
        return planner.apply(plan, params, call)["reasoning_ended"]

    assert has_ended("<think>") is False
    assert has_ended("<think></think>") is True
    assert has_ended("2 + 2") is not is_chat


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"regex": r"<think>\d+</think> yes"}, "regex"),
        ({"regex": r"<\/think\>"}, "regex"),
        ({"choice": ["yes", "</think>no"]}, "choice"),
        ({"grammar": 'root ::= "<think>" [a-z]+'}, "grammar"),
        ({"json": {"type": "object", "properties": {"a": {"enum": ["x", "</think>"]}}}}, "json"),
        ({"json": '{"anyOf": [{"type": "string", "pattern": "<think>.*"}]}'}, "json"),
    ],
    ids=str,
)
def test_grammar_that_spells_a_mark_is_refused(
    planner: Planner, prompt: dict[str, Any], asked: dict[str, Any], field: str
) -> None:
    call = Call(is_chat=True, grammar_field=f"structured_outputs.{field}")
    params = SamplingParams(max_tokens=90, structured_outputs=StructuredOutputsParams(**asked))
    with pytest.raises(VLLMValidationError, match=r"think>.* marks thinking on this model") as caught:
        planner.plan(prompt, params, call)
    assert caught.value.parameter == call.refused == f"structured_outputs.{field}"


@pytest.mark.parametrize(
    "asked",
    [
        {"json": {"type": "string", "description": "what stood between <think> and </think>"}},
        {"regex": r"think>|</thin"},
        {"json_object": True},
        {"json": '{"enum": ["</think>"'},  # no JSON, which vLLM refuses
        {"choice": ["think", "<thinking>"]},
    ],
    ids=str,
)
def test_grammar_that_only_speaks_of_a_mark_is_none_of_ours(
    planner: Planner, prompt: dict[str, Any], asked: dict[str, Any]
) -> None:
    params = SamplingParams(max_tokens=90, structured_outputs=StructuredOutputsParams(**asked))
    assert planner.plan(prompt, params, Call(is_chat=True)) is not None


def test_segment_gets_no_more_than_it_asks_for_nor_than_the_engine_gives(
    planner: Planner, prompt: dict[str, Any]
) -> None:
    asked = SamplingParams(max_tokens=50, logprobs=None)
    segment = Segment(prefix=(1, 2), max_tokens=20, logprobs=8)
    continued, params = planner.continue_segment(Call(), segment, prompt, asked)
    assert continued["prompt_token_ids"] == [*prompt["prompt_token_ids"], 1, 2]
    assert (params.max_tokens, params.logprobs) == (20, 3)
    assert (asked.max_tokens, asked.logprobs) == (50, None)  # the client's own stay as they were


def test_segment_is_refused_without_tokens_and_a_step_without_thinking(
    planner: Planner, tokenizer: PreTrainedTokenizerBase
) -> None:
    with pytest.raises(VLLMValidationError, match="prompt of tokens"):
        planner.continue_segment(Call(), Segment(), EMBEDS, SamplingParams())
    call = Call(segment=Segment(step=Step(max_tokens=5)))
    with pytest.raises(VLLMValidationError, match="thinking is switched off"):
        planner.plan(prompt_of(tokenizer, "<think></think>"), SamplingParams(max_tokens=90), call)


def test_telemetry_learns_the_adapters_name_and_the_prompt_only_where_it_is_kept(
    config: ModelConfig, tokenizer: PreTrainedTokenizerBase, planner: Planner, prompt: dict[str, Any]
) -> None:
    keeper = Planner(config, tokenizer, FAMILIES["think"], keeps_prompts=True)
    lora = LoRARequest("mine", 1, "/nowhere")
    kept = keeper.info(prompt, None, "r", 2, Call(key_name="alice"), lora)
    assert (kept.model, kept.family, kept.n, kept.key) == ("mine", "think", 2, "alice")
    assert kept.prompt is not None
    assert "391" in kept.prompt
    assert (kept.plan, kept.is_planned) == (UNGOVERNED, False)
    info = planner.info(prompt, None, "r", 1, Call(), None)
    assert (info.model, info.prompt, info.prompt_tokens) == ("nano", None, len(prompt["prompt_token_ids"]))


def test_model_whose_marks_cannot_be_found_is_refused_at_start_up(config: ModelConfig) -> None:
    with pytest.raises(ValueError, match="tokenizer"):
        Planner(config, None, FAMILIES["think"])


def _plan(planner: Planner, prompt: dict[str, Any], call: Call) -> Plan:
    plan = planner.plan(prompt, SamplingParams(max_tokens=400), call)
    assert plan is not None
    return plan
