"""The demo page at `/`: the files of server/page, served under a strict content security policy."""

from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parents[1] / "page"
HEADERS = {
    # No external or inline scripts, and connections to this server only: even if model output were rendered
    # as markup, it could not run anything.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",  # revalidate on each load
}


class PageFiles(StaticFiles):
    """Static files with the page's headers."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The base class's response (also for 304) with the headers added."""
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


def add_page(app: Starlette) -> None:
    """Serve the page at `/` and its files under `/page`."""
    files = PageFiles(directory=FOLDER)

    async def index(request: Request) -> Response:
        return await files.get_response("index.html", request.scope)

    app.router.add_route("/", index, methods=["GET"], include_in_schema=False)
    app.mount("/page", files)
