"""Budget forcing with a maximum: thinking is closed after that many tokens."""

from evals.methods.arm import Arm, Budget, EvalMethod, Promise, whole


def arm(value: str) -> Arm:
    """The arm of one setting, such as "64".

    Raises:
        ArmError: The setting cannot be parsed.
    """
    tokens = whole("max-tokens", value)
    return Arm("max", f"max={tokens}", Budget(max_tokens=tokens), promise=Promise(at_most=tokens))


MAXIMUM = EvalMethod("max-tokens", "maximum numbers of thinking tokens, e.g. 0,64,256", arm)
