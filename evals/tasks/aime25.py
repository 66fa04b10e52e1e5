"""Task aime25: the 30 problems of AIME I and II of 2025."""

from evals.tasks.hub_task import hub_task
from evals.tasks.source import Hub

HUB = Hub("TIGER-Lab/AIME25", "train")
AIME25 = hub_task("aime25", HUB, question=("question", "problem"))
