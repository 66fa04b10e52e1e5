"""SciEval: 250 science questions, spread over its tasks; rows without an answer are left out."""

from curation.sources.source import Columns, Draft, HubDataset, LeftOut, Source, column, optional
from curation.sources.subjects import domain_of

_KINDS = {"MedQA": "health science", "PubMedQA": "health science"}
_ENDINGS = {
    f"\nOptimal {what}:": f"\nWhat is the optimal {what}?" for what in ("solvent", "ligand", "reactant")
}


def without_prompt(question: str) -> str:
    """The question without a final "Answer:" or "Optimal solvent:", which is a prompt, not a question."""
    question = question.split("\n\nAnswer:")[0]
    for ending, better in _ENDINGS.items():
        question = question.replace(ending, better)
    return question


def draft(row: Columns) -> Draft | LeftOut:
    """The draft of one raw row, or why it is left out.

    Raises:
        MissingColumnError: A required column is missing.
    """
    answers = row.get("answer")
    if not answers:
        return LeftOut("no answer")
    answer = str(answers[0] if isinstance(answers, list) else answers)
    task, category = optional(row, "task_name"), optional(row, "category")
    return Draft(
        question=without_prompt(column(row, "question")),
        answer=answer,
        solution=answer,
        original_id=optional(row, "id"),
        kind=_KINDS.get(task, "science"),
        published_as=f"OpenDFM/SciEval/{category}/{optional(row, 'type')}/{task}",
        domain=domain_of(category),
    )


SCIEVAL = Source(
    "scieval",
    (HubDataset("OpenDFM/SciEval", "test"), HubDataset("OpenDFM/SciEval", "validation")),
    "see its hub card",
    draft,
    sample=250,
    group=lambda row: f"{optional(row, 'task_name')}/{optional(row, 'topic')}",
)
