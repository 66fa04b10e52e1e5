"""A thought that was cut, put after the prompt of a new turn, open, for the model to go on with."""

from typing import Any

from server.budget.budget import Encode
from server.budget.plan import FamilyTokens, Opening


def resume(prompt: Any, thought: str, family: FamilyTokens, encode: Encode) -> Any:
    """The prompt as it goes to the engine.

    Raises:
        ValueError: Thinking cannot be open after this prompt.
    """
    ids = prompt.get("prompt_token_ids") if isinstance(prompt, dict) else None
    if ids is None:
        raise ValueError("a thought can go on after a prompt of tokens only")
    opening = family.opening_of(ids)
    if opening is Opening.CLOSED:
        raise ValueError("the thought cannot go on: thinking is switched off, or its template closes it")
    text = thought.lstrip("\n")  # a line break stands after the mark, whoever wrote it
    begun = encode(text) if opening is Opening.OPEN else (*family.start, *encode(f"\n{text}"))
    return {**prompt, "prompt_token_ids": [*ids, *begun]}
