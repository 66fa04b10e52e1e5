"""A long run against a server of its own: mixed requests on all endpoints, many at once, for minutes.

Clients leave, make mistakes, spend quotas, end thinking from outside, load and unload adapters. Afterwards
the sums of all responses equal /metrics to the token, the gauges are back at zero, memory has stopped
growing and the descriptors are back: `make soak`. The exit status is 1 where any of it is not so.
"""

import argparse
import asyncio
import json
import random
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from evals.bench.errands import ADAPTER_RANK, Errands, WrongReplyError, key_file, write_adapter
from evals.bench.ledger import GAUGES, Ledger, totals
from evals.bench.mix import CEILING, Job, Json, Mix
from evals.bench.served import Command, Served
from evals.bench.streams import BenchError
from evals.manifest import client
from server.reasoning.command import exit_status

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "server" / "models" / "nano"
KEY = "sk-soak"
SAMPLE_EVERY_S = 2.0
WINDOW_S = 30.0
"""Of the samples of each such window the least counts: what is there between two collections of garbage."""
SETTLED_AFTER = 1 / 3
"""Of the run: memory is measured from there on, once caches and allocators have what they need."""
QUIET_WITHIN_S = 120.0
MAX_SLOPE_MIB_A_MINUTE = 1.0
HANGING_UP_S = 10
"""uvicorn closes what is idle after 5."""
ENDED = "s1_requests_total"


