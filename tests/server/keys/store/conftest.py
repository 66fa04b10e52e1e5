"""The stores that the tests of this folder run against."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.keys.store.real_store import RealStore, redis_of_debian, valkey


@pytest.fixture(params=["valkey", pytest.param("redis 7.0", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealStore]:
    """A real one, empty."""
    open_one = valkey if request.param == "valkey" else redis_of_debian
    with open_one(tmp_path) as running:
        yield running
