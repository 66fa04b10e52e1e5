"""The model's own likelihood: the geometric mean probability of the tokens that it chose itself."""

from collections.abc import Sequence
from math import exp
from statistics import fmean

from server.scaling.scorers.scorer import Candidate, Spent

LIKELIHOOD = "likelihood"


class Likelihood:
    """Implements Scorer. It knows how sure the model was, not whether it was right: it has to be named."""

    name = LIKELIHOOD
    wants_logprobs = True

    def __init__(self) -> None:
        self.spent = Spent()

    async def score(self, candidates: Sequence[Candidate]) -> list[float]:
        """Within 0 and 1; 0 where the model chose nothing."""
        return [exp(fmean(each.logprobs)) if each.logprobs else 0.0 for each in candidates]
