"""NoWait (arXiv 2506.08343): the words that open a doubt ("Wait", "Hmm", ...) do not come in thinking.

"none" leaves the natural stop, a number closes thinking after so many tokens.
"""

from evals.methods.arm import Arm, Budget, Method, Promise, whole


def arm(value: str) -> Arm:
    if value == "none":
        return Arm("no-wait", "no-wait", Budget(suppress="nowait"), promise=Promise(than_natural="less"))
    tokens = whole("no-wait", value)
    budget = Budget(max_tokens=tokens, suppress="nowait")
    return Arm("no-wait", f"no-wait={tokens}", budget, promise=Promise(at_most=tokens))


NO_WAIT = Method(
    "no-wait", "NoWait: words of doubt suppressed, at the natural stop or a maximum: none,64", arm
)
