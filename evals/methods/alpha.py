"""AlphaOne (arXiv 2505.24863): the nudge is put in until so many thinking tokens stand; from then on it ends
thinking.
"""

from evals.methods.arm import Arm, Budget, Method, whole


def arm(value: str) -> Arm:
    tokens = whole("alpha", value, 1)
    return Arm("alpha", f"alpha={tokens}", Budget(alpha_tokens=tokens))


ALPHA = Method("alpha", "AlphaOne: nudges until so many tokens, none behind them, e.g. 32,128", arm)
