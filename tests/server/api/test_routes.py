"""Every route that vLLM brings is governed, passed or closed, each by decision."""

import httpx
import pytest

from server.api.routes import CLOSED, GOVERNED, PASSED


@pytest.mark.parametrize("path", ["/v1/systemone", "/scale_elastic_ep", "/is_scaling_elastic_ep"])
def test_closed_route_is_not_there(client: httpx.Client, path: str) -> None:
    assert client.post(path, json={}).status_code == 404


def test_every_route_has_a_decision(client: httpx.Client) -> None:
    paths = set(client.get("/openapi.json").json()["paths"])
    assert paths <= GOVERNED | PASSED
    assert not paths & CLOSED
