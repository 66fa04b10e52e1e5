"""Budget forcing with a soft landing: thinking is closed at a good place in the last part of the maximum.

"64" lets the last tenth be that part, "64:32" the last 32 tokens.
"""

from evals.methods.arm import Arm, Budget, Method, Promise, whole


def arm(value: str) -> Arm:
    maximum, colon, grace = value.partition(":")
    tokens = whole("grace", maximum, 1)
    return Arm(
        "grace",
        f"grace={tokens}{colon}{grace}",
        Budget(max_tokens=tokens, grace_tokens=whole("grace", grace, 1) if colon else "auto"),
        promise=Promise(at_most=tokens),
    )


LANDING = Method(
    "grace", 'a maximum with a soft landing in its last tenth, e.g. 64,256, or "64:32" tokens', arm
)
