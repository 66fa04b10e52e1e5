"""gpt-oss on its real vocabulary: what the controller makes of scripted tokens, as vLLM's parser reads it."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import xgrammar
from transformers import PreTrainedTokenizerFast
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.parser import ParserManager

from server.budget.budget import ThinkingBudget
from server.budget.plan import Opening
from server.budget.planning.make_plan import PlanContext, make_plan
from server.budget.running.controller import Controller
from server.budget.running.tracker import ThinkingTracker
from server.engine.family_tokens import Encoder, family_tokens, vocabulary_of
from server.reasoning.families import FAMILIES
from tests.server.budget.driving import drive, says
from tests.server.engine.gpt_oss import CALL, PADDING, RETURN, VOCABULARY, harmony_tokenizer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def harmony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PreTrainedTokenizerFast]:
    """gpt-oss' tokenizer, and its vocabulary where openai-harmony looks for it."""
    folder = tmp_path_factory.mktemp("harmony")
    tokenizer = harmony_tokenizer(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_ENCODINGS_BASE", str(folder))
        yield tokenizer


class Talk:
    """A model that says this text, under a budget."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        text: str,
        budget: ThinkingBudget,
        **context: Any,
    ) -> None:
        tokens = family_tokens(FAMILIES["gpt-oss"], tokenizer, [RETURN, PADDING, CALL])
        asked = "<|start|>user<|message|>How many?<|end|><|start|>assistant"
        prompt = tokenizer.encode(asked, add_special_tokens=False)
        encode = Encoder(tokenizer)
        self.plan = make_plan(
            budget, tokens, encode, PlanContext(prompt, 1000, **context), vocabulary_of(tokenizer)
        )
        script = tokenizer.encode(text, add_special_tokens=False)
        self.controller: Controller
        self.out, self.controller = drive(self.plan, says([*script, RETURN]))
        self.out = self.out[: next(n for n, token in enumerate(self.out) if token in (RETURN, CALL, 12)) + 1]
        tracker = ThinkingTracker(self.plan)
        tracker.feed_all(self.out)
        self.tokens, self.end = tracker.tokens, tracker.end
        assert self.tokens == self.controller.tokens


def parsed(
    tokenizer: PreTrainedTokenizerFast, ids: Sequence[int], *, streams: bool = False
) -> tuple[str, str, list[tuple[str, str]]]:
    """Thinking, answer and calls, as vLLM's chat makes them of a whole output or of a stream."""
    kind = ParserManager.get_parser(
        reasoning_parser_name="openai_gptoss",
        tool_parser_name="openai",
        enable_auto_tools=True,
        is_harmony=True,
    )
    assert kind is not None
    request = ChatCompletionRequest(model="m", messages=[{"role": "user", "content": "How many?"}])
    parser, said = kind(tokenizer), [token for token in ids if token not in (RETURN, CALL)]
    if not streams:
        thinking, answer, calls = parser.parse("", request, model_output_token_ids=said)
        return thinking or "", answer or "", [(call.name, call.arguments) for call in calls or ()]
    thinking = answer = name = arguments = ""
    for n, token in enumerate(said):
        delta = parser.parse_delta("", [token], request, finished=n == len(said) - 1)
        if delta is None:
            continue
        thinking, answer = thinking + (delta.reasoning or ""), answer + (delta.content or "")
        for call in delta.tool_calls:
            if call.function is not None:
                name += call.function.name or ""
                arguments += call.function.arguments or ""
    return thinking, answer, [(name, arguments)] if name else []


def thinking_of(text: str) -> str:
    return f"<|channel|>analysis<|message|>{text}<|end|><|start|>assistant"


FINAL = "<|channel|>final<|message|>"
CALLS = '<|channel|>commentary to=functions.count <|constrain|>json<|message|>{"a": 2}<|call|>'
STREAMS = pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])


@STREAMS
def test_the_models_own_messages_pass_as_they_are(harmony: PreTrainedTokenizerFast, streams: bool) -> None:
    talk = Talk(harmony, thinking_of("One and two. Three.") + f"{FINAL}3", ThinkingBudget(max_tokens=50))
    assert parsed(harmony, talk.out, streams=streams) == ("One and two. Three.", "3", [])
    assert talk.tokens == len(harmony.encode("One and two. Three.", add_special_tokens=False))


@STREAMS
def test_a_maximum_leads_to_an_answer(harmony: PreTrainedTokenizerFast, streams: bool) -> None:
    said = "<|channel|>analysis<|message|>One and two is three"
    talk = Talk(harmony, f"{said}, I think", ThinkingBudget(max_tokens=3))
    assert talk.tokens == 3
    thinking, answer, calls = parsed(harmony, talk.out, streams=streams)
    assert (thinking, answer, calls) == ("One and two", " is three, I think", [])


