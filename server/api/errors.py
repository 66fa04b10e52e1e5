"""Error envelopes: OpenAI's format, and Anthropic's on its endpoint."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

ANTHROPIC_PATH = "/v1/messages"
_TYPES = {
    400: ("BadRequestError", "invalid_request_error"),
    401: ("AuthenticationError", "authentication_error"),
    403: ("PermissionDeniedError", "permission_error"),
    404: ("NotFoundError", "not_found_error"),
    409: ("ConflictError", "invalid_request_error"),
    413: ("PayloadTooLargeError", "request_too_large"),
    422: ("UnprocessableEntityError", "invalid_request_error"),
    429: ("RateLimitError", "rate_limit_error"),
    500: ("InternalServerError", "api_error"),
    501: ("NotImplementedError", "api_error"),  # vLLM says it of what this model or build cannot do
    502: ("BadGatewayError", "api_error"),
    503: ("ServiceUnavailableError", "overloaded_error"),
}


class RequestError(ValueError):
    """A client's mistake that is no budget's. `field` names what the client wrote, where it is one field."""

    def __init__(self, field: str | None, message: str) -> None:
        super().__init__(message)
        self.field = field


def error_type(path: str, status: int) -> str:
    """The one type of a status, as the clients of `path` know it."""
    nearest = status if status in _TYPES else 400 if status < 500 else 500
    return _TYPES[nearest][path.startswith(ANTHROPIC_PATH)]


def error_response(
    path: str, status: int, message: str, param: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The response to a request of `path`; `param` names the field at fault."""
    kind = error_type(path, status)
    if path.startswith(ANTHROPIC_PATH):
        envelope: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": message}}
    else:
        envelope = {"error": {"message": message, "type": kind, "param": param, "code": status}}
    return _PlainJSON(envelope, status, headers)


class _PlainJSON(JSONResponse):
    """JSON in ASCII: an error may quote client text that is not valid Unicode."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode()
