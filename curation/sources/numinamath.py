"""NuminaMATH: all of the AoPS forum, and the 500 problems of other origin that the paper pinned.

Not included: a few dozen questions that the original's loader names one by one (TMP_QUESTIONS_TO_KEEP).
"""

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, Source, column, optional
from server.reasoning.answers import last_boxed


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row.

    Raises:
        MissingColumnError: A required column is missing.
    """
    solution = optional(row, "solution")
    boxed = last_boxed(solution)
    origin = optional(row, "source") or "aops_forum"
    return Draft(
        question=column(row, "problem", "question"),
        answer=optional(row, "answer") or (boxed.value if boxed else ""),
        solution=solution,
        published_as=f"AI-MO/NuminaMath-CoT/{origin}",
    )


def wanted(row: Columns) -> bool:
    """Whether a row's origin is one that is taken.

    Of the large set only the forum's; of the pinned set, and of a user's file without origins, all.
    """
    return "messages" not in row or row.get("source") == "aops_forum"


NUMINAMATH = Source(
    "numinamath",
    (HubDataset("AI-MO/NuminaMath-CoT", "train"), HubDataset("simplescaling/numinamath_500", "train")),
    "Apache-2.0",
    draft,
    wanted=wanted,
)
