"""What a request gets that fails inside vLLM: one error of one type, in a stream as well as whole.

What fails before the engine had any part in it failed on the request: vLLM reads some of what clients write
without looking, and calls its own surprise a 500.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse
from vllm.entrypoints.serve.exception_handling.error_response import create_error_response
from vllm.logger import init_logger

from server.api.errors import ANTHROPIC_PATH, error_response, error_type
from server.engine.client.call import Call

LOGGER = init_logger("vllm.s1_serve")
RESPONSES_PATH = "/v1/responses"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as a client is told it."""

    status: int
    message: str
    param: str | None = None

    @classmethod
    def of(cls, error: BaseException, call: Call) -> "Failure":
        """Of what vLLM raised; behind the start of a response the framework wraps it once more."""
        if isinstance(error, RuntimeError) and error.__cause__ is not None:
            error = error.__cause__
        told = create_error_response(error if isinstance(error, Exception) else Exception(str(error))).error
        failure = cls(told.code, told.message, told.param).blamed(call)
        if failure.status != told.code:
            LOGGER.warning("vLLM failed on a request that it had not looked at: %r", error, exc_info=error)
        return failure

    def blamed(self, call: Call) -> "Failure":
        """On the request, where the engine said so or never had it; on the server, where it is stopping."""
        if call.cut_off is not None:
            return Failure(503, call.cut_off)
        if self.status != HTTPStatus.INTERNAL_SERVER_ERROR:
            return self
        if call.mistake is not None:
            told = create_error_response(call.mistake).error
            return Failure(told.code, told.message, told.param)
        if call.has_engine:
            return self
        return Failure(
            400, f"this request cannot be read: {self.message or 'its values are wrong'}", self.param
        )

    def response(self, path: str) -> JSONResponse:
        """Whole, in the envelope of the path."""
        return error_response(path, self.status, self.message, self.param)

    def event(self, path: str, events_sent: int) -> dict[str, Any]:
        """As an event of a stream that has begun."""
        if path.startswith(ANTHROPIC_PATH):
            return {
                "type": "error",
                "error": {"type": error_type(path, self.status), "message": self.message},
            }
        if path == RESPONSES_PATH:
            return {
                "type": "error",
                "code": error_type(path, self.status),
                "message": self.message,
                "param": self.param,
                "sequence_number": events_sent,
            }
        return {
            "error": {
                "message": self.message,
                "type": error_type(path, self.status),
                "param": self.param,
                "code": self.status,
            }
        }


def failure_in(body: dict[str, Any], status: int | None) -> Failure | None:
    """The error that a body, or an event, of any endpoint holds; None: it holds none.

    Args:
        body: The JSON.
        status: The response's; None in a stream, where OpenAI's envelope has it, and Anthropic's stands for a
            500.
    """
    error = body.get("error")
    if not isinstance(error, dict):
        return None
    code = status or error.get("code") or (500 if body.get("type") == "error" else None)
    if not isinstance(code, int) or not 400 <= code < 600:
        return None
    param = error.get("param")
    return Failure(code, str(error.get("message", "")), param if isinstance(param, str) else None)
