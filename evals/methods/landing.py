"""Budget forcing with a soft landing: thinking is closed at a good position near the end of the maximum.

The setting "64" uses the last tenth of the maximum for this, "64:32" its last 32 tokens.
"""

from evals.methods.arm import Arm, Budget, EvalMethod, Promise, whole


def arm(value: str) -> Arm:
    """The arm of one setting, such as "64:32".

    Raises:
        ArmError: The setting cannot be parsed.
    """
    maximum, colon, grace = value.partition(":")
    tokens = whole("grace", maximum, 1)
    return Arm(
        "grace",
        f"grace={tokens}{colon}{grace}",
        Budget(max_tokens=tokens, grace_tokens=whole("grace", grace, 1) if colon else "auto"),
        promise=Promise(at_most=tokens),
    )


LANDING = EvalMethod(
    "grace", 'a maximum with a soft landing in its last tenth, e.g. 64,256, or "64:32" tokens', arm
)
