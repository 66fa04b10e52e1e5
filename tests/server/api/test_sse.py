"""What fails before the first token is told whole, with its status; what fails later, as the last event."""

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message
from vllm.exceptions import VLLMValidationError

from server.api.responses import Completion, ReasoningField, dump
from server.api.sse import ResponseCompleter
from server.budget.running.report import ThinkingReport
from server.engine.client.call import Call
from server.reasoning.families import FAMILIES

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
COMPLETIONS = "/v1/completions"
STREAM = [(b"content-type", b"text/event-stream; charset=utf-8")]
JSON = [(b"content-type", b"application/json")]
REPORT = ThinkingReport(7, 10, 0, 2, 1, 3, "natural")


class Client:
    """What arrives of a response to `path`; `call` is the engine's part in it."""

    def __init__(self, path: str, call: Call | None = None, *, hides_thinking: bool = False) -> None:
        self.sent: list[Message] = []
        self.call = call or Call()
        self.completion = Completion(
            self.call, ReasoningField("both", FAMILIES["think"]), hides_thinking=hides_thinking
        )

        async def send(message: Message) -> None:
            self.sent.append(message)

        self.completer = ResponseCompleter(send, self.completion, path, self.call)

    def start(self, headers: list[tuple[bytes, bytes]], status: int = 200) -> None:
        self._run({"type": "http.response.start", "status": status, "headers": headers})

    def body(self, body: bytes, *, more: bool = True) -> None:
        self._run({"type": "http.response.body", "body": body, "more_body": more})

    def fail(self, error: Exception) -> None:
        asyncio.run(self.completer.fail(error))

    def _run(self, message: Message) -> None:
        asyncio.run(self.completer(message))

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def text(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = json.loads(self.text)["error"]
        return error


CREATED = b'event: response.created\ndata: {"type":"response.created","sequence_number":0}\n\n'
REFUSED = VLLMValidationError("the reserve does not fit", parameter="thinking_budget.answer_reserve_tokens")


def wrapped(error: Exception) -> RuntimeError:
    """As the framework raises it, once a response has begun."""
    outer = RuntimeError("Caught handled exception, but response already started.")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize("error", [REFUSED, wrapped(REFUSED)])
def test_stream_that_is_refused_before_its_first_token_is_a_400(error: Exception) -> None:
    client = Client(RESPONSES)
    client.start(STREAM)
    client.body(CREATED)
    assert client.sent == []
    client.fail(error)
    assert client.status == 400
    assert client.error["param"] == "thinking_budget.answer_reserve_tokens"
    client.body(b"more that nobody wants")
    assert len(client.sent) == 2


def test_stream_goes_out_from_its_first_token_on_and_nothing_is_lost() -> None:
    client = Client(RESPONSES)
    client.start(STREAM)
    client.body(CREATED)
    client.call.has_output = True
    client.body(b'data: {"type":"x"}\n\n')
    assert client.status == 200
    assert client.text == CREATED + b'data: {"type":"x"}\n\n'


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (RESPONSES, {"type": "error", "code": "InternalServerError", "sequence_number": 1, "param": None}),
        (MESSAGES, {"type": "error"}),
        (CHAT, {}),
    ],
)
def test_stream_that_fails_behind_its_first_token_ends_with_an_error_event(
    path: str, expected: dict[str, Any]
) -> None:
    client = Client(path, Call(has_engine=True, has_output=True))
    client.start(STREAM)
    client.body(CREATED)
    client.fail(wrapped(KeyError("lost")))
    last = json.loads(client.text.split(b"data: ")[-1])
    assert "lost" in json.dumps(last)
    assert expected.items() <= last.items()
    assert client.sent[-1].get("more_body", False) is False


@pytest.mark.parametrize("error", [AttributeError("'int' object has no attribute 'get'"), IndexError("x")])
def test_what_vllm_fails_on_without_the_engine_is_the_requests_fault(error: Exception) -> None:
    client = Client(CHAT)
    client.fail(error)
    assert (client.status, client.error["type"]) == (400, "BadRequestError")


