"""GPQA: the extended set without the diamond set, which is an eval.

Its authors ask not to publish its questions. The user accepts its terms at the hub, or provides the file; no
row of it is stored in this project.
"""

from hashlib import blake2b
from random import Random

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, Source, column, optional
from curation.sources.subjects import domain_of

WRONG = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
ORDER_SEED = 42


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row.

    Raises:
        MissingColumnError: A required column is missing.
    """
    question, right = column(row, "Question"), column(row, "Correct Answer")
    choices = [*(column(row, name) for name in WRONG), right]
    # s1 shuffles with one generator for the whole set; seeding per row makes rows independent.
    Random(f"{ORDER_SEED}:{_digest(question)}").shuffle(choices)
    letter = "ABCD"[choices.index(right)]
    subject = optional(row, "High-level domain")
    options = tuple(f"({name}) {choice}" for name, choice in zip("ABCD", choices, strict=True))
    return Draft(
        question="\n".join((question, "Answer Choices:", *options)),
        answer=letter,
        solution=f"{optional(row, 'Explanation')}\n\nAnswer: {letter}".strip(),
        original_id=optional(row, "Record ID"),
        kind="science",
        published_as="Idavidrein/gpqa",
        domain=domain_of(subject),
        choices=options,
    )


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


# Decontamination drops the diamond rows: they are a reference there.
GPQA = Source("gpqa", (HubDataset("Idavidrein/gpqa", "train", "gpqa_extended"),), "CC-BY-4.0", draft)
