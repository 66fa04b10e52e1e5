"""What one request may cost before its budget is looked at: the size and shape of its body, its choices."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The limits of one request; each is a flag of `s1-serve`.

    `max_body_keys` counts keys, objects and lists; `max_body_values` everything between commas, the token ids
    of a prompt included; `max_choices` is n times the prompts; `max_stored_responses` is for all requests
    together.

    The sizes are such that a body at its limit is parsed in some ten milliseconds: whoever reads it, reads it
    in one go on the event loop, where every stream waits. 4 MiB are a million tokens of text.
    """

    max_body_bytes: int = 4 * 1024 * 1024
    max_body_keys: int = 10_000
    max_body_values: int = 200_000
    max_body_depth: int = 64
    max_choices: int = 256
    max_stored_responses: int = 1000
