"""Every route that vLLM brings, and what is decided of it: governed, passed on, or closed."""

from fastapi import FastAPI

from server.api import control
from server.api.requests import PATHS
from server.api.shutdown import PROBES

GOVERNED = PATHS
"""A budget is read from the request and reported in the response."""
PASSED = frozenset(
    {
        *PROBES,
        *("/", "/page", "/metrics", "/load", "/version", "/v1/models", "/kv_event_sources"),
        *("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"),
        # No thinking comes of them: they render, or score one token.
        *("/detokenize", "/tokenizer_info", "/generative_scoring"),
        # A response that is kept was governed when it was made, and is its key's alone.
        *("/v1/responses/{response_id}", "/v1/responses/{response_id}/cancel"),
        control.PATH,
        # The operator's own switches open them (VLLM_ALLOW_RUNTIME_LORA_UPDATING).
        *("/v1/load_lora_adapter", "/v1/unload_lora_adapter"),
    }
)
"""vLLM's affair, behind the keys as everything is. What would generate there keeps the server's defaults."""
UPDATES = frozenset(
    {
        *("/pause", "/resume", "/is_paused", "/weight_info", "/get_world_size"),
        *("/init_weight_transfer_engine", "/shutdown_weight_transfer_engine"),
        *("/start_weight_update", "/update_weights", "/finish_weight_update"),
    }
)
"""A trainer's, which exchanges the weights: there with --weight-updates only."""
CLOSED = frozenset(
    {
        # Answers each question by generating text of its own; its reports and budgets would be nobody's.
        "/v1/systemone",
        # Restarts engines: an operator's act, which vLLM leaves to whoever has a key.
        *("/scale_elastic_ep", "/is_scaling_elastic_ep"),
        # Beside an exchange of weights: they end others' requests, spoil the weights or say another version.
        *("/abort_requests", "/start_draft_weight_update", "/update_weight_version", "/weight_checker"),
    }
)
"""Not there: a 404."""


def close_routes(app: FastAPI, *, takes_updates: bool = False) -> None:
    """Take those out that are closed."""
    closed = CLOSED if takes_updates else CLOSED | UPDATES
    app.router.routes[:] = [each for each in app.router.routes if getattr(each, "path", None) not in closed]
