"""MATH: the 12,000 training problems of the prm800k split (MATH500 is its test split)."""

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, Source, column, optional
from curation.sources.subjects import domain_of
from server.reasoning.answers import last_boxed


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row.

    Raises:
        MissingColumnError: A required column is missing.
    """
    subject, solution = optional(row, "subject") or optional(row, "type"), optional(row, "solution")
    boxed = last_boxed(solution)
    return Draft(
        question=column(row, "problem", "question"),
        answer=optional(row, "answer") or (boxed.value if boxed else ""),
        solution=solution or optional(row, "answer"),
        original_id=optional(row, "unique_id"),
        published_as=f"simplescaling/openaimath/{subject}",
        domain=domain_of(subject),
    )


MATH = Source("math", (HubDataset("simplescaling/openaimath", "train"),), "MIT", draft)
