"""The simulated store says what the real one says, whatever processes tell it."""

import random
from collections.abc import Iterator

import pytest

from server.keys.meter import Quota
from server.keys.simulation.store import SimulatedStore
from server.keys.store.redis_store import LEAST_LEASE_TOKENS, PREFIX, SHARE
from server.keys.store.script import SETTLE, Account
from tests.server.keys.store.real_store import RealStore, valkey


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealStore]:
    with valkey(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.mark.parametrize("seed", range(20))
def test_accounts_stand_as_in_the_real_store(real: RealStore, seed: int) -> None:
    chance, model = random.Random(seed), SimulatedStore(0, 0)
    quota = Quota(chance.choice([50, 700, 5000]), 60)
    key = f"key-{seed}"
    windows: dict[str, str] = {"": ""}
    spent = [0] * 3
    for _ in range(60):
        process = chance.randrange(3)
        spent[process] += chance.choice([0, 0, 1, 7, 40])
        window, wanted = chance.choice([*windows, "", "another"]), chance.choice([0, 1, 64, 1024])
        ours = model.settle(process, key, quota, Account(window, spent[process], wanted), now=1.0)
        arguments = (process, windows.get(window, window), spent[process], wanted)
        limits = (quota.tokens, 1000 * quota.window_s, LEAST_LEASE_TOKENS, SHARE)
        theirs = real.client.eval(SETTLE, 1, PREFIX + key, *arguments, *limits)
        assert isinstance(theirs, list)
        assert [ours.spent, ours.held, ours.used] == theirs[1:4]
        assert bool(ours.window) == bool(theirs[0])
        windows[ours.window] = theirs[0]
        spent[process] = ours.spent


def test_window_that_is_over_is_forgotten() -> None:
    model, quota = SimulatedStore(0, 0), Quota(100, 60)
    first = model.settle(0, "a", quota, Account("", 10, 20), now=5.0)
    assert (first.used, first.ends_in_s) == (30, 60)
    assert model.settle(1, "a", quota, Account("", 0, 0), now=64.9).used == 30
    assert model.settle(1, "a", quota, Account("", 0, 0), now=65.0).window == ""
    late = model.settle(0, "a", quota, Account(first.window, 25, 0), now=70.0)
    assert (late.spent, late.used) == (0, 0)
