"""Completes a response: `thinking` on each choice, the reasoning field clients read, exact usage."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from server.budget.running.report import ThinkingReport
from server.engine.client.call import Call
from server.reasoning.family import Family

Json = dict[str, Any]
INLINE = "inline"
RUNNING = b'"finish_reason":null'
"""In the event of a choice that goes on: inside a string a quote has a backslash before it."""
USAGE = b'"usage":{'


def dump(value: Json) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class ReasoningField:
    """Where a message holds the thinking.

    vLLM writes `reasoning`; clients read that, or `reasoning_content`, or the marks in the content.
    """

    name: str
    family: Family | None

    def put(self, message: Json) -> None:
        """Move the thinking of a complete message to the configured field."""
        thinking = message.get("reasoning")
        if not isinstance(thinking, str):
            return
        if self.name == "both":
            message["reasoning_content"] = thinking
        elif self.name == "reasoning_content":
            message["reasoning_content"] = message.pop("reasoning")
        elif self.name == "inline" and self.family is not None:
            del message["reasoning"]
            message["content"] = (
                f"{self.family.start}{thinking}{self.family.end}{message.get('content') or ''}"
            )

    def put_delta(self, delta: Json, began: bool, answers: bool) -> None:
        """Move the thinking of one stream delta to the configured field.

        `began`: an earlier delta of this choice had thinking. `answers`: the answer has begun, in this delta
        or before.
        """
        if self.name != "inline" or self.family is None:
            self.put(delta)
            return
        thinking = delta.pop("reasoning", None)
        if thinking:
            opened = "" if began else self.family.start
            delta["content"] = (
                f"{opened}{thinking}{self.family.end if answers else ''}{delta.get('content') or ''}"
            )
        elif began and answers:
            delta["content"] = f"{self.family.end}{delta.get('content') or ''}"


def split_delta(event: Json) -> list[Json]:
    """Split a stream event whose delta holds both thinking and answer into two events.

    Many clients read only one of the two per chunk. The engine sends both at once when the client reads more
    slowly than tokens are generated.
    """
    choices = event.get("choices")
    mixed = [choice for choice in choices if _is_mixed(choice)] if isinstance(choices, list) else []
    if not mixed:
        return [event]
    thinking = [
        {"index": choice.get("index", 0), "delta": {"reasoning": choice["delta"].pop("reasoning")}}
        for choice in mixed
    ]
    first = {key: value for key, value in event.items() if key != "usage"}
    return [{**first, "choices": [{**each, "finish_reason": None} for each in thinking]}, event]


def _under(preset: str, model: Json) -> Json:
    """A model's card as a client that can set only the model's name chooses the preset."""
    return {**model, "id": f"{model['id']}:{preset}", "parent": model["id"], "thinking_preset": preset}


def _is_mixed(choice: Json) -> bool:
    delta = choice.get("delta")
    return bool(delta and delta.get("reasoning") and (delta.get("content") or delta.get("tool_calls")))


class Completion:
    """Completes the response to one call, whole or event by event.

    Args:
        call: The call, with its reports.
        field: Where thinking stands in a message.
        hides_thinking: Whether the text of thinking is left out of Anthropic's blocks, which vLLM cannot do;
            the blocks stay, with their signatures.
        presets: Their names; a list of models has each model under each, too.
    """

    def __init__(
        self, call: Call, field: ReasoningField, *, hides_thinking: bool = False, presets: Iterable[str] = ()
    ) -> None:
        self.has_written = False
        """Whether the events of this stream are written complete, so that none needs completing."""
        self._call = call
        self._hides_thinking = hides_thinking
        self._presets = tuple(presets)
        # Forced spans are offsets into the thinking text, so it needs a field of its own.
        self._field = replace(field, name="both") if call.detail and field.name == "inline" else field
        self._thinking: set[int] = set()
        """Indices of streamed choices whose thinking has begun and whose answer has not."""

    def whole(self, body: Json) -> Json:
        """Complete a whole response of any endpoint; other bodies pass unchanged."""
        if isinstance(body.get("choices"), list):
            for choice in body["choices"]:
                self._report(choice, self._call.reports)
                if isinstance(message := choice.get("message"), dict):
                    if message.get("content") is None and not message.get("tool_calls"):
                        message["content"] = ""
                    self._field.put(message)
            self._add_usage(body)
        elif body.get("object") == "response" or body.get("type") == "message":
            self._report_only_choice(body)
            if self._hides_thinking:
                for block in body["content"]:
                    if block.get("type") == "thinking":
                        block["thinking"] = ""
        elif body.get("object") == "list":
            models = body.setdefault("data", [])
            for model in models:
                model["thinking_family"] = self._field.family.name if self._field.family else None
            body["data"] = [*models, *(_under(preset, each) for each in models for preset in self._presets)]
        return body

    def plain_delta(
        self,
        given: Collection[str],
        content: str | None,
        reasoning: str | None,
        quoted: Callable[[str], str],
    ) -> str | None:
        """The JSON of a stream's delta that has these two fields or one of them.

        It is as `event` makes it; None where that takes more.
        """
        name = self._field.name
        if name == INLINE or (content and reasoning):
            return None
        parts = []
        if "content" in given:
            parts.append(f'"content":{"null" if content is None else quoted(content)}')
        if reasoning is None:
            if "reasoning" in given:
                parts.append('"reasoning":null')
        else:
            thinking = quoted(reasoning)
            if name != "reasoning_content":
                parts.append(f'"reasoning":{thinking}')
            if name != "reasoning":
                parts.append(f'"reasoning_content":{thinking}')
        return f"{{{','.join(parts)}}}"

    def report_so_far(self, index: int) -> str:
        """`thinking` of a choice that goes on, as JSON behind a comma; nothing without a detailed report."""
        report = self._call.progress.get(index)
        return "" if report is None else f',"thinking":{dump(report.to_json()).decode()}'

    def leaves(self, event: bytes) -> bool:
        """Whether an event of /v1/completions, /v1/responses or /v1/messages is as it should be."""
        if event.startswith(b"data: {"):
            return RUNNING in event and USAGE not in event
        return event.startswith(b"event: response.output_") or (
            event.startswith(b"event: content_block_") and not self._hides_thinking
        )

    def drops(self, event: Json) -> bool:
        """Whether the event is not to be sent at all."""
        delta = event.get("delta")
        return self._hides_thinking and isinstance(delta, dict) and delta.get("type") == "thinking_delta"

    def event(self, event: Json) -> Json:
        """Complete one server-sent event of any endpoint's stream."""
        if isinstance(event.get("choices"), list):
            for choice in event["choices"]:
                ended = choice.get("finish_reason") is not None
                self._report(choice, self._call.reports if ended else self._call.progress)
                if isinstance(delta := choice.get("delta"), dict):
                    self._put_delta(choice, delta)
            self._add_usage(event)
        elif event.get("type") in ("response.completed", "response.incomplete"):
            self._report_only_choice(event["response"])
        elif event.get("type") == "message_delta":
            self._report_only_choice(event)
        return event

    def _put_delta(self, choice: Json, delta: Json) -> None:
        index = choice.get("index", 0)
        began = index in self._thinking
        answers = bool(delta.get("content") or delta.get("tool_calls") or choice.get("finish_reason"))
        if delta.get("reasoning"):
            self._thinking.add(index)
        self._field.put_delta(delta, began, answers)
        if answers:
            self._thinking.discard(index)

    def _report(self, choice: Json, reports: Mapping[int, ThinkingReport]) -> None:
        if (report := reports.get(choice.get("index", 0))) is not None:
            choice["thinking"] = report.to_json()

    def _report_only_choice(self, body: Json) -> None:
        if not self._call.reports:
            return
        body["thinking"] = self._call.reports[max(self._call.reports)].to_json()
        if body.get("type") in ("message", "message_delta") and isinstance(usage := body.get("usage"), dict):
            usage["output_tokens_details"] = {"thinking_tokens": self._call.thinking_tokens}

    def _add_usage(self, body: Json) -> None:
        usage = body.get("usage")
        if isinstance(usage, dict) and self._call.reports:
            details = usage.get("completion_tokens_details") or {}
            usage["completion_tokens_details"] = {**details, "reasoning_tokens": self._call.thinking_tokens}
