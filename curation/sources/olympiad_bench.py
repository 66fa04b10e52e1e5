"""OlympiadBench: mathematics and physics olympiads; open-ended, English, text only."""

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, Source, column, optional
from curation.sources.subjects import domain_of

CONFIGS = ("OE_TO_maths_en_COMP", "OE_TO_physics_en_COMP", "TP_TO_maths_en_COMP", "TP_TO_physics_en_COMP")


def first(value: object) -> str:
    """The first item of a list, as text: like the paper, the first solution."""
    if isinstance(value, list):
        value = value[0] if value else ""
    return "" if value is None else str(value).strip()


def answers(row: Columns) -> str:
    """All final answers, since a question may ask for several, without dollar signs."""
    found = row.get("final_answer") or []
    listed = found if isinstance(found, list) else [found]
    return ", ".join(str(one).strip().strip("$") for one in listed)


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row.

    Raises:
        MissingColumnError: A required column is missing.
    """
    # s1's loader leaves out the context, as its comment admits; without it the question cannot be answered.
    context, question = optional(row, "context"), column(row, "question")
    subject = optional(row, "subject") or (
        "Physics" if "Physics" in optional(row, "classification") else "Math"
    )
    return Draft(
        question=f"{context}\n\n{question}".strip(),
        answer=answers(row),
        solution=first(row.get("solution")),
        original_id=optional(row, "id"),
        published_as=f"Hothan/OlympiadBench/{optional(row, 'question_type') or 'Open-ended'}/{subject}",
        domain=domain_of(optional(row, "subfield"), subject),
    )


OLYMPIAD_BENCH = Source(
    "olympiad_bench", tuple(HubDataset("Hothan/OlympiadBench", "train", c) for c in CONFIGS), "MIT", draft
)
