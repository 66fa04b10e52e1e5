"""Why the grammar of an answer failed, kept in the engine's process until the API process asks.

vLLM says of such a request that it ended in an error, and no more: a client's mistake looks like a fault of
the server. A grammar fails that cannot be compiled, and one that allows no token at all, at its start or
later: `root ::= root` is well-formed, and matches nothing.
"""

from collections import OrderedDict
from typing import Any

from vllm.v1.engine import core
from vllm.v1.structured_output import StructuredOutputManager
from vllm.v1.structured_output.backend_types import StructuredOutputGrammar

from server.engine.seams import require

KEPT = 1024
"""So many failures are kept: of a client that has gone nobody asks."""
ALLOWS_NOTHING = "it matches no text that this model can write (does it refer to itself without end?)"
DEAD_END = "no text can follow what was written by it until then"


def keep_failures() -> None:
    """Let the engine that starts in this process remember why grammars failed, and be asked for it."""
    require(core, "StructuredOutputManager")
    core.StructuredOutputManager = ExplainingManager
    core.EngineCore.s1_failed_grammar = _failed_grammar


def _failed_grammar(engine: Any, request_id: str) -> str | None:
    """Asked for over call_utility: why the grammar of a request failed; None where it did not."""
    failures: OrderedDict[str, str] = engine.structured_output_manager.failures
    return failures.pop(request_id, None)


class ExplainingManager(StructuredOutputManager):
    """vLLM's manager of grammars. One that allows nothing fails before anything is generated for it."""

    def __init__(self, vllm_config: Any) -> None:
        super().__init__(vllm_config)
        self.failures: OrderedDict[str, str] = OrderedDict()

    def _create_grammar(self, request: Any) -> StructuredOutputGrammar:
        try:
            grammar = super()._create_grammar(request)
            if not self._allows_any(grammar):
                raise ValueError(ALLOWS_NOTHING)
        except Exception as error:  # whatever the backend raises, it raises of the client's grammar
            self._keep(request, str(error) or type(error).__name__)
            raise
        return grammar

    def accept_tokens(self, request: Any, new_token_ids: list[int]) -> bool:
        """As vLLM's. A token that is refused while others are allowed is no fault of the grammar."""
        accepted: bool = super().accept_tokens(request, new_token_ids)
        if not accepted and not self._allows_any(request.structured_output_request.grammar):
            self._keep(request, DEAD_END)
        return accepted

    def _allows_any(self, grammar: StructuredOutputGrammar) -> bool:
        """Whether any token may come next."""
        assert self.backend is not None
        bitmask = self.backend.allocate_token_bitmask(1)
        grammar.fill_bitmask(bitmask, 0)
        return bool(bitmask.any())

    def _keep(self, request: Any, why: str) -> None:
        self.failures[request.request_id] = why
        while len(self.failures) > KEPT:
            self.failures.popitem(last=False)
