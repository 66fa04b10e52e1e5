"""TheoremQA: applications of university theorems; rows that need their picture are left out."""

import json

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, Source, column, optional
from curation.sources.subjects import domain_of


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row, or why it is left out.

    Raises:
        MissingColumnError: A required column is missing.
    """
    if row.get("Picture") is not None:
        return LeftOut("needs its picture")
    answer = row.get("Answer")
    text = json.dumps(answer) if isinstance(answer, list | bool) else column(row, "Answer")
    return Draft(
        question=column(row, "Question"),
        answer=text,
        solution=text,
        original_id=optional(row, "id"),
        published_as=f"TIGER-Lab/TheoremQA/{optional(row, 'Answer_type')}",
        domain=domain_of(optional(row, "subfield"), optional(row, "field")),
    )


THEOREMQA = Source("theoremqa", (HubDataset("TIGER-Lab/TheoremQA", "test"),), "MIT", draft)