def flags(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's flags."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="stop sending after; default: %(default)s")
    parser.add_argument("--requests", type=int, default=0, help="or after so many requests; 0: no limit")
    parser.add_argument("--at-once", type=int, default=40, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the order; default: %(default)s")
    parser.add_argument("--no-adapters", action="store_true", help="load no LoRA: the server starts without")
    serve = [sys.executable, "-m", "server"]
    parser.add_argument("--serve", default=shlex.join(serve), help="the server's command; flags are appended")
    parser.add_argument("--out", type=Path, default=Path("build/soak.json"))
    given = parser.parse_args(arguments)
    if given.seconds <= 0 or given.at_once < 1 or given.requests < 0:
        parser.error("--seconds and --at-once must be above 0, --requests 0 or above")
    return given


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    given = flags(arguments)
    return exit_status("soak", lambda: run(given), BenchError)


def run(given: argparse.Namespace) -> int:
    """Start the server, soak it, stop it, and write what was found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command, adapter = _command(given, folder)
        with Served(command, folder / "log") as served:
            soak = Soak(given, served, folder / "log", adapter)
            found = asyncio.run(soak.run())
        found["stop_s"] = round(served.stop_s, 2)
    written = {
        "command": shlex.join([sys.executable, "-m", "evals.bench.soak", *sys.argv[1:]]),
        "server": asdict(command) | {"words": list(command.words)},
        "client": client(),
        **found,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(written, indent=1, default=str) + "\n")
    for claim, holds in found["holds"].items():
        print(f"{'yes' if holds else 'NO ':3} {claim}")
    print(f"{found['requests']} requests in {found['seconds']:.0f} s: {given.out}")
    return 0 if all(found["holds"].values()) else 1


def _command(given: argparse.Namespace, folder: Path) -> tuple[Command, Path | None]:
    (folder / "keys.toml").write_text(key_file(KEY))
    words = [*shlex.split(given.serve), "--log-format", "json", "--max-thinking-budget", str(CEILING)]
    words += ["--api-keys-file", str(folder / "keys.toml")]
    environment = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    adapter = None
    if not given.no_adapters:
        adapter = folder / "adapter"
        write_adapter(adapter, json.loads((MODEL / "config.json").read_text()))
        # One is loaded from the start: vLLM 0.32 on a CPU dies of a base model's request before any was.
        words += ["--enable-lora", "--max-lora-rank", str(ADAPTER_RANK), "--max-loras", "2"]
        words += ["--lora-modules", f"first={adapter}"]
        environment["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "1"
    return Command(words, ROOT, environment), adapter


@dataclass(slots=True)
class Soak:
    """One run. `log`: where the server writes it."""

    given: argparse.Namespace
    served: Served
    log: Path
    adapter: Path | None
    ledger: Ledger = field(default_factory=Ledger)
    memory: list[tuple[float, int]] = field(default_factory=list)
    """Seconds since the start, bytes."""
    _sent: int = 0
    _began: float = 0.0

    async def run(self) -> dict[str, Any]:
        """What was found, and which of the claims hold."""
        async with self._client() as http:
            await self._warm_up(http)
        before = await self._descriptors(lambda _: False)
        async with self._client() as http:
            counted, line = await self._totals(http), len(self._lines())
            seconds = await self._load(http)
            grown = await self._quiet(http)
        self.ledger.add_lines(self._lines()[line:], sampling_key="sampling")
        after = await self._descriptors(lambda count: count <= before)
        return self._found(seconds, self.ledger.compare(counted, grown), grown, (before, after))

    def _client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=self.given.at_once)
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx.AsyncClient(base_url=self.served.url, timeout=600, limits=limits, headers=headers)

    async def _warm_up(self, http: httpx.AsyncClient) -> None:
        """Each kind once; first of all an adapter, as the server needs it."""
        if self.adapter is not None:
            body = {"model": "first", "prompt": "17", "max_tokens": 5}
            (await http.post("/v1/completions", json=body)).raise_for_status()
        for _, job in self._table(http):
            await job()
        await self._quiet(http)

    def _table(self, http: httpx.AsyncClient) -> list[tuple[int, Job]]:
        seed = self.given.seed
        mix, errands = Mix(http, random.Random(seed)), Errands(http, self.adapter, random.Random(seed + 1))
        return [*mix.table, *errands.table]

    async def _load(self, http: httpx.AsyncClient) -> float:
        """Send until time or number is up. Returns the seconds that it took."""
        weights, jobs = zip(*self._table(http), strict=True)
        chance = random.Random(self.given.seed + 2)
        self._began = time.perf_counter()
        watching = asyncio.create_task(self._watch())
        await asyncio.gather(*(self._send(jobs, weights, chance) for _ in range(self.given.at_once)))
        seconds = time.perf_counter() - self._began
        watching.cancel()
        return seconds

    async def _send(self, jobs: Sequence[Job], weights: Sequence[int], chance: random.Random) -> None:
        """One client: a request after the other."""
        while self._elapsed_s < self.given.seconds:
            if self.given.requests and self._sent >= self.given.requests:
                return
            self._sent += 1
            (job,) = chance.choices(jobs, weights)
            try:
                self.ledger.add(await job())
            except (WrongReplyError, httpx.HTTPError, KeyError, ValueError) as error:
                self.ledger.fail(job.__name__, repr(error))

    @property
    def _elapsed_s(self) -> float:
        return time.perf_counter() - self._began

    async def _watch(self) -> None:
        while True:
            self.memory.append((self._elapsed_s, await asyncio.to_thread(lambda: self.served.resident_bytes)))
            await asyncio.sleep(SAMPLE_EVERY_S)

    async def _totals(self, http: httpx.AsyncClient) -> Counter[str]:
        return totals((await http.get("/metrics")).text)

    async def _quiet(self, http: httpx.AsyncClient) -> Counter[str]:
        """The counts once nothing runs, and nothing is counted any more; at the latest after a while."""
        began, last = time.perf_counter(), Counter[str]()
        while time.perf_counter() - began < QUIET_WITHIN_S:
            now = await self._totals(http)
            if not any(now[name] for name in GAUGES) and now[ENDED] == last[ENDED]:
                return now
            last = now
            await asyncio.sleep(1)
        return last

    async def _descriptors(self, is_enough: Callable[[int], bool]) -> int:
        """Once every client has hung up: as soon as they are few enough, or no fewer for a while."""
        seen = [self.served.descriptors]
        while not is_enough(seen[-1]) and (len(seen) < HANGING_UP_S or seen[-1] < seen[-HANGING_UP_S]):
            await asyncio.sleep(1)
            seen.append(self.served.descriptors)
        return seen[-1]

    def _lines(self) -> list[Json]:
        """Of the log, one for each choice that ended."""
        with self.log.open(encoding="utf-8") as log:
            lines = [json.loads(line) for line in log if line.startswith("{")]
        return [line for line in lines if line.get("message") == "ended"]

    def _found(
        self,
        seconds: float,
        sums: Mapping[str, Mapping[str, int]],
        metrics: Mapping[str, int],
        descriptors: tuple[int, int],
    ) -> dict[str, Any]:
        settled = [(at, size) for at, size in self.memory if at >= SETTLED_AFTER * seconds]
        slope = slope_mib_a_minute(floor(settled))
        gauges = {name: metrics.get(name, 0) for name in GAUGES}
        holds = {
            "each request got what it should": self.ledger.failed == 0,
            "the sums of the responses are those of /metrics": all(
                each["responses"] == each["metrics"] for each in sums.values()
            ),
            "the gauges are at zero": not any(gauges.values()),
            "memory has stopped growing": slope is not None and slope < MAX_SLOPE_MIB_A_MINUTE,
            "the descriptors are back": descriptors[1] <= descriptors[0],
        }
        return {
            "holds": holds,
            "seconds": seconds,
            "requests": self._sent,
            "kinds": dict(sorted(self.ledger.kinds.items())),
            "statuses": dict(sorted(self.ledger.statuses.items())),
            "failed": self.ledger.failed,
            "failures": self.ledger.failures,
            "sums": sums,
            "gauges": gauges,
            "descriptors": {"before": descriptors[0], "after": descriptors[1]},
            "memory": {
                "slope_mib_a_minute": slope,
                "measured_from_s": SETTLED_AFTER * seconds,
                "samples_s_bytes": [(round(at, 1), size) for at, size in self.memory],
            },
        }


def floor(samples: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """The least of each window, where it was found."""
    least: dict[int, tuple[float, int]] = {}
    for at, size in samples:
        window = int(at // WINDOW_S)
        if window not in least or size < least[window][1]:
            least[window] = (at, size)
    return list(least.values())


def slope_mib_a_minute(samples: Sequence[tuple[float, int]]) -> float | None:
    """Of (seconds, bytes), by Theil and Sen: the median over all pairs. None: there are too few."""
    if len(samples) < 3:
        return None
    slopes = [(b - a) / (later - at) for (at, a), (later, b) in combinations(samples, 2) if later > at]
    return median(slopes) * 60 / 2**20


if __name__ == "__main__":
    sys.exit(main())
