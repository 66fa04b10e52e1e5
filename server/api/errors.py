"""Error envelopes: OpenAI's format, and Anthropic's on its endpoint."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

ANTHROPIC_PATH = "/v1/messages"
_TYPES = {
    400: ("BadRequestError", "invalid_request_error"),
    401: ("AuthenticationError", "authentication_error"),
    429: ("RateLimitError", "rate_limit_error"),
    502: ("BadGatewayError", "api_error"),
    503: ("ServiceUnavailableError", "overloaded_error"),
}


def error_response(
    path: str, status: int, message: str, param: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The error response for a request to `path`; `param` names the field at fault."""
    openai_type, anthropic_type = _TYPES[status]
    if path.startswith(ANTHROPIC_PATH):
        envelope = {"type": "error", "error": {"type": anthropic_type, "message": message}}
    else:
        envelope = {"error": {"message": message, "type": openai_type, "param": param, "code": status}}
    return _PlainJSON(envelope, status, headers)


class _PlainJSON(JSONResponse):
    """JSON in ASCII: an error may quote client text that is not valid Unicode."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode()
