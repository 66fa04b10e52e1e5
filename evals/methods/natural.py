"""No budget: the model ends thinking by itself. All other arms are compared with this one."""

from evals.methods.arm import Arm

NATURAL = Arm("none", "none")
