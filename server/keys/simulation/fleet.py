"""Servers behind a balancer, and clients that ask one thing after another with keys that have quotas.

The meters are the server's own (server/keys/store/leased_meter.py); engine, edge, balancer and store are
models: an engine makes a token for each of its streams a step, and a step takes as long as the engine, or the
API process, needs for that many tokens.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from statistics import fmean

from server.keys.meter import Quota
from server.keys.simulation.store import SimulatedLedger, SimulatedStore
from server.keys.store.leased_meter import LeasedMeter
from server.keys.store.redis_store import CHECK_ACCOUNT, CHECK_KEY, CHECK_QUOTA, LOOK_EVERY_S

ENDS_AFTER_STEPS = 1
"""A stream whose key is spent gets so many tokens more: its end is asked for while the next step runs."""
REFUSED_WAITS_S = 1.0
"""How soon a refused client comes again, with another key."""


class Balancing(StrEnum):
    """How a request finds its server."""

    LEAST = "least-conn"
    """One balancer that knows how many requests each server has."""
    RANDOM = "random"
    """Many balancers that know nothing of each other."""
    KEY = "key"
    """By a hash of the key."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is simulated."""

    servers: int
    keys: int
    clients: int
    """Requests at once, over all servers."""
    quota_tokens: int
    lease_tokens: int
    tokens: Sequence[int]
    """Thinking tokens of a request: one of these."""
    engine_tokens_per_s: float
    stream_tokens_per_s: float
    edge_s_per_token: float
    """CPU of the API process."""
    store_latency_s: float
    store_work_s: float
    balancing: Balancing = Balancing.LEAST
    skew: float = 1.0
    """Keys are asked with as 1 / rank ** skew."""
    seconds: float = 60.0
    requests: int = 0
    """Ends after so many as well; 0: no limit."""
    seed: int = 0


@dataclass(slots=True)
class Stream:
    """A request that thinks."""

    key: int
    left: int
    done: "asyncio.Future[None]"


@dataclass
class Server:
    """One server: its meters, and the streams of its engine."""

    number: int
    fleet: Fleet
    store: SimulatedStore
    streams: list[Stream] = field(default_factory=list)
    meters: dict[int, LeasedMeter] = field(default_factory=dict)
    waiting: int = 0
    """Requests that ask the store, and have no stream yet."""
    thought: Counter[int] = field(default_factory=Counter)
    """Tokens by key."""
    edge_s: float = 0.0
    _has_work: asyncio.Event = field(default_factory=asyncio.Event)

    def meter(self, key: int) -> LeasedMeter:
        """The key's, in this process."""
        if key not in self.meters:
            ledger = SimulatedLedger(self.store, self.number, self.fleet.lease_tokens)
            clock = asyncio.get_running_loop().time
            quota = Quota(self.fleet.quota_tokens, 86_400)
            self.meters[key] = meter = LeasedMeter(f"{key}", quota, ledger, clock)
            meter.on_spent = lambda: self._end(key)
        return self.meters[key]

    async def answer(self, key: int, tokens: int) -> bool:
        """Think for so many tokens, or until the key is spent. Returns whether it was not refused."""
        meter, self.waiting = self.meter(key), self.waiting + 1
        try:
            await meter.refresh(wants_more=True)
        finally:
            self.waiting -= 1
        if meter.is_spent:
            return False
        stream = Stream(key, tokens, asyncio.get_running_loop().create_future())
        self.streams.append(stream)
        self._has_work.set()
        await stream.done
        return True

    async def run(self) -> None:
        """The engine, step by step."""
        fleet = self.fleet
        while True:
            await self._has_work.wait()
            count = len(self.streams)
            step_s = max(1 / fleet.stream_tokens_per_s, count / fleet.engine_tokens_per_s)
            self.edge_s += (edge_s := count * fleet.edge_s_per_token)
            await asyncio.sleep(max(step_s, edge_s))
            for stream in self.streams[:count]:
                self.thought[stream.key] += 1
                stream.left -= 1
                self.meter(stream.key).spend(1)
            for stream in self.streams:
                if stream.left <= 0:
                    stream.done.set_result(None)
            self.streams = [stream for stream in self.streams if stream.left > 0]
            if not self.streams:
                self._has_work.clear()

    async def watch(self) -> None:
        """Whether the store is up, as RedisStore asks."""
        ledger = SimulatedLedger(self.store, self.number, self.fleet.lease_tokens)
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await ledger.settle(CHECK_KEY, CHECK_QUOTA, CHECK_ACCOUNT)

    def _end(self, key: int) -> None:
        for stream in self.streams:
            if stream.key == key:
                stream.left = min(stream.left, ENDS_AFTER_STEPS)