def test_what_fails_in_the_engine_is_the_servers_fault() -> None:
    client = Client(CHAT, Call(has_engine=True))
    client.fail(IndexError("x"))
    assert (client.status, client.error["type"]) == (500, "InternalServerError")


def test_error_event_in_the_place_of_the_first_token_is_an_error_of_that_status() -> None:
    client = Client(CHAT, Call(has_engine=True))
    client.start(STREAM)
    client.body(b'data: {"error":{"message":"no","type":"x","param":"n","code":400}}\n\n')
    client.body(b"data: [DONE]\n\n", more=False)
    assert (client.status, client.error["message"], client.error["param"]) == (400, "no", "n")


ENVELOPES: list[tuple[str, int, dict[str, Any], str]] = [
    (CHAT, 400, {"error": {"message": "m", "type": "Bad Request", "code": 400}}, "BadRequestError"),
    (CHAT, 503, {"error": {"message": "m", "type": "Service Unavailable"}}, "ServiceUnavailableError"),
    (
        MESSAGES,
        400,
        {"type": "error", "error": {"type": "BadRequestError", "message": "m"}},
        "invalid_request_error",
    ),
    (MESSAGES, 400, {"error": {"message": "m", "type": "Bad Request", "code": 400}}, "invalid_request_error"),
    (MESSAGES, 404, {"type": "error", "error": {"type": "NotFoundError", "message": "m"}}, "not_found_error"),
    (MESSAGES, 503, {"error": {"message": "m", "type": "Service Unavailable"}}, "overloaded_error"),
]


@pytest.mark.parametrize(("path", "status", "body", "kind"), ENVELOPES)
def test_an_error_has_one_type_on_each_endpoint_whoever_raised_it(
    path: str, status: int, body: dict[str, Any], kind: str
) -> None:
    client = Client(path, Call(has_engine=True))
    client.start(JSON, status)
    client.body(json.dumps(body).encode(), more=False)
    assert (client.status, client.error["type"], client.error["message"]) == (status, kind, "m")
    assert ("type" in json.loads(client.text)) == (path == MESSAGES)


@pytest.mark.parametrize(
    ("path", "event", "kind"),
    [
        (
            CHAT,
            {"error": {"message": "x", "type": "InternalServerError", "code": 503}},
            "ServiceUnavailableError",
        ),
        (COMPLETIONS, {"error": {"message": "x", "type": "x", "code": 503}}, "ServiceUnavailableError"),
        # vLLM's Anthropic stream fails to read the error event of the chat stream that it is made from.
        (
            MESSAGES,
            {"type": "error", "error": {"type": "internal_error", "message": "x"}},
            "overloaded_error",
        ),
    ],
)
def test_stream_that_a_stopping_server_cuts_off_says_so_in_the_same_words(
    path: str, event: dict[str, Any], kind: str
) -> None:
    client = Client(path, Call(has_engine=True, has_output=True, cut_off="The server is stopping"))
    client.start(STREAM)
    client.body(b'data: {"choices":[]}\n\n')
    client.body(f"data: {json.dumps(event)}\n\n".encode())
    assert json.loads(client.text.split(b"data: ")[-1])["error"] | {"param": None, "code": 503} == {
        "type": kind,
        "message": "The server is stopping",
        "param": None,
        "code": 503,
    }


def test_response_that_a_stopping_server_cuts_off_is_told_the_same() -> None:
    client = Client(RESPONSES, Call(has_engine=True, has_output=True, cut_off="The server is stopping"))
    client.start(STREAM)
    client.body(CREATED)
    client.fail(ValueError("vLLM cannot say it"))
    told = json.loads(client.text.split(b"data: ")[-1])
    assert (told["code"], told["message"]) == ("ServiceUnavailableError", "The server is stopping")


