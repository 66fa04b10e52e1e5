"""s1-teasers: hard brain-teasers from quantitative-trading interviews (PuzzledQuant)."""

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, Source, column, optional
from server.reasoning.answers import last_boxed


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row.

    Raises:
        MissingColumnError: A required column is missing.
    """
    answer = optional(row, "Answer")
    boxed = last_boxed(answer)
    return Draft(
        question=column(row, "Question"),
        answer=boxed.value if boxed else "",
        solution=answer,
        published_as="simplescaling/s1-teasers",
    )


S1_TEASERS = Source(
    "s1_teasers", (HubDataset("simplescaling/s1-teasers", "train"),), "see its hub card", draft
)
