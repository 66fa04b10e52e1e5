"""JEEBench: India's joint entrance examination; the reference answer is a letter or a number."""

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, Source, column, optional
from curation.sources.subjects import domain_of

_KINDS = {"chem": "science"}
_NAMES = {"phy": "physics", "chem": "chemistry", "math": "math"}


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row.

    Raises:
        MissingColumnError: A required column is missing.
    """
    subject, gold = optional(row, "subject"), column(row, "gold")
    return Draft(
        question=column(row, "question"),
        answer=gold,
        solution=gold,
        original_id=f"{optional(row, 'description')} {optional(row, 'index')}".strip(),
        kind=_KINDS.get(subject, "math"),
        published_as=f"daman1209arora/jeebench/{subject}",
        domain=domain_of(_NAMES.get(subject, "")),
    )


JEEBENCH = Source("jeebench", (HubDataset("daman1209arora/jeebench", "test"),), "MIT", draft)
