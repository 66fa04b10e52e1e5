"""Budget forcing with a minimum: thinking cannot end before that many tokens."""

from evals.methods.arm import Arm, Budget, EvalMethod, Promise, whole


def arm(value: str) -> Arm:
    """The arm of one setting, such as "128".

    Raises:
        ArmError: The setting cannot be parsed.
    """
    tokens = whole("min-tokens", value, 1)
    return Arm("min", f"min={tokens}", Budget(min_tokens=tokens), promise=Promise(at_least=tokens))


MINIMUM = EvalMethod("min-tokens", "minimum numbers of thinking tokens, e.g. 128,512", arm)
