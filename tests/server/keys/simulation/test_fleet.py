"""A simulated fleet: no token is lost, quotas end where the real ones end, and time is not ours."""

import asyncio
import json
import time
from dataclasses import replace

import pytest

from server.keys.simulation.__main__ import main
from server.keys.simulation.fleet import Balancing, Fleet, simulate
from server.keys.simulation.virtual_time import run_virtually

FLEET = Fleet(
    servers=4,
    keys=1,
    clients=12,
    quota_tokens=6000,
    lease_tokens=256,
    tokens=[1000],
    engine_tokens_per_s=300,
    stream_tokens_per_s=50,
    edge_s_per_token=0.0001,
    store_latency_s=0.001,
    store_work_s=0.0001,
    seconds=600,
    requests=40,
)


def test_an_hour_passes_at_once_and_in_order() -> None:
    came: list[float] = []

    async def wait(seconds: float) -> None:
        await asyncio.sleep(seconds)
        came.append(seconds)

    async def work() -> float:
        await asyncio.gather(*map(wait, (3600, 0.25, 60)))
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run_virtually(work()) == pytest.approx(3600)
    assert came == [0.25, 60, 3600]
    assert time.monotonic() - began < 600


def test_who_waits_for_nothing_is_told() -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="outside"):
        run_virtually(work())


@pytest.mark.parametrize("balancing", list(Balancing))
def test_one_key_ends_at_its_quota_but_for_a_token_or_two_of_each_stream(balancing: Balancing) -> None:
    seen = run_virtually(simulate(replace(FLEET, balancing=balancing)))
    assert seen.spent_keys == 1
    assert seen.refused > FLEET.requests / 2  # who comes back finds it spent, or all of it leased
    # One call of the store takes 1.1 ms, in which a stream makes less than a token.
    assert seen.overshoot[0] == seen.tokens - FLEET.quota_tokens
    assert 0 <= seen.overshoot[0] <= 2 * FLEET.clients


def test_without_a_limit_that_binds_all_is_thought_as_fast_as_the_engines_can() -> None:
    seen = run_virtually(simulate(replace(FLEET, quota_tokens=10**6)))
    assert (seen.tokens, seen.refused, seen.spent_keys) == (40 * 1000, 0, 0)
    # 3 streams of a server at 50 tokens/s each; 40 requests of 12 at once come in 4 rounds.
    assert seen.seconds == pytest.approx(4 * 1000 / 50, rel=0.05)
    assert seen.edge_busy == pytest.approx(40 * 1000 * 0.0001 / 4 / seen.seconds)
    full = run_virtually(simulate(replace(FLEET, quota_tokens=10**6, stream_tokens_per_s=1000)))
    assert full.seconds >= 40 * 1000 / (4 * 300)


def test_larger_leases_cost_fewer_calls() -> None:
    small, large = (
        run_virtually(simulate(replace(FLEET, quota_tokens=10**6, lease_tokens=lease))).store_calls
        for lease in (64, 1024)
    )
    assert small > 3 * large  # each server asks once a second besides


def test_a_balancer_that_knows_nothing_is_less_even() -> None:
    many = replace(FLEET, keys=500, skew=0.5, quota_tokens=10**6, requests=200)
    even, uneven = (
        run_virtually(simulate(replace(many, balancing=each))).imbalance
        for each in (Balancing.LEAST, Balancing.RANDOM)
    )
    assert even < uneven


def test_command_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--servers 2 --keys 3 --streams 4 --quota-tokens 300 --tokens 100 --seconds 20 --lease-tokens 32"
    main(words.split())
    told = json.loads(capsys.readouterr().out)
    assert (told["servers"], told["keys"], told["balancing"]) == (2, 3, "least-conn")
    assert told["spent_keys"] == 3
    assert 900 <= told["thinking_tokens"] <= 900 + 3 * 2 * 8


@pytest.mark.parametrize(
    "words",
    [
        "--servers 0",
        "--keys 0",
        "--lease-tokens 0",
        "--tokens 100 -1",
        "--seconds 0",
        "--seconds inf",
        "--skew nan",
        "--store-latency-ms -1",
        "--engine-tokens-per-s 0",
        "--balancing fair",
    ],
)
def test_wrong_value_ends_the_command_with_the_flags_name(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    assert f"argument {words.split()[0]}: " in capsys.readouterr().err
