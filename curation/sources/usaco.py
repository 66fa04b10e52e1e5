"""USACO: programming contests.

Without a reference solution, the quality stage drops them, as in the paper.
"""

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, Source, column, optional


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row.

    Raises:
        MissingColumnError: A required column is missing.
    """
    return Draft(
        question=column(row, "question"),
        original_id=optional(row, "question_id") or optional(row, "id"),
        kind="coding",
        published_as="codegenning/usacobench_formatted",
        domain="68",
    )


USACO = Source("usaco", (HubDataset("codegenning/usacobench_formatted", "test"),), "see its hub card", draft)
