"""Fixtures of the API tests."""

from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import ServerProcess
from tests.server.scaling.fake_scorer import FakeScorer, running


@pytest.fixture
def scorer(server: ServerProcess) -> Iterator[FakeScorer]:
    with running(server.scorer_port) as fake:
        yield fake


@pytest.fixture(scope="module")
def client(server_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server_url, timeout=120) as http:
        yield http
