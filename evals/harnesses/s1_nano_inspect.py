"""Task s1_nano for inspect-ai: reads nano.jsonl. Runs inside inspect's own environment."""

# mypy: disable-error-code="import-not-found,untyped-decorator"

from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import FieldSpec, json_dataset
from inspect_ai.scorer import pattern
from inspect_ai.solver import generate


@task
def s1_nano(data: str = "nano.jsonl") -> Task:
    """The held-out problems of s1-nano; the integer after "Final Answer:" must be the reference answer."""
    return Task(
        dataset=json_dataset(
            str(Path(data).resolve()),
            FieldSpec(id="id", input="question", target="answer", metadata=["domain"]),
        ),
        solver=generate(),
        scorer=pattern(r"Final Answer:\s*(-?\d+)"),
    )
