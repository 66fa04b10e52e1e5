"""A tool call that was cut off (max_tokens) is a tool call, with the arguments so far, whole as in a stream.

vLLM's parsers read a cut call in a stream; of a whole output they take complete ones only, and leave the rest
of it, marks and all, in the content.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from starlette.datastructures import State
from vllm.entrypoints.generate.base.protocol import FunctionCall
from vllm.parser.abstract_parser import DelegatingParser

from server.reasoning.families import FAMILIES

_MARKS = frozenset(mark for family in FAMILIES.values() for mark in family.tool_call)
_SERVINGS = ("openai_serving_chat", "openai_serving_chat_batch", "anthropic_serving_messages")


def read_cut_calls(state: State) -> None:
    """In all of vLLM's serving classes that this application has."""
    for name in _SERVINGS:
        serving = getattr(state, name, None)
        if serving is not None and serving.parser_cls is not None:
            serving.parser_cls = _reading_cut_calls(serving.parser_cls)
    responses = getattr(state, "openai_serving_responses", None)
    if responses is not None and responses.parser is not None:
        responses.parser = _reading_cut_calls(responses.parser)


def _reading_cut_calls(parser: type[Any]) -> type[Any]:
    if not issubclass(parser, DelegatingParser) or issubclass(parser, CutCalls):
        return parser
    return type(parser.__name__, (CutCalls, parser), {})


class CutCalls(DelegatingParser):
    """In front of one of vLLM's parsers."""

    def parse(
        self,
        model_output: str,
        request: Any,
        enable_auto_tools: bool = False,
        model_output_token_ids: Sequence[int] = (),
    ) -> tuple[str | None, str | None, list[FunctionCall] | None]:
        """As the parser behind; where it finds no call in what may be one, as that parser's stream."""
        reasoning, content, calls = super().parse(
            model_output, request, enable_auto_tools, model_output_token_ids
        )
        if calls or not content or not self._may_be_call(content, request):
            return reasoning, content, calls
        said, cut = self._streamed(content, request)
        return reasoning, said or None, cut

    def _may_be_call(self, content: str, request: Any) -> bool:
        if self._tool_parser is None or not request.tools or request.tool_choice == "none":
            return False
        return any(mark in content or _begins_at_end(mark, content) for mark in _MARKS)

    def _streamed(self, content: str, request: Any) -> tuple[str, list[FunctionCall]]:
        fresh = type(self)(self.model_tokenizer, request.tools)
        said, calls, before, ids_before = "", dict[int, FunctionCall](), "", list[int]()
        for text, token in _pieces(self.model_tokenizer, content):
            delta, _ = fresh._extract_tool_calls_streaming(
                before, before + text, text, ids_before, [*ids_before, token], [token], request
            )
            before, ids_before = before + text, [*ids_before, token]
            said += (delta.content or "") if delta else ""
            for call in (delta.tool_calls if delta else None) or ():
                _add(calls, call)
        if calls:
            last = calls[max(calls)]
            last.arguments += fresh._tool_parser.get_remaining_unstreamed_args()
        return said, [calls[index] for index in sorted(calls)]


def _begins_at_end(mark: str, text: str) -> bool:
    """Whether the text was cut inside the mark."""
    return any(text.endswith(mark[:length]) for length in range(1, len(mark)))


def _add(calls: dict[int, FunctionCall], delta: Any) -> None:
    function = delta.function
    call = calls.setdefault(delta.index, FunctionCall(id=delta.id, name="", arguments=""))
    if function is not None:
        call.name += function.name or ""
        call.arguments += function.arguments or ""


def _pieces(tokenizer: Any, text: str) -> Iterator[tuple[str, int]]:
    """Token by token, as it was streamed."""
    ids = tokenizer.encode(text, add_special_tokens=False)
    sent = ""
    for at, token in enumerate(ids, start=1):
        now = tokenizer.decode(ids[:at], skip_special_tokens=False)
        if at < len(ids) and now.endswith("\ufffd"):
            continue
        yield now[len(sent) :], token
        sent = now