def test_headers_of_an_error_stay() -> None:
    client = Client(CHAT, Call(has_engine=True))
    client.start([*JSON, (b"retry-after", b"5"), (b"content-length", b"1")], 429)
    client.body(b'{"error":{"message":"m","type":"x","code":429}}', more=False)
    headers = dict(client.sent[0]["headers"])
    assert headers[b"retry-after"] == b"5"
    assert headers[b"content-length"] == str(len(client.text)).encode()


DELTAS = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "2: no"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "17"}},
]


@pytest.mark.parametrize("hides", [True, False])
def test_hidden_thinking_leaves_its_block_and_its_signature(hides: bool) -> None:
    client = Client(MESSAGES, Call(has_engine=True, has_output=True), hides_thinking=hides)
    client.start(STREAM)
    for event in DELTAS:
        client.body(f"event: {event['type']}\ndata: ".encode() + dump(event) + b"\n\n")
    assert (b"2: no" in client.text) is not hides
    assert all(word in client.text for word in (b"content_block_start", b'"signature":"s"', b'"text":"17"'))
    assert client.text.count(b"\n\n") == len(DELTAS) - hides


@pytest.mark.parametrize("hides", [True, False])
def test_hidden_thinking_of_a_whole_message_is_empty(hides: bool) -> None:
    client = Client(MESSAGES, Call(has_engine=True), hides_thinking=hides)
    client.start(JSON)
    blocks = [{"type": "thinking", "thinking": "2: no", "signature": "s"}, {"type": "text", "text": "17"}]
    client.body(json.dumps({"type": "message", "content": blocks}).encode(), more=False)
    thinking, text = json.loads(client.text)["content"]
    assert thinking == {"type": "thinking", "thinking": "" if hides else "2: no", "signature": "s"}
    assert text["text"] == "17"


def completion_event(**changes: Any) -> bytes:
    """Of /v1/completions, with a space that nobody who writes JSON anew would keep."""
    choice = {"index": 0, "text": '"finish_reason":null', "finish_reason": None, **changes}
    text = json.dumps({"choices": [choice]}, separators=(",", ":"))
    return f"data: {text[:-1]} }}\n\n".encode()


UNCHANGED = [
    (COMPLETIONS, completion_event()),
    (RESPONSES, b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta"} \n\n'),
    (MESSAGES, b'event: content_block_delta\ndata: {"delta":{"type":"text_delta","text":"1"} }\n\n'),
    (CHAT, b": keep-alive\n\n"),
]
CHANGED = [
    (COMPLETIONS, completion_event(finish_reason="stop")),
    (RESPONSES, b'event: response.completed\ndata: {"type":"response.completed","response":{}}\n\n'),
    (MESSAGES, b'event: message_delta\ndata: {"type":"message_delta","delta":{}}\n\n'),
]


@pytest.mark.parametrize(("path", "event"), [*UNCHANGED, *CHANGED])
def test_event_is_written_anew_only_where_a_report_stands_in_it(path: str, event: bytes) -> None:
    client = Client(path, Call(has_engine=True, has_output=True, reports={0: REPORT}))
    client.start(STREAM)
    client.body(b'data: {"type":"first"}\n\n')
    client.body(event)
    assert client.sent[-1]["body"] == event or b'"thinking":{"tokens":7' in client.text
    assert (client.sent[-1]["body"] == event) is ((path, event) in UNCHANGED)


def test_stream_that_is_written_complete_is_passed_on_but_for_its_errors() -> None:
    client = Client(CHAT, Call(has_engine=True, has_output=True, reports={0: REPORT}))
    client.start(STREAM)
    client.completion.has_written = True
    chunk = b'data: {"choices":[{"index":0,"delta":{"reasoning":"a"},"finish_reason":"stop"}] }\n\n'
    for body in (chunk, chunk, b'data: {"error":{"message":"m","type":"x","code":503}}\n\n'):
        client.body(body)
    first, second, error = (message["body"] for message in client.sent[1:])
    assert (first, second) == (chunk, chunk)
    assert json.loads(error.removeprefix(b"data: "))["error"]["type"] == "ServiceUnavailableError"
