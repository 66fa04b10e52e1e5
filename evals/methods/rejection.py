"""Rejection sampling: draw until a sample has at most that many thinking tokens.

The paper draws without a bound (655 times on average at its smallest limit); here at most `TRIES` times, then
the last sample is used.
"""

from evals.methods.arm import Arm, EvalMethod, Promise, whole

TRIES = 64


def arm(value: str) -> Arm:
    """The arm of one setting, such as "64".

    Raises:
        ArmError: The setting cannot be parsed.
    """
    tokens = whole("reject-above", value, 1)
    return Arm(
        "reject",
        f"reject={tokens}",
        promise=Promise(at_most=tokens),
        accept_up_to=tokens,
        tries=TRIES,
        sampled=True,
    )


REJECTION = EvalMethod(
    "reject-above", f"resample, up to {TRIES} times, while thinking is longer than this number of tokens", arm
)
