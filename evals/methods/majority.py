"""Parallel scaling: n samples at the natural stop, each as its own repeat.

The report computes majority@k and pass@k for k up to n.
"""

from evals.methods.arm import Arm, EvalMethod, whole
from evals.methods.natural import NATURAL


def arm(value: str) -> Arm:
    """The arm of one setting, such as "8".

    Raises:
        ArmError: The setting cannot be parsed.
    """
    samples = whole("majority", value)
    # Without the number: a later run with more samples adds repeats to the same arm.
    return Arm("sample", "sample", samples=samples, sampled=True) if samples else NATURAL


MAJORITY = EvalMethod(
    "majority",
    "majority vote over n samples at the natural stop; 0: none (default: 8 for nano, else none)",
    arm,
)
