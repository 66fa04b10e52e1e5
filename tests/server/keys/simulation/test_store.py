"""The simulated store says what the real one says, whatever processes tell it."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import astuple

import pytest

from server.keys.meter import Quota
from server.keys.simulation.store import SimulatedStore
from server.keys.store.redis_store import LEAST_LEASE_TOKENS, PREFIX, SHARE
from server.keys.store.script import SETTLE, Account
from tests.server.keys.store.real_store import RealStore, valkey

QUOTA = Quota(20_000, 60)


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
        own = chance.choice(["mine", "mine", "another"])
        ours = model.settle(process, key, quota, Account(window, own, spent[process], wanted), now=1.0)
        arguments = (process, windows.get(window, window), own, spent[process], wanted)
        limits = (quota.tokens, 1000 * quota.window_s, LEAST_LEASE_TOKENS, SHARE)
        theirs = real.client.eval(SETTLE, 1, PREFIX + key, *arguments, *limits)
        assert isinstance(theirs, list)
        assert [ours.spent, ours.held, ours.used] == theirs[1:4]
        assert bool(ours.window) == bool(theirs[0])
        windows[ours.window] = theirs[0]
        spent[process] = ours.spent


def both(real: RealStore, key: str, calls: Sequence[tuple[int, Account]]) -> list[list[int]]:
    """What both stores say to these calls: spent, held, used."""
    model, limits = SimulatedStore(0, 0), (QUOTA.tokens, 1000 * QUOTA.window_s, LEAST_LEASE_TOKENS, SHARE)
    told = []
    for process, account in calls:
        ours = model.settle(process, key, QUOTA, account, now=1.0)
        theirs = real.client.eval(SETTLE, 1, PREFIX + key, process, *astuple(account), *limits)
        assert isinstance(theirs, list)
        told.append([ours.spent, ours.held, ours.used])
        assert told[-1] == theirs[1:4]
    return told


@pytest.mark.parametrize("spent", [0, 300])
def test_call_whose_reply_was_lost_changes_nothing_when_it_is_made_again(real: RealStore, spent: int) -> None:
    key = f"lost-{spent}"
    lost = (0, Account("", "x", spent, 1024))
    told = both(real, key, [lost, (1, Account("", "y", 50, 0)), lost])
    assert told[2] == [spent, spent + 1024, spent + 1024 + 50]


def test_what_is_leased_of_a_window_before_is_charged_with_the_next_of_its_own(real: RealStore) -> None:
    accounts = [Account("", "x", 10, 90), Account("", "y", 5, 0), Account("", "y", 7, 0)]
    told = both(real, "before", [(0, each) for each in accounts])
    assert [used for _, _, used in told] == [100, 105, 107]


def test_window_that_is_over_is_forgotten() -> None:
    model, quota = SimulatedStore(0, 0), Quota(100, 60)
    first = model.settle(0, "a", quota, Account("", "x", 10, 20), now=5.0)
    assert (first.used, first.ends_in_s) == (30, 60)
    assert model.settle(1, "a", quota, Account("", "x", 0, 0), now=64.9).used == 30
    assert model.settle(1, "a", quota, Account("", "x", 0, 0), now=65.0).window == ""
    late = model.settle(0, "a", quota, Account(first.window, "x", 25, 0), now=70.0)
    assert (late.spent, late.used) == (0, 0)
