"""OlympicArena: olympiads in seven subjects; English and text only, as in the paper."""

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, Source, column, optional
from curation.sources.subjects import domain_of

SUBJECTS = ("Math", "Physics", "Chemistry", "Biology", "Geography", "Astronomy", "CS")
_KINDS = {"Math": "math", "CS": "coding"}


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row, or why it is left out.

    Raises:
        MissingColumnError: A required column is missing.
    """
    if optional(row, "language") != "EN" or optional(row, "modality") != "text-only":
        return LeftOut(f"{optional(row, 'language')} {optional(row, 'modality')}")
    subject = optional(row, "subject")
    return Draft(
        question=column(row, "problem"),
        answer=optional(row, "answer"),
        solution=optional(row, "solution"),
        original_id=optional(row, "id"),
        kind=_KINDS.get(subject, "science"),
        published_as=f"GAIR/OlympicArena/{subject}",
        domain=domain_of(subject) if subject != "Math" else "",
    )


OLYMPIC_ARENA = Source(
    "olympic_arena",
    tuple(
        HubDataset("GAIR/OlympicArena", split, subject) for split in ("test", "val") for subject in SUBJECTS
    ),
    "see its hub card",
    draft,
)
