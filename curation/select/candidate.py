"""The few fields of a row that selection needs, so that the rows themselves can stay on disk."""

from collections.abc import Callable
from dataclasses import dataclass

from curation.errors import CurationError
from curation.row import Row
from server.reasoning.records import Trace

Length = Callable[[Trace], int]

UNITS = ("reported", "characters", "words")


@dataclass(frozen=True, slots=True)
class Candidate:
    """What selection knows of a row; `length` in the chosen unit."""

    id: str
    source: str
    domain: str
    length: int
    correct: bool | None


def candidate(row: Row, length: Length) -> Candidate:
    """The candidate of a row.

    Raises:
        CurationError: The length is to be the reported token count, and the trace has none.
    """
    one = row.problem
    correct = row.trace.correct if row.trace else None
    return Candidate(one.id, one.source, one.domain, length(row.trace) if row.trace else 0, correct)


def length_in(unit: str) -> Length:
    """The function that measures thinking, in a unit of UNITS or in tokens of a tokenizer (hub id or folder).

    Raises:
        CurationError: There is no such tokenizer.
    """
    if unit == "characters":
        return lambda trace: len(trace.thinking)
    if unit == "words":
        return lambda trace: len(trace.thinking.split())
    if unit == "reported":
        return _reported
    return _tokens(unit)


def _reported(trace: Trace) -> int:
    if trace.thinking_tokens is None:
        raise CurationError(
            f"{trace.problem_id}: its trace says no number of tokens; "
            "give --length characters, words, or a tokenizer's hub id or folder"
        )
    return trace.thinking_tokens


def _tokens(name: str) -> Length:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        cause = str(error).strip().split("\n")[0]
        raise CurationError(
            f"--length {name}: no such tokenizer ({cause}); there is also {', '.join(UNITS)}"
        ) from error
    return lambda trace: len(tokenizer(trace.thinking, add_special_tokens=False)["input_ids"])
