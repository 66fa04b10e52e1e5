"""Prints what a fleet's shared quotas would do: `python -m server.keys.simulation --help`."""

import argparse
import json
from collections.abc import Sequence
from math import isfinite, nan
from statistics import fmean, quantiles

from server.keys.simulation.fleet import Balancing, Fleet, Seen, simulate
from server.keys.simulation.virtual_time import run_virtually

THINKING_TOKENS = (200, 500, 1000, 2000, 4000, 8000)


def at_least_1(text: str) -> int:
    """A whole number of things.

    Raises:
        argparse.ArgumentTypeError: It is none, or below 1.
    """
    if not text.isdecimal() or not (value := int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return value


def at_least_0(text: str) -> float:
    """A finite number.

    Raises:
        argparse.ArgumentTypeError: It is none, or negative.
    """
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not (isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return value


def above_0(text: str) -> float:
    """A finite number.

    Raises:
        argparse.ArgumentTypeError: It is none, or not above 0.
    """
    if not (value := at_least_0(text)):
        raise argparse.ArgumentTypeError("0 is not above 0")
    return value


def flags(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's flags."""
    parser = argparse.ArgumentParser(prog="python -m server.keys.simulation", description=__doc__)
    add = parser.add_argument
    add("--servers", type=at_least_1, default=100)
    add("--keys", type=at_least_1, default=10_000)
    add("--streams", type=at_least_1, default=64, help="requests at once of a server, in the mean")
    add("--quota-tokens", type=at_least_1, default=100_000, help="of each key")
    add("--lease-tokens", type=at_least_1, default=1024, help="--quota-lease-tokens")
    add(
        "--tokens",
        type=at_least_1,
        nargs="+",
        default=THINKING_TOKENS,
        help="thinking tokens of a request: one of",
    )
    add("--engine-tokens-per-s", type=above_0, default=3000, help="of one server")
    add("--stream-tokens-per-s", type=above_0, default=60, help="of one request alone")
    add("--edge-ms-per-token", type=at_least_0, default=0.09, help="CPU of the API process")
    add("--store-latency-ms", type=at_least_0, default=0.5, help="there and back")
    add("--store-work-ms", type=at_least_0, default=0.03, help="of the store itself, for one call")
    add("--balancing", type=Balancing, choices=list(Balancing), default=Balancing.LEAST)
    add("--skew", type=at_least_0, default=1.0, help="keys are asked with as 1 / rank ** skew")
    add("--seconds", type=above_0, default=60)
    add("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def told(fleet: Fleet, seen: Seen) -> dict[str, object]:
    """What is printed."""
    per_key = sorted(seen.overshoot)
    return {
        "servers": fleet.servers,
        "keys": fleet.keys,
        "balancing": fleet.balancing.value,
        "seconds": round(seen.seconds, 1),
        "requests": seen.requests,
        "refused": seen.refused,
        "thinking_tokens": seen.tokens,
        "tokens_per_s": round(seen.tokens / seen.seconds),
        "store_calls_per_s": round(seen.store_calls / seen.seconds, 1),
        "store_busy": round(seen.store_busy_s / seen.seconds, 4),
        "edge_busy": round(seen.edge_busy, 3),
        "imbalance": round(seen.imbalance, 3),
        "spent_keys": seen.spent_keys,
        "overshoot_tokens": {
            "mean": round(fmean(per_key), 1) if per_key else 0,
            "p99": round(quantiles(per_key, n=100)[-1], 1) if len(per_key) > 1 else 0,
            "most": max(per_key, default=0),
        },
        "overshoot_share": round(sum(per_key) / (fleet.quota_tokens * len(per_key)), 5) if per_key else 0,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, and print one line of JSON."""
    given = flags(arguments)
    fleet = Fleet(
        servers=given.servers,
        keys=given.keys,
        clients=given.servers * given.streams,
        quota_tokens=given.quota_tokens,
        lease_tokens=given.lease_tokens,
        tokens=given.tokens,
        engine_tokens_per_s=given.engine_tokens_per_s,
        stream_tokens_per_s=given.stream_tokens_per_s,
        edge_s_per_token=given.edge_ms_per_token / 1000,
        store_latency_s=given.store_latency_ms / 1000,
        store_work_s=given.store_work_ms / 1000,
        balancing=given.balancing,
        skew=given.skew,
        seconds=given.seconds,
        seed=given.seed,
    )
    print(json.dumps(told(fleet, run_virtually(simulate(fleet)))))


if __name__ == "__main__":
    main()
