"""The sampling parameters of an arm, and what is told of them where a folder holds several.

Seeds are no part of them: those of one sampling are its repeats.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decoding:
    """Arms of the same name that differ in it are arms of their own."""

    temperature: float
    top_p: float


def told_apart(decodings: Iterable[Decoding]) -> dict[Decoding, str]:
    """What each has that others have not, as "temperature 0.7, top-p 0.5"; nothing where there is one."""
    found = list(dict.fromkeys(decodings))
    hot = len({one.temperature for one in found}) > 1
    cut = len({one.top_p for one in found}) > 1
    return {
        one: ", ".join([f"temperature {one.temperature:g}"] * hot + [f"top-p {one.top_p:g}"] * cut)
        for one in found
    }


def labelled(name: str, told: str) -> str:
    """A name with what tells it from its namesakes, if anything does."""
    return f"{name}, {told}" if told else name
