"""LiveCodeBench, releases 1 to 3, hard problems only; without reference solutions, like USACO."""

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, Source, column, optional

FILES = ("test.jsonl", "test2.jsonl", "test3.jsonl")
"""The files of release_v1, v2 and v3, according to the data set's loading script."""


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row, or why it is left out.

    Raises:
        MissingColumnError: A required column is missing.
    """
    if (difficulty := optional(row, "difficulty")) != "hard":
        return LeftOut(f"its difficulty is {difficulty or 'not given'}")
    return Draft(
        question=column(row, "question_content"),
        original_id=optional(row, "question_id"),
        kind="coding",
        published_as="LiveCodeBench",
        domain="68",
    )


LIVE_CODE_BENCH = Source(
    "live_code_bench",
    (HubDataset("livecodebench/code_generation_lite", "test", files=FILES),),
    "see its hub card",
    draft,
)
