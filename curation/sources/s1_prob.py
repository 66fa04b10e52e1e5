"""s1-prob: the probability part of Stanford's statistics qualifying exams, with written solutions."""

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, Source, column, optional


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row.

    Raises:
        MissingColumnError: A required column is missing.
    """
    return Draft(
        question=column(row, "question"),
        solution=optional(row, "solution"),
        published_as="simplescaling/s1-prob",
        domain="60",
    )


S1_PROB = Source("s1_prob", (HubDataset("simplescaling/s1-prob", "train"),), "see its hub card", draft)
