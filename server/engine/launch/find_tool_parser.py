"""Finds vLLM's parser for the tool calls of the model that is about to be served.

It is the one that reads back the call that the model's own chat template writes: that is how the model was
taught to write one.
"""

import json
import logging
import re
from argparse import Namespace
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.renderers.chat_utils import load_chat_template
from vllm.tool_parsers import ToolParser, ToolParserManager
from vllm.utils.mistral import is_mistral_tokenizer

from server.engine.launch.find_family import tokenizer_of
from server.reasoning.family import Family

BY_FAMILY = {"gpt-oss": "openai"}
"""Whose calls vLLM reads off token ids."""
PARSERS = (
    *("mistral", "deepseek_v31", "deepseek_v3", "deepseek_v4", "deepseek_v32", "kimi_k2", "kimi_k3"),
    *("minimax_m2", "minimax_m3", "gemma4", "functiongemma", "cohere_command3", "cohere_command4", "longcat"),
    *("hy_v3", "hy_v4", "step3", "muse_glimmer", "inkling", "k2_horizon", "gigachat3", "plamo3", "apertus"),
    *("hermes", "qwen3_coder", "glm45", "lfm2", "olmo3", "minicpm5", "internlm", "jamba", "llama3_json"),
    *("hunyuan_a13b", "granite", "phi4_mini_json", "xlam", "pythonic", "llama4_pythonic"),
)
"""In the order in which they are tried: where several read a call, the first is made for it."""
_WORDS, _TIMES = "plain words", 3
_ARGUMENTS: dict[str, Any] = {"words": _WORDS, "times": _TIMES}
_NAME = "look_up"
_IDS = ("call00001", f"functions.{_NAME}:0")
"""Mistral's templates want nine letters and digits; Kimi's write the id alone, which names the function."""
_TOOL = {
    "type": "function",
    "function": {
        "name": _NAME,
        "description": "Look words up.",
        "parameters": {
            "type": "object",
            "properties": {"words": {"type": "string"}, "times": {"type": "integer"}},
            "required": ["words", "times"],
        },
    },
}
_QUESTION = {"role": "user", "content": "Please."}


def tool_flags(family: Family | None, arguments: Namespace) -> tuple[list[str], bool]:
    """The vLLM flags for the model's tool calls, by the user's parser if there is one.

    Where none reads them, a call that the client insists on is still held by a grammar, for which vLLM wants
    some parser to be on, and a model that is to call nothing is not shown the tools.

    Returns:
        The flags, to be appended to the user's, and whether the calls are read.
    """
    if arguments.enable_auto_tool_choice:
        return [], True
    if parser := arguments.tool_call_parser or find_tool_parser(family, arguments):
        return ["--enable-auto-tool-choice", "--tool-call-parser", parser], True
    any_parser = ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    return [*any_parser, "--exclude-tools-when-tool-choice-none"], False


def find_tool_parser(family: Family | None, arguments: Namespace) -> str | None:
    """Its name; None without a tokenizer, and where the template writes no call that a parser reads."""
    if family is not None and family.name in BY_FAMILY:
        return BY_FAMILY[family.name]
    if arguments.skip_tokenizer_init:
        return None
    try:
        tokenizer = tokenizer_of(arguments)
    except ValueError:  # without budgets a model is served all the same
        return None
    if is_mistral_tokenizer(tokenizer):
        return "mistral"
    template = load_chat_template(arguments.chat_template)
    return parser_of(list(calls_of(tokenizer, template)), tokenizer)


def parser_of(calls: Sequence[str], tokenizer: Any) -> str | None:
    """The first parser that reads one of these calls whole and a token at a time; else, whole."""
    logging.disable(logging.CRITICAL)  # a parser that is made for other calls says so, with its traceback
    try:
        pairs = [(name, written) for written in calls for name in PARSERS]
        whole = [pair for pair in pairs if reads(*pair, tokenizer)]
        streams = (name for name, written in whole if reads(name, written, tokenizer, streams=True))
        return next(streams, whole[0][0] if whole else None)
    finally:
        logging.disable(logging.NOTSET)


def calls_of(tokenizer: Any, template: str | None = None) -> Iterator[str]:
    """What the template writes for an assistant's call, in each form of a call that it may want.

    With the end of the turn and without it, as a parser gets it. `template` stands in for the tokenizer's.
    """
    ends = "|".join(map(re.escape, getattr(tokenizer, "all_special_tokens", None) or ["\n"]))
    for arguments, content, name in product((_ARGUMENTS, json.dumps(_ARGUMENTS)), (None, ""), _IDS):
        call = {"id": name, "type": "function", "function": {"name": _NAME, "arguments": arguments}}
        turn = {"role": "assistant", "content": content, "tool_calls": [call]}
        try:
            whole = _rendered(tokenizer, template, [_QUESTION, turn], prompts=False)
            before = [_rendered(tokenizer, template, [_QUESTION], prompts=each) for each in (True, False)]
        except Exception:  # noqa: BLE001 - a template refuses a form in whatever way it likes
            continue
        said = next((whole.removeprefix(each) for each in before if whole.startswith(each)), whole)
        if _NAME in said and _WORDS in said:
            yield from dict.fromkeys((said, re.sub(rf"(\s|{ends})+$", "", said)))


def _rendered(tokenizer: Any, template: str | None, messages: list[dict[str, Any]], *, prompts: bool) -> str:
    given = {} if template is None else {"chat_template": template}
    return str(
        tokenizer.apply_chat_template(
            messages, tools=[_TOOL], add_generation_prompt=prompts, tokenize=False, **given
        )
    )


def reads(name: str, written: str, tokenizer: Any, *, streams: bool = False) -> bool:
    """Whether this parser finds the one call in it, to the argument; if it streams, a token at a time."""
    request = ChatCompletionRequest(model="", messages=[_QUESTION], tools=[_TOOL], tool_choice="auto")
    try:
        parser = ToolParserManager.get_tool_parser(name)(tokenizer, request.tools)
        if streams:
            return _is_the_call(_streamed(parser, written, request))
        found = parser.extract_tool_calls(written, request=request).tool_calls
        return _is_the_call([call.function for call in found])
    except Exception:  # noqa: BLE001 - a parser that is made for other marks raises anything
        return False


def _is_the_call(found: Sequence[Any]) -> bool:
    names = [each.name for each in found if each.name]
    return names == [_NAME] and json.loads("".join(each.arguments or "" for each in found)) == _ARGUMENTS


def _streamed(parser: ToolParser, written: str, request: ChatCompletionRequest) -> list[Any]:
    """The parts of calls that come, in their order."""
    tokens = parser.model_tokenizer.encode(written, add_special_tokens=False)
    before, calls = "", list[Any]()
    for at in range(len(tokens)):
        text = parser.model_tokenizer.decode(tokens[: at + 1])
        said = parser.extract_tool_calls_streaming(
            before, text, text[len(before) :], tokens[:at], tokens[: at + 1], tokens[at : at + 1], request
        )
        calls += [call.function for call in said.tool_calls] if said is not None else []
        before = text
    return calls
