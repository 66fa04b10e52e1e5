"""`GET /health` of a server whose quotas are in a store: vLLM's, and whether the store is up.

A store that is down is told with a 200: it is shared, so a probe that failed for it would take every server
out of its balancer, or restart them all, and help none.
"""

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from vllm.entrypoints.serve.instrumentator.health import health

from server.keys.store.store import QuotaStore

PATH = "/health"


def tell_of_store(app: FastAPI, store: QuotaStore) -> None:
    """Put the route before vLLM's."""

    async def tell(request: Request) -> Response:
        told = await health(request)
        if told.status_code != 200:
            return told
        return JSONResponse({"status": "ok", "quota_store": "up" if store.is_up else "down"})

    app.router.routes.insert(0, Route(PATH, tell, methods=["GET"]))
