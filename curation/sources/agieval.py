"""AGIEval: SAT, LSAT, LogiQA and AQuA (multiple choice), and the hardest problems of its MATH part."""

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, Source, column, items, optional

CONFIGS = ("sat_en", "sat_math", "lsat_ar", "lsat_lr", "lsat_rc", "logiqa", "aqua_rat", "math_agieval")
HARDEST = "5"


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row, or why it is left out.

    Raises:
        MissingColumnError: A required column is missing.
    """
    if (level := optional(row, "level")) and level != HARDEST:
        return LeftOut(f"MATH of level {level}")
    options = tuple(str(one) for one in items(row, "options"))
    passage = optional(row, "passage")
    question = "\n\n".join(filter(None, (passage, column(row, "question"))))
    letter = optional(row, "label")
    other = row.get("other") or {}
    explained = optional(row, "solution") or optional(other, "solution")
    answer = letter or optional(row, "answer")
    return Draft(
        question="\n".join((question, *options)),
        answer=answer,
        solution=explained or answer,
        kind="english" if passage and not level else "math",
        published_as="baber/agieval",
        choices=options,
    )


AGIEVAL = Source(
    "agieval",
    tuple(HubDataset("baber/agieval", split, config) for config in CONFIGS for split in ("test", "few_shot")),
    "MIT (parts Apache-2.0; LogiQA CC-BY-NC-SA-4.0)",
    draft,
)
