"""vLLM's routes for an exchange of weights: there with --weight-updates only, and for an admin's key."""

from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI
from huggingface_hub import snapshot_download
from starlette.types import ASGIApp, Receive, Scope, Send
from vllm.entrypoints.rl.factories import register_rl_api_routers

from server.api.authentication import key_of
from server.api.errors import error_response
from server.api.paths import route_path
from server.api.routes import UPDATES
from server.engine.client.engine import ThinkingLLM
from server.engine.client.weight_files import WeightFiles
from server.engine.client.weights import Stage, WeightGate

RESUME = "/resume"


def take_updates(app: FastAPI, engine: ThinkingLLM, folder: Path) -> None:
    """Add the routes, and let the engine read weights from files of the folder.

    Raises:
        WeightFileError: The served checkpoint has nothing that new weights could be compared with.
    """
    config = engine.model_config
    checkpoint = Path(config.model)
    if not checkpoint.is_dir():  # a hub id, whose files the engine has loaded
        checkpoint = Path(snapshot_download(config.model, revision=config.revision, local_files_only=True))
    engine.weight_files = WeightFiles.of(folder, checkpoint)
    if not any(getattr(route, "path", None) == RESUME for route in app.router.routes):  # dev mode has them
        register_rl_api_routers(app)


class WeightUpdateMiddleware:
    """Where there are keys, an exchange of weights wants an admin's; and none is broken off half way."""

    def __init__(self, app: ASGIApp, gate: WeightGate, needs_admin: bool) -> None:
        self.app = app
        self._gate = gate
        self._needs_admin = needs_admin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what is not the caller's to do, or not its turn; everything else passes unchanged."""
        if scope["type"] == "http":
            path = route_path(scope)
            if path in UPDATES and (refused := self._refusal(path, scope)) is not None:
                await error_response(path, *refused)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _refusal(self, path: str, scope: Scope) -> tuple[int, str] | None:
        key = key_of(scope)
        if self._needs_admin and not (key is not None and key.is_admin):
            return HTTPStatus.FORBIDDEN, "only an admin's key may exchange the weights (admin = true)"
        if path == RESUME and self._gate.stage not in (Stage.SERVING, Stage.WAITING, Stage.PAUSED):
            return HTTPStatus.CONFLICT, self._gate.stage.value  # of vLLM's route it would be a 500
        return None
