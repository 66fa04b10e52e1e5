"""Fixtures of the API tests."""

from collections.abc import Iterator

import pytest

from tests.conftest import ServerProcess
from tests.server.scaling.fake_scorer import FakeScorer, running


@pytest.fixture
def scorer(server: ServerProcess) -> Iterator[FakeScorer]:
    with running(server.scorer_port) as fake:
        yield fake
