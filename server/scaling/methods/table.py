"""The methods that `scaling.method` can name, one row each."""

from server.scaling.method import Method
from server.scaling.methods.auto import AUTO
from server.scaling.methods.beam import BEAM
from server.scaling.methods.best_of_n import BEST_OF_N
from server.scaling.methods.beyond_context import BEYOND_CONTEXT
from server.scaling.methods.conditional import CLASS_CONDITIONAL, STEP_CONDITIONAL, TOKEN_CONDITIONAL
from server.scaling.methods.deepconf import DEEPCONF
from server.scaling.methods.longest import LONGEST
from server.scaling.methods.majority import MAJORITY
from server.scaling.methods.mcts import MCTS
from server.scaling.methods.rebase import REBASE
from server.scaling.methods.rejection import REJECTION
from server.scaling.methods.short_m import SHORT_M

METHODS: dict[str, Method] = {
    "majority": MAJORITY,
    "short_m": SHORT_M,
    "longest": LONGEST,
    "deepconf": DEEPCONF,
    "rejection": REJECTION,
    "best_of_n": BEST_OF_N,
    "auto": AUTO,
    "rebase": REBASE,
    "beam": BEAM,
    "mcts": MCTS,
    "beyond_context": BEYOND_CONTEXT,
    "token_conditional": TOKEN_CONDITIONAL,
    "step_conditional": STEP_CONDITIONAL,
    "class_conditional": CLASS_CONDITIONAL,
}
