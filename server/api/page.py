"""The page to try budgets on, at `/`: the files of server/page as they are, under a strict content policy."""

from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parents[1] / "page"
HEADERS = {
    # Nothing from elsewhere, nothing inline, nowhere to send to but this server: even if text that a model
    # wrote were ever taken for markup, it could do nothing.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",  # asks each time whether there is a newer one
}


class PageFiles(StaticFiles):
    """Files with the page's headers."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """As the base class's; 304 included."""
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


def add_page(app: Starlette) -> None:
    """Serve it at `/`, and what it loads under `/page`."""
    files = PageFiles(directory=FOLDER)

    async def index(request: Request) -> Response:
        return await files.get_response("index.html", request.scope)

    app.router.add_route("/", index, methods=["GET"], include_in_schema=False)
    app.mount("/page", files)
