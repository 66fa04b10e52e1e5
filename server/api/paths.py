"""The path of a request within the application."""

from starlette.types import Scope


def route_path(scope: Scope) -> str:
    """As Starlette's router sees it: behind --root-path, where the request's path begins with that."""
    path: str = scope.get("path", "")
    root: str = scope.get("root_path", "")
    if not root or not path.startswith(root):
        return path
    rest = path[len(root) :]
    return rest if not rest or rest.startswith("/") else path
