"""Which of a request's fields asks for the grammar of its answer, in any endpoint's spelling."""

from collections.abc import Mapping
from typing import Any

KINDS = ("json", "regex", "choice", "grammar", "json_object", "structural_tag")


def grammar_field(body: Mapping[str, Any]) -> str:
    """As a client finds it in what it wrote. Where several are given, vLLM takes the first of these."""
    asked = body.get("structured_outputs")
    formats = {
        "response_format": body.get("response_format"),
        "text.format": _inside(body.get("text"), "format"),
        "output_config.format": _inside(body.get("output_config"), "format"),
    }
    for name, value in formats.items():
        if _inside(value, "type") not in (None, "text"):
            return name
    kind = next((kind for kind in KINDS if _inside(asked, kind) is not None), None)
    if kind is not None:
        return f"structured_outputs.{kind}"
    return "tools" if body.get("tools") else "structured_outputs"


def _inside(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
