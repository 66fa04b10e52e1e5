"""Task math500: the 500 problems of MATH's test split that OpenAI's PRM800K reserved for testing."""

from evals.tasks.hub_task import hub_task
from evals.tasks.source import Hub

HUB = Hub("simplescaling/openaimath", "test")
MATH500 = hub_task(
    "math500",
    HUB,
    question=("problem", "question"),
    ids=("unique_id", "id"),
    domain="subject",
)
