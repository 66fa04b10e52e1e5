"""Omni-MATH: olympiad problems, each with a path of subjects.

For example "Mathematics -> Geometry -> Plane Geometry -> Angles".
"""

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, Source, column, items, optional
from curation.sources.subjects import domain_of


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row.

    Raises:
        MissingColumnError: A required column is missing.
    """
    paths = items(row, "domain")
    levels = str(paths[0]).split(" -> ")[1:] if paths else []
    return Draft(
        question=column(row, "problem"),
        answer=optional(row, "answer"),
        solution=optional(row, "solution"),
        published_as="KbsdJames/Omni-MATH",
        domain=domain_of(*reversed(levels)),
    )


OMNI_MATH = Source("omni_math", (HubDataset("KbsdJames/Omni-MATH", "test"),), "Apache-2.0", draft)