def test_no_thinking_at_all_is_an_empty_block(harmony: PreTrainedTokenizerFast) -> None:
    talk = Talk(harmony, "3", ThinkingBudget(max_tokens=0))
    assert talk.plan.opening is Opening.FORCE
    assert (talk.tokens, parsed(harmony, talk.out)) == (0, ("", "3", []))


@STREAMS
def test_a_wait_goes_on_in_the_same_message(harmony: PreTrainedTokenizerFast, streams: bool) -> None:
    said = "One and two.<|end|> Three.<|end|><|start|>assistant"
    talk = Talk(harmony, f"{said}{FINAL}3", ThinkingBudget(num_waits=1))
    assert parsed(harmony, talk.out, streams=streams) == ("One and two.Wait Three.", "3", [])
    pieces = ("One and two.", "Wait", " Three.")
    assert talk.tokens == sum(len(harmony.encode(each, add_special_tokens=False)) for each in pieces)


@STREAMS
def test_a_call_and_a_second_thought_after_it(harmony: PreTrainedTokenizerFast, streams: bool) -> None:
    talk = Talk(harmony, thinking_of("I count.") + CALLS, ThinkingBudget(max_tokens=50), has_tools=True)
    thinking, answer, calls = parsed(harmony, talk.out, streams=streams)
    assert (thinking, answer) == ("I count.", "")
    assert [(name, json.loads(arguments)) for name, arguments in calls] == [("count", {"a": 2})]


def test_a_maximum_leaves_a_call_possible_and_no_further_thought(harmony: PreTrainedTokenizerFast) -> None:
    again = f"<|channel|>analysis<|message|>One two three<|start|>assistant{CALLS}"
    talk = Talk(harmony, again, ThinkingBudget(max_tokens=2), has_tools=True)
    text = harmony.decode(talk.out)
    assert text.startswith("<|channel|>analysis<|message|>One two<|end|>")
    assert text.count("<|channel|>analysis") == 1
    assert talk.tokens == 2


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
JSON_FINAL = '<|channel|>final <|constrain|>json<|message|>{"n": 3}'


@pytest.fixture(scope="module")
def grammar(harmony: PreTrainedTokenizerFast) -> xgrammar.CompiledGrammar:
    """What vLLM makes of a response_format for this model: a grammar over thinking and answer."""
    asked = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    request = ChatCompletionRequest(
        model="m", messages=[{"role": "user", "content": "How many?"}], response_format=asked
    )
    kind = ParserManager.get_parser(reasoning_parser_name="openai_gptoss", is_harmony=True)
    assert kind is not None
    made = kind(harmony).adjust_request(request).structured_outputs
    assert made is not None
    assert made.structural_tag is not None
    told = xgrammar.TokenizerInfo.from_huggingface(harmony, vocab_size=VOCABULARY, stop_token_ids=[RETURN])
    return xgrammar.GrammarCompiler(told).compile_structural_tag(made.structural_tag)


@pytest.mark.parametrize(
    ("text", "budget", "tokens"),
    [
        (thinking_of("One and two.") + JSON_FINAL, ThinkingBudget(max_tokens=50), 4),
        (
            f"<|channel|>analysis<|message|>One and two.<|start|>assistant{JSON_FINAL}",
            ThinkingBudget(max_tokens=4),
            4,
        ),
        (f"<|start|>assistant{JSON_FINAL}", ThinkingBudget(max_tokens=0), 0),
        ("One.<|end|> Two.<|end|><|start|>assistant" + JSON_FINAL, ThinkingBudget(num_waits=1), 5),
    ],
    ids=["own end", "maximum", "none", "Wait"],
)
def test_every_token_of_a_structured_answer_is_one_of_vllms_grammar(
    harmony: PreTrainedTokenizerFast,
    grammar: xgrammar.CompiledGrammar,
    text: str,
    budget: ThinkingBudget,
    tokens: int,
) -> None:
    """A forced token that the grammar does not have would end the request."""
    talk = Talk(harmony, text, budget, has_structure=True)
    matcher = xgrammar.GrammarMatcher(grammar)
    for n, token in enumerate(talk.out):
        assert matcher.accept_token(token), harmony.decode(talk.out[: n + 1])
    assert talk.tokens == tokens
    assert json.loads(parsed(harmony, talk.out)[1]) == {"n": 3}
