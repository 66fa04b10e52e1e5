"""The chunks of a streamed chat completion, written once, where vLLM builds them, as a client gets them.

vLLM's stream generator makes a `ChatCompletionStreamResponse` of each output and dumps it. It gets classes of
ours under these names, which dump what the client is to read; the middleware then passes the bytes on.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from json import loads
from json.encoder import encode_basestring as quoted
from types import FunctionType, MethodType
from typing import Any

from starlette.datastructures import State
from vllm.entrypoints.generate.base.protocol import DeltaMessage
from vllm.entrypoints.openai.chat_completion.protocol import (
    ChatCompletionResponseStreamChoice,
    ChatCompletionStreamResponse,
)
from vllm.entrypoints.openai.chat_completion.serving import OpenAIServingChat

from server.api.responses import Completion, dump, split_delta
from server.engine.seams import SeamError

COMPLETION: ContextVar[Completion | None] = ContextVar("s1_completion", default=None)
"""Of the request whose chunks are written."""
PLAIN_CHUNK = frozenset({"id", "object", "created", "choices", "model"})
"""What vLLM gives a chunk that holds a piece of text, and nothing else."""
PLAIN_CHOICE = frozenset({"index", "delta", "logprobs", "finish_reason", "token_ids"})
PLAIN_DELTA = frozenset({"content", "reasoning"})
ANOTHER_EVENT = "\n\ndata: "
"""Between two events that vLLM takes for one."""


class ChunkChoice:
    """In the place of vLLM's ChatCompletionResponseStreamChoice."""

    __slots__ = ("fields",)

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    @property
    def finish_reason(self) -> str | None:
        """vLLM's."""
        reason: str | None = self.fields["finish_reason"]
        return reason

    @property
    def tool_calls(self) -> Any:
        """The delta's, of which vLLM strikes all but the first where a client wants one at a time."""
        return self.fields["delta"].tool_calls

    @tool_calls.setter
    def tool_calls(self, calls: Any) -> None:
        self.fields["delta"].tool_calls = calls


class Chunk:
    """In the place of vLLM's ChatCompletionStreamResponse."""

    __slots__ = ("fields",)

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def __setattr__(self, name: str, value: Any) -> None:
        """What vLLM adds behind the constructor: `usage`, `system_fingerprint`."""
        if name == "fields":
            super().__setattr__(name, value)
        else:
            self.fields[name] = value

    def model_dump_json(self, **options: bool) -> str:
        """The JSON of the event, or of two with ANOTHER_EVENT between them."""
        completion = COMPLETION.get()
        if completion is None:
            return self._vllms().model_dump_json(**options)
        completion.has_written = True
        return _plain(self.fields, completion) or self._any(completion, options)

    def _any(self, completion: Completion, options: Mapping[str, bool]) -> str:
        event = loads(self._vllms().model_dump_json(**options))
        return ANOTHER_EVENT.join(dump(completion.event(part)).decode() for part in split_delta(event))

    def _vllms(self) -> Any:
        choices = [ChatCompletionResponseStreamChoice(**each.fields) for each in self.fields["choices"]]
        return ChatCompletionStreamResponse(**{**self.fields, "choices": choices})


def _plain(fields: Mapping[str, Any], completion: Completion) -> str | None:
    """A chunk of text on its way, which most are; None: it is something else.

    It is what `Chunk._any` would write, without the objects in between.
    """
    choices = fields["choices"]
    if fields.keys() != PLAIN_CHUNK or len(choices) != 1:
        return None
    given = choices[0].fields
    delta = given["delta"]
    if (
        given.keys() != PLAIN_CHOICE
        or given["finish_reason"] is not None
        or given["logprobs"] is not None
        or given["token_ids"] is not None
        or type(delta) is not DeltaMessage
        or not delta.model_fields_set <= PLAIN_DELTA
    ):
        return None
    text = completion.plain_delta(delta.model_fields_set, delta.content, delta.reasoning, quoted)
    if text is None:
        return None
    report = completion.report_so_far(given["index"])
    return (
        f'{{"id":{quoted(fields["id"])},"object":"{fields["object"]}","created":{fields["created"]},'
        f'"model":{quoted(fields["model"])},"choices":[{{"index":{given["index"]},"delta":{text},'
        f'"logprobs":null,"finish_reason":null,"token_ids":null{report}}}]}}'
    )


def write_chunks_once(state: State) -> None:
    """In vLLM's serving class of /v1/chat/completions, where this application has it.

    Raises:
        SeamError: This release of vLLM builds its chunks otherwise.
    """
    serving = getattr(state, "openai_serving_chat", None)
    if serving is not None:
        serving.chat_completion_stream_generator = MethodType(stream_generator(), serving)


def stream_generator() -> Callable[..., Any]:
    """vLLM's stream generator, which makes chunks of ours.

    Raises:
        SeamError: It makes its chunks under other names.
    """
    vllms = OpenAIServingChat.chat_completion_stream_generator
    ours = {"ChatCompletionStreamResponse": Chunk, "ChatCompletionResponseStreamChoice": ChunkChoice}
    for name in ours:
        if name not in vllms.__code__.co_names:
            raise SeamError(f"this release of vLLM streams chat completions without {name}")
    function = FunctionType(
        vllms.__code__, {**vllms.__globals__, **ours}, vllms.__name__, vllms.__defaults__, vllms.__closure__
    )
    function.__kwdefaults__ = vllms.__kwdefaults__
    return function
