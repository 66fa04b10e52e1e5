"""A request to a chat endpoint, and its reply.

The cache key of a request depends on its content only, not on the endpoint's address or the time.
"""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256

from curation.errors import CurationError


@dataclass(frozen=True, slots=True)
class ModelAddress:
    """A model at an endpoint, written "model@http://host:port/v1"."""

    model: str
    base_url: str


def place_from(text: str) -> ModelAddress:
    """Parse "MODEL@URL".

    Raises:
        CurationError: The text has another form.
    """
    model, separator, url = text.rpartition("@")
    if not separator or not model or not url.startswith(("http://", "https://")):
        raise CurationError(f"{text!r}: write MODEL@URL, as in s1-nano@http://127.0.0.1:8000/v1")
    return ModelAddress(model, url.rstrip("/"))


@dataclass(frozen=True, slots=True)
class Request:
    """A chat request. `sample` distinguishes repeated requests with the same content."""

    model: str
    prompt: str
    system: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    thinking_budget: str = ""
    """The `thinking_budget` field as JSON (an object or a number); empty: not sent."""
    sample: int = 0

    @property
    def key(self) -> str:
        """The SHA-256 of the request's content, in hexadecimal."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def body(self) -> dict[str, object]:
        """The JSON body of the request."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        body: dict[str, object] = {
            "model": self.model,
            "messages": [*system, {"role": "user", "content": self.prompt}],
        }
        options = {"temperature": self.temperature, "max_tokens": self.max_tokens, "seed": self.seed}
        body |= {name: value for name, value in options.items() if value is not None}
        if self.thinking_budget:
            body["thinking_budget"] = json.loads(self.thinking_budget)
        return body


@dataclass(frozen=True, slots=True)
class Reply:
    """The thinking and the answer, separated by the endpoint or by the marks in its text."""

    thinking: str
    answer: str
    finish_reason: str
    thinking_tokens: int | None = None


class UnansweredError(Exception):
    """A request without a usable reply: its row is dropped, the run continues.

    `reason` is the name under which the funnel counts it.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail
