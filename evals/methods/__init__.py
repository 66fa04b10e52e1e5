"""The methods of test-time scaling that a sweep can compare, one row each; each row defines a flag."""

from evals.methods.alpha import ALPHA
from evals.methods.arm import Arm, ArmError, Budget, EvalMethod, Promise
from evals.methods.class_conditional import CLASS_CONDITIONAL
from evals.methods.landing import LANDING
from evals.methods.majority import MAJORITY
from evals.methods.maximum import MAXIMUM
from evals.methods.minimum import MINIMUM
from evals.methods.natural import NATURAL
from evals.methods.no_wait import NO_WAIT
from evals.methods.rejection import REJECTION
from evals.methods.scaling import METHOD as SCALING
from evals.methods.scaling import SCALED
from evals.methods.step_conditional import STEP_CONDITIONAL, STEP_CONDITIONAL_FORCED
from evals.methods.token_conditional import TOKEN_CONDITIONAL, TOKEN_CONDITIONAL_FORCED
from evals.methods.waits import WAITS

__all__ = ["METHODS", "NATURAL", "SCALING", "Arm", "ArmError", "Budget", "EvalMethod", "Promise", "arms_of"]

METHODS: dict[str, EvalMethod] = {
    "max": MAXIMUM,
    "grace": LANDING,
    "no-wait": NO_WAIT,
    "alpha": ALPHA,
    "waits": WAITS,
    "min": MINIMUM,
    "token": TOKEN_CONDITIONAL,
    "token+max": TOKEN_CONDITIONAL_FORCED,
    "step": STEP_CONDITIONAL,
    "step+max": STEP_CONDITIONAL_FORCED,
    "class": CLASS_CONDITIONAL,
    "reject": REJECTION,
    "sample": MAJORITY,
    SCALING: SCALED,
}


def arms_of(wanted: dict[str, str]) -> tuple[Arm, ...]:
    """The natural stop, then each method's arms in the order given ({"max": "0,64"}), without duplicates.

    Raises:
        ArmError: A setting cannot be parsed.
    """
    arms = {NATURAL.name: NATURAL}
    for method, values in wanted.items():
        for value in filter(None, (part.strip() for part in values.split(","))):
            one = METHODS[method].arm(value)
            arms.setdefault(one.name, one)
    return tuple(arms.values())
