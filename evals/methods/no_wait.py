"""NoWait (arXiv 2506.08343): words of doubt ("Wait", "Hmm", ...) are suppressed in thinking.

The setting "none" keeps the natural stop; a number closes thinking after that many tokens.
"""

from evals.methods.arm import Arm, Budget, EvalMethod, Promise, whole


def arm(value: str) -> Arm:
    """The arm of one setting, such as "none".

    Raises:
        ArmError: The setting cannot be parsed.
    """
    if value == "none":
        return Arm("no-wait", "no-wait", Budget(suppress="nowait"), promise=Promise(than_natural="less"))
    tokens = whole("no-wait", value)
    budget = Budget(max_tokens=tokens, suppress="nowait")
    return Arm("no-wait", f"no-wait={tokens}", budget, promise=Promise(at_most=tokens))


NO_WAIT = EvalMethod(
    "no-wait", "NoWait: words of doubt masked, at the natural stop or with a maximum, e.g. none,64", arm
)
