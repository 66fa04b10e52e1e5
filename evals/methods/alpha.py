"""AlphaOne (arXiv 2505.24863), with the number of tokens alpha as its setting.

Nudges are inserted until thinking has alpha tokens; after that a nudge ends thinking.
"""

from evals.methods.arm import Arm, Budget, EvalMethod, whole


def arm(value: str) -> Arm:
    """The arm of one setting, such as "128".

    Raises:
        ArmError: The setting cannot be parsed.
    """
    tokens = whole("alpha", value, 1)
    return Arm("alpha", f"alpha={tokens}", Budget(alpha_tokens=tokens))


ALPHA = EvalMethod(
    "alpha", "AlphaOne: nudges up to this number of thinking tokens, none after it, e.g. 32,128", arm
)
