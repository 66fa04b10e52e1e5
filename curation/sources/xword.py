"""xword: 1,000 crossword clues, each with the number of letters of the answer."""

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, MissingColumnError, Source, column

INSTRUCTION = (
    "Solve the crossword puzzle. "
    "You are presented with a clue as input and the number of letters in brackets."
)


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row.

    Raises:
        MissingColumnError: A required column is missing.
    """
    before, mark, clue = column(row, "input").partition("### Clue: ")
    if not mark:
        raise MissingColumnError(f"no '### Clue: ' in {before[:60]!r}")
    answer = column(row, "output")
    return Draft(
        question=f"{INSTRUCTION}\n\n{clue}",
        answer=answer,
        solution=answer,
        kind="crossword",
        published_as="0xharib/xword1",
    )


XWORD = Source("xword", (HubDataset("0xharib/xword1", "train"),), "see its hub card", draft, sample=1000)
