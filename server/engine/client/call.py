"""One HTTP request's budget on its way to the engine, and the reports on their way back.

It travels in a context variable: vLLM's serving layer, which knows nothing of budgets, stands between.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from server.budget.budget import ThinkingBudget, TokenIds
from server.budget.plan import Opening
from server.budget.running.report import ThinkingReport
from server.engine.client.segment import Segment
from server.keys.meter import Meter
from server.reasoning.ends import End


@dataclass(slots=True)
class Call:
    """What the route read from the request, and a place for what became of it."""

    budget: ThinkingBudget = field(default_factory=ThinkingBudget)
    asked: bool = False
    """Whether the client, or the server's default, set any budget."""
    is_clamped: bool = False
    """Whether the server's ceiling cut the client's maximum."""
    is_governed: bool = True
    """Whether a plan is made for it: not where a token is asked for that is no text."""
    has_tools: bool = False
    grammar_field: str = "structured_outputs"
    """What asked for a grammar, where anything did."""
    has_beams: bool = False
    """Beam search: many engine requests of one token each, which have no single sequence of thinking."""
    is_chat: bool = False
    """Whether thinking and answer are split in the response (not on /v1/completions)."""
    continues_answer: bool = False
    """Whether the prompt ends inside the answer (`continue_final_message`)."""
    resumed: str | None = None
    """A thought that was cut, and is to go on after the prompt."""
    insists: str | None = None
    """The field by which the client asked for more thinking than the model's own."""
    detail: bool = False
    """Whether reports have forced spans, and the chunks of a stream have the report so far."""
    returns_tokens: bool = False
    """Whether the response has token ids (`return_token_ids`), and reports the positions among them."""
    segment: Segment | None = None
    """Set where the server itself makes the request, for scaling."""
    parent: "Call | None" = None
    """The client's call that such a request is part of."""
    ended_by: End | None = None
    """What ended the thinking of all requests that are made for this call, later ones included."""
    refused: str | None = None
    """The field that the engine refused, where it refused the budget."""
    opening: Opening | None = None
    """Where thinking stood in the prompt; set when the request is planned."""
    before: TokenIds = ()
    """The prompt's last tokens, as far as they begin a mark of ordinary text; set when it is planned."""
    begun: str = ""
    """What of a delimiter they say."""
    start: str | None = None
    """What opens thinking, where it is not the family's own mark; set when the request is planned."""
    body_bytes: int = 0
    """The size of the client's request."""
    previous_response_id: str | None = None
    """The response that it goes on from (/v1/responses)."""
    key_name: str | None = None
    """The name of the API key that it came with."""
    meter: Meter | None = None
    """That key's, where it has a quota."""
    has_engine: bool = False
    """Whether the engine has, or had, any part of it: what fails before failed on the request."""
    has_output: bool = False
    """Whether a token has come."""
    mistake: Exception | None = None
    """The client's, as the engine found it: not every stream of vLLM's passes it on as it is."""
    cut_off: str | None = None
    """In words for its client, why the server ended it."""
    state: Mapping[str, Any] = field(default_factory=dict)
    """The HTTP request's, in which vLLM's serving layer leaves the id that the response will have."""
    weights: int | None = None
    """The version of the weights that its first request met; it is answered with no other."""
    prompts: int = 0
    """How many prompts were handed to the engine so far (/v1/completions takes several)."""
    reports: dict[int, ThinkingReport] = field(default_factory=dict)
    """By choice index: prompt by prompt, the n choices of each."""
    progress: dict[int, ThinkingReport] = field(default_factory=dict)
    """By choice index: how far a choice that still runs has come; kept up only where `detail` is set."""

    @property
    def request_id(self) -> str | None:
        """The response's `id`; None before vLLM has made one."""
        if self.segment is not None:
            return self.segment.response_id
        return getattr(self.state.get("request_metadata"), "request_id", None)

    @property
    def thinking_tokens(self) -> int:
        """All choices together."""
        return sum(report.tokens for report in self.reports.values())


CALL: ContextVar[Call | None] = ContextVar("s1_call", default=None)
