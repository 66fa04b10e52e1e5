"""Task amc23: the 40 problems of AMC 12 2023 with an integer or decimal answer."""

from evals.tasks.hub_task import hub_task
from evals.tasks.source import Hub

HUB = Hub("math-ai/amc23", "test")
AMC23 = hub_task("amc23", HUB, question=("problem", "question"))
