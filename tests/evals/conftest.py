"""Fixtures of several eval tests: a fake endpoint."""

from collections.abc import Iterator

import pytest

from tests.evals.fake_endpoint import FakeEndpoint, running


@pytest.fixture
def fake() -> Iterator[FakeEndpoint]:
    with running() as endpoint:
        yield endpoint
