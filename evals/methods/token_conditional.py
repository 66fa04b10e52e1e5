"""Token-conditional control: the prompt names the tokens; the forced variant also closes thinking there."""

from evals.methods.arm import Arm, Budget, EvalMethod, Promise, whole
from server.reasoning.conditions import token_words


def arm(value: str) -> Arm:
    """The arm of one setting, such as "64".

    Raises:
        ArmError: The setting cannot be parsed.
    """
    tokens = whole("think-tokens", value, 1)
    return Arm("token", f"token={tokens}", words=token_words(tokens), promise=Promise(at_most=tokens))


def forced(value: str) -> Arm:
    """The same arm, with thinking closed by the server.

    Raises:
        ArmError: The setting cannot be parsed.
    """
    tokens = whole("think-tokens-forced", value, 1)
    return Arm(
        "token+max",
        f"token+max={tokens}",
        Budget(max_tokens=tokens),
        token_words(tokens),
        Promise(at_most=tokens),
    )


TOKEN_CONDITIONAL = EvalMethod("think-tokens", 'the prompt says "Think for up to N tokens."', arm)
TOKEN_CONDITIONAL_FORCED = EvalMethod(
    "think-tokens-forced", "the same, with thinking closed after N tokens", forced
)
