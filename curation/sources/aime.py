"""AIME 1983 to 2021.

The paper says 2021; its script also took 2022, and 2022 and 2023 were its dev set.
"""

from curation.sources.source import (
    Columns,
    Draft,
    HubDataset,
    LeftOut,
    MissingColumnError,
    Source,
    column,
    optional,
)

LAST_YEAR = 2021


def year_of(row: Columns) -> int:
    """The year from `Year` or `year`, else from an ID such as "1991-5" or "2004-II-7".

    Raises:
        MissingColumnError: There is no year.
    """
    text = optional(row, "Year") or optional(row, "year") or optional(row, "ID").partition("-")[0]
    if not text.isdigit():
        raise MissingColumnError(f"no year (it has {', '.join(sorted(row))})")
    return int(text)


def name_of(row: Columns) -> str:
    """The original id, or one made of year, part and number."""
    number, part = optional(row, "problem_number"), optional(row, "aime_number")
    return optional(row, "ID") or (f"{year_of(row)}-{part}-{number}" if number else "")


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row, or why it is left out.

    Raises:
        MissingColumnError: A required column is missing.
    """
    if year_of(row) > LAST_YEAR:
        return LeftOut(f"of {year_of(row)}: after {LAST_YEAR}")
    answer = column(row, "Answer", "answer")
    return Draft(
        question=column(row, "Question", "problem"),
        answer=answer,
        solution=optional(row, "solution") or answer,
        original_id=name_of(row),
        published_as="qq8933/AIME_1983_2024",
    )


AIME = Source(
    "aime", (HubDataset("qq8933/AIME_1983_2024", "train"),), "MIT (the problems' text is the MAA's)", draft
)