@dataclass(slots=True)
class Seen:
    """What came of a run."""

    seconds: float = 0.0
    requests: int = 0
    refused: int = 0
    tokens: int = 0
    store_calls: int = 0
    store_busy_s: float = 0.0
    edge_busy: float = 0.0
    """Of a core, in the mean of all servers."""
    spent_keys: int = 0
    overshoot: list[int] = field(default_factory=list)
    """Tokens past its quota, of each key that is spent."""
    most_streams: list[int] = field(default_factory=list)
    """Of the fullest server, each second."""
    mean_streams: list[float] = field(default_factory=list)

    @property
    def imbalance(self) -> float:
        """Streams of the fullest server to those of the mean one, over the run."""
        return fmean(self.most_streams) / fmean(self.mean_streams) if self.mean_streams else 1.0


async def simulate(fleet: Fleet) -> Seen:
    """Run it, in the time of the event loop; see `run_virtually`."""
    store = SimulatedStore(fleet.store_latency_s, fleet.store_work_s)
    servers = [Server(number, fleet, store) for number in range(fleet.servers)]
    seen, chance, loop = Seen(), random.Random(fleet.seed), asyncio.get_running_loop()
    weights = list(accumulate((rank + 1) ** -fleet.skew for rank in range(fleet.keys)))

    def server_of(key: int) -> Server:
        if fleet.balancing is Balancing.KEY:
            return servers[random.Random(key).randrange(len(servers))]
        if fleet.balancing is Balancing.RANDOM:
            return chance.choice(servers)
        return min(servers, key=lambda each: (len(each.streams) + each.waiting, chance.random()))

    async def client() -> None:
        while not fleet.requests or seen.requests < fleet.requests:
            (key,) = chance.choices(range(fleet.keys), cum_weights=weights)
            seen.requests += 1
            if not await server_of(key).answer(key, chance.choice(fleet.tokens)):
                seen.refused += 1
                await asyncio.sleep(REFUSED_WAITS_S)

    async def look() -> None:
        while True:
            await asyncio.sleep(1)
            counts = [len(each.streams) for each in servers]
            seen.most_streams.append(max(counts))
            seen.mean_streams.append(fmean(counts))

    engines = [asyncio.create_task(work) for each in servers for work in (each.run(), each.watch())]
    engines.append(asyncio.create_task(look()))
    clients = [asyncio.create_task(client()) for _ in range(fleet.clients)]
    _, running = await asyncio.wait(clients, timeout=fleet.seconds)
    seen.seconds = loop.time()
    seen.store_calls, seen.store_busy_s = store.calls, store.busy_s
    for task in (*running, *engines):
        task.cancel()
    await asyncio.gather(*running, *engines, return_exceptions=True)
    for each in servers:
        for meter in each.meters.values():
            await meter.close()
    thought = sum((each.thought for each in servers), Counter[int]())
    seen.tokens = thought.total()
    seen.edge_busy = fmean(each.edge_s for each in servers) / seen.seconds
    seen.overshoot = [count - fleet.quota_tokens for count in thought.values() if count >= fleet.quota_tokens]
    seen.spent_keys = len(seen.overshoot)
    return seen
