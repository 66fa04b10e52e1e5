"""A client's grammar that no answer can keep: it spells a mark of thinking, or fails in the engine."""

import json
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from vllm.exceptions import VLLMValidationError
from vllm.sampling_params import StructuredOutputsParams

from server.reasoning.family import Family


def spelled_mark(asked: StructuredOutputsParams, family: Family) -> str | None:
    """The mark that what is asked for spells; None where it spells none.

    No mark is sampled in an answer, whichever grammar asks for it. Structural tags are vLLM's own, made of
    tools, and are not looked at.
    """
    marks = [] if family.transition else [*(start.strip() for start in family.starts), *family.ends]
    for text in _texts(asked):
        written = text.replace("\\", "")  # a regular expression may escape what stands for itself
        if mark := next((mark for mark in marks if mark in written or mark in text), None):
            return mark
    return None


def _texts(asked: StructuredOutputsParams) -> Iterator[str]:
    yield from (text for text in (asked.regex, asked.grammar) if text is not None)
    yield from asked.choice or ()
    if asked.json is not None:
        yield from _values(_schema(asked.json))


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


class GrammarError(VLLMValidationError):
    """A client's grammar failed in the engine (a 400). `field` is where the client wrote it."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"the answer's grammar in {field} cannot be followed: {why}", parameter=field)


def name_field(error: BaseException, field: str) -> None:
    """Name the field of a grammar that vLLM refuses without saying which it means."""
    if isinstance(error, VLLMValidationError) and error.parameter is None:
        raised_in = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
        if "_validate_structured_outputs" in raised_in:
            error.parameter = field
