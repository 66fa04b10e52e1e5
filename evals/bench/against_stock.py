"""What the HTTP edge costs: s1-serve against stock vLLM in pairs, the first of a pair alternating.

Each pair starts both servers on the same model and asks both for the same number of tokens, arm by arm.
Prints each row's median ratio (ours / stock) with the smallest and the largest of the pairs, which hold the
true median with a probability of 1 - 2^(1 - pairs), beside the spread of stock against stock of the pair
before, and writes everything to --out: `make bench-http`.
"""

import argparse
import json
import random
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from evals.bench.served import Command, Served
from evals.bench.streams import Batch, BenchError
from evals.manifest import client
from server.reasoning.command import exit_status

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "server" / "models" / "nano"
NAME = "s1-nano"
ENGINE_FLAGS = ["--enforce-eager", "--max-num-seqs", "128", "--kv-cache-memory-bytes", str(1 << 30)]
ENGINE_FLAGS += ["--dtype", "float32"]
"""Of both. bfloat16 is slow on a CPU that has no instructions for it, and the engine would be measured."""
PARSER_FLAGS = ["--reasoning-parser", "deepseek_r1"]
"""For stock: the model's marks are DeepSeek-R1's."""
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
ARMS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "stream": (STREAM, {}),
    "max": (STREAM, {"thinking_budget": 256}),
    "waits": (STREAM, {"thinking_budget": {"num_waits": 4}}),
    "detail": (STREAM, {"thinking_budget": {"detail": True}}),
    "whole": ({}, {}),
}
"""What both are asked, and what ours is asked besides."""
OURS, STOCK = "ours", "stock"
WARM_UP_TOKENS = 64

Row = dict[str, float]


def flags(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's flags."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--streams", type=int, default=64, help="requests at once")
    parser.add_argument("--tokens", type=int, default=768, help="of each response")
    parser.add_argument("--rounds", type=int, default=1, help="batches of an arm in one start of a server")
    parser.add_argument("--arms", default=",".join(ARMS), help="default: %(default)s")
    stock = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(MODEL)]
    stock += ["--served-model-name", NAME, "--host", "127.0.0.1", *ENGINE_FLAGS, *PARSER_FLAGS]
    ours = [sys.executable, "-m", "server", *ENGINE_FLAGS]
    parser.add_argument("--stock", default=shlex.join(stock), help="command of the other server")
    parser.add_argument("--stock-folder", type=Path, default=ROOT, help="where it is started")
    parser.add_argument("--ours", default=shlex.join(ours), help="our command")
    parser.add_argument("--key", default="", help="API key of the requests to both, if one wants it")
    parser.add_argument("--out", type=Path, default=Path("build/bench-http.json"))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    given = flags(arguments)
    return exit_status("bench-http", lambda: compare(given), BenchError)


def compare(given: argparse.Namespace) -> int:
    """Run all pairs, print the table, write the file after each pair."""
    # Offline: both look for nothing outside, as a measurement should.
    environment = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    commands = {
        OURS: Command(shlex.split(given.ours), ROOT, environment),
        STOCK: Command(shlex.split(given.stock), given.stock_folder, environment),
    }
    pairs: list[dict[str, Row]] = []
    for number in range(given.pairs):
        order = (STOCK, OURS) if number % 2 else (OURS, STOCK)
        pairs.append({side: measure(commands[side], side, given) for side in order})
        table = summary(pairs)
        _write(given, commands, pairs, table)
        print(json.dumps({name: cells["ratios"][-1] for name, cells in table.items()}), flush=True)
    for name, cells in table.items():
        print(
            f"{name:28} {cells['median']:6.3f}  {cells['least']:.3f} to {cells['most']:.3f}"
            f"   stock / stock {cells['stock_least']:.3f} to {cells['stock_most']:.3f}"
        )
    return 0


def measure(command: Command, side: str, given: argparse.Namespace) -> Row:
    """Start a server, ask it every arm, stop it. Returns seconds, bytes, and per arm the costs a token."""
    row: Row = {}
    with tempfile.TemporaryDirectory() as folder, Served(command, Path(folder) / "log") as served:
        row["ready_s"] = served.ready_s
        for arm in given.arms.split(","):
            asked = {**ARMS[arm][0], **(ARMS[arm][1] if side == OURS else {})}
            _batch(served, asked, given, WARM_UP_TOKENS).ask()
            before, driver = served.cpu_s, time.process_time()
            loads = [_batch(served, asked, given, given.tokens).ask() for _ in range(given.rounds)]
            tokens = sum(each.tokens for each in loads)
            row[f"{arm}.cpu_ms_a_token"] = 1000 * (served.cpu_s - before) / tokens
            row[f"{arm}.tokens_per_s"] = tokens / sum(each.seconds for each in loads)
            row[f"{arm}.tokens"] = tokens
            row[f"{arm}.tokens_an_event"] = tokens / max(1, sum(each.events for each in loads))
            row[f"{arm}.driver_cpu_ms_a_token"] = 1000 * (time.process_time() - driver) / tokens
        row["resident_bytes"] = served.resident_bytes
    row["stop_s"] = served.stop_s
    print(json.dumps({side: {name: round(value, 4) for name, value in row.items()}}), flush=True)
    return row


def _batch(served: Served, asked: Mapping[str, Any], given: argparse.Namespace, tokens: int) -> Batch:
    numbers = random.Random(0)
    return Batch(
        served.url,
        [
            {
                "model": NAME,
                "messages": [{"role": "user", "content": f"Find the smallest prime factor of {n}."}],
                "max_tokens": tokens,
                "temperature": 1.0,
                "ignore_eos": True,
                **asked,
            }
            for n in (numbers.randrange(101, 9999, 2) for _ in range(given.streams))
        ],
        given.key,
    )


def summary(pairs: Sequence[Mapping[str, Row]]) -> dict[str, dict[str, Any]]:
    """By row: the ratio ours / stock of each pair, and of stock against stock of the pair before."""
    table = {}
    for name in pairs[0][OURS]:
        if name.endswith((".tokens", ".tokens_an_event", ".driver_cpu_ms_a_token")):
            continue
        ratios = [pair[OURS][name] / pair[STOCK][name] for pair in pairs]
        stock = [later[STOCK][name] / earlier[STOCK][name] for earlier, later in pairwise(pairs)] or [1.0]
        table[name] = {
            "median": median(ratios),
            "least": min(ratios),
            "most": max(ratios),
            "stock_least": min(stock),
            "stock_most": max(stock),
            "ratios": ratios,
        }
    return table


def _write(
    given: argparse.Namespace,
    commands: Mapping[str, Command],
    pairs: Sequence[Mapping[str, Row]],
    table: Mapping[str, Any],
) -> None:
    told = {
        "command": shlex.join([sys.executable, "-m", "evals.bench.against_stock", *sys.argv[1:]]),
        "commands": {side: asdict(command) for side, command in commands.items()},
        "client": client(),
        "summary": table,
        "pairs": pairs,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(told, indent=1, default=str) + "\n")


if __name__ == "__main__":
    sys.exit(main())
