"""The path that rules are looked up by is the one that the router takes."""

import pytest
from starlette._utils import get_route_path

from server.api.paths import route_path


@pytest.mark.parametrize("root", ["", "/", "/v", "/api", "/api/"])
@pytest.mark.parametrize("path", ["/pause", "/v1/pause", "/api/pause", "/apiary", "/api", "/"])
def test_root_path_is_taken_off_as_starlette_does(root: str, path: str) -> None:
    scope = {"type": "http", "path": path, "root_path": root}
    assert route_path(scope) == get_route_path(scope)
