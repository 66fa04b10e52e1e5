"""A family that a checkpoint declares itself, in its tokenizer's `response_template`.

The format is transformers' 5, which parses chat responses by it; vLLM reads it with its parser `hf`.
Of the field "thinking" this takes what opens and closes it, where both are texts and no patterns.
"""

from collections.abc import Mapping

from server.reasoning.family import Family

DECLARED = "declared"
"""The family's name; what its marks are depends on the checkpoint."""


def declared_family(response_template: object) -> Family | None:
    """The family of these declarations; None where they tell no marks."""
    fields = response_template.get("fields") if isinstance(response_template, Mapping) else None
    if not isinstance(fields, Mapping):
        return None
    [start, *_], [end, *_] = (_texts(fields.get("thinking"), key) or ("",) for key in ("open", "close"))
    if not start or not end:
        return None
    return Family(
        name=DECLARED,
        start=start,
        end=end,
        end_of_turn=_texts(fields.get("content"), "close"),
        tool_call=_texts(fields.get("tool_calls"), "open"),
    )


def _texts(field: object, key: str) -> tuple[str, ...]:
    said = field.get(key) if isinstance(field, Mapping) else None
    texts = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    return tuple(text for text in texts if isinstance(text, str))
