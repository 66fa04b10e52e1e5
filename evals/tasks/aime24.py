"""Task aime24: the 30 problems of AIME I and II of 2024.

As in the paper, with figures only where a problem needs them.
"""

from evals.tasks.hub_task import hub_task
from evals.tasks.source import Hub

HUB = Hub("simplescaling/aime24_nofigures", "train")
AIME24 = hub_task(
    "aime24",
    HUB,
    question=("problem", "question", "Problem"),
    answer=("answer", "expected_answer", "Answer"),
)
