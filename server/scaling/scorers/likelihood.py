"""The model's own likelihood: the geometric mean probability of its sampled tokens."""

from collections.abc import Sequence
from math import exp
from statistics import fmean

from server.scaling.scorers.scorer import Scorable, ScorerUsage

LIKELIHOOD = "likelihood"


class Likelihood:
    """Implements Scorer.

    It measures the model's confidence, not correctness, so it must be named explicitly.
    """

    name = LIKELIHOOD
    wants_logprobs = True

    def __init__(self) -> None:
        self.usage = ScorerUsage()

    async def score(self, candidates: Sequence[Scorable]) -> list[float]:
        """Scores within 0 and 1; 0 for a candidate without sampled tokens."""
        return [exp(fmean(each.logprobs)) if each.logprobs else 0.0 for each in candidates]
