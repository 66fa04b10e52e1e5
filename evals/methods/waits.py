"""Budget forcing with Waits: an end of thinking is replaced by the nudge, that many times.

The setting "2" uses the server's nudge, "2:Hmm" another. Zero Waits is the natural stop, and is not run
twice.
"""

from evals.methods.arm import Arm, Budget, EvalMethod, Promise, whole
from evals.methods.natural import NATURAL


def arm(value: str) -> Arm:
    """The arm of one setting, such as "2:Hmm".

    Raises:
        ArmError: The setting cannot be parsed.
    """
    count, colon, nudge = value.partition(":")
    waits = whole("waits", count)
    if waits == 0:
        return NATURAL
    # The paper states no limit for Waits; as for its class-conditional "long", expect more thinking
    # than at the natural stop.
    return Arm(
        "waits",
        f"waits={waits}{colon}{nudge}",
        Budget(num_waits=waits, nudge=nudge or None),
        promise=Promise(than_natural="more"),
    )


WAITS = EvalMethod("waits", 'number of suppressed ends of thinking, e.g. 0,1,2,4 or "2:Hmm"', arm)
