"""A client's grammar and the marks of thinking: an answer that must spell a mark can never be given."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from vllm.sampling_params import StructuredOutputsParams

from server.reasoning.families import Family


def spelled_mark(asked: StructuredOutputsParams, family: Family) -> tuple[str, str] | None:
    """The field and the mark, where what is asked for spells one; None where it spells none.

    No mark is sampled in an answer, whichever grammar asks for it. Structural tags are vLLM's own, made of
    tools, and are not looked at.
    """
    marks = [mark for mark in (family.start.strip(), family.end) if not family.reopens]
    for name, text in _texts(asked):
        written = text.replace("\\", "")  # a regular expression may escape what stands for itself
        if mark := next((mark for mark in marks if mark in written or mark in text), None):
            return f"structured_outputs.{name}", mark
    return None


def _texts(asked: StructuredOutputsParams) -> Iterator[tuple[str, str]]:
    for name in ("regex", "grammar"):
        if (text := getattr(asked, name)) is not None:
            yield name, text
    yield from (("choice", choice) for choice in asked.choice or ())
    if asked.json is not None:
        yield from (("json", text) for text in _values(_schema(asked.json)))


def _schema(given: str | dict[str, Any]) -> Any:
    """None where it is no JSON, which vLLM refuses in its own words."""
    try:
        return json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return None


def _values(schema: Any) -> Iterator[str]:
    """The texts that a JSON schema asks for, names of properties included."""
    if isinstance(schema, list):
        for each in schema:
            yield from _values(each)
    if not isinstance(schema, Mapping):
        return
    for name, value in schema.items():
        if name in ("const", "enum"):
            yield json.dumps(value, ensure_ascii=False)
        elif name == "pattern" and isinstance(value, str):
            yield value
        elif name == "properties" and isinstance(value, Mapping):
            yield from value
            yield from _values(list(value.values()))
        else:
            yield from _values(value)
