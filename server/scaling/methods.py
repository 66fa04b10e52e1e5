"""The methods that `scaling.method` can name, one row each."""

from server.scaling.auto import AUTO
from server.scaling.beam import BEAM
from server.scaling.best_of_n import BEST_OF_N
from server.scaling.beyond_context import BEYOND_CONTEXT
from server.scaling.conditional import CLASS_CONDITIONAL, STEP_CONDITIONAL, TOKEN_CONDITIONAL
from server.scaling.majority import MAJORITY
from server.scaling.method import Method
from server.scaling.rebase import REBASE
from server.scaling.rejection import REJECTION
from server.scaling.short_m import SHORT_M

METHODS: dict[str, Method] = {
    "majority": MAJORITY,
    "short_m": SHORT_M,
    "rejection": REJECTION,
    "best_of_n": BEST_OF_N,
    "auto": AUTO,
    "rebase": REBASE,
    "beam": BEAM,
    "beyond_context": BEYOND_CONTEXT,
    "token_conditional": TOKEN_CONDITIONAL,
    "step_conditional": STEP_CONDITIONAL,
    "class_conditional": CLASS_CONDITIONAL,
}
