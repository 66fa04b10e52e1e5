"""Debian's Prometheus, with the shipped configuration."""

import math
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.docker.board import CONFIG, RULES, Json

SCRAPE_S = 1


def installed_prometheus() -> str:
    """Debian's; promtool comes with it."""
    if shutil.which("prometheus") is None:
        subprocess.run(["apt-get", "update", "-qq"], check=True, timeout=300)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "prometheus"]
        subprocess.run(install, check=True, timeout=600)
    command = shutil.which("prometheus")
    assert command is not None
    return command


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs at `url`."""

    url: str

    def get(self, path: str, **parameters: str) -> Any:
        """Of its API; an expression that does not parse fails here."""
        response = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30)
        if response.is_server_error:  # it still starts
            response.raise_for_status()
        answer: Json = response.json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def values(self, expr: str) -> list[float]:
        """What the expression gives now, NaN left out."""
        found = self.get("query", query=expr)["result"]
        return [value for each in found if not math.isnan(value := float(each["value"][1]))]


@contextmanager
def watching(command: str, folder: Path, server_urls: Sequence[str]) -> Iterator[Prometheus]:
    """The shipped configuration, with the servers' real addresses, and faster."""
    config = yaml.safe_load(CONFIG.read_text())
    (job,) = config["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [url.removeprefix("http://") for url in server_urls]}]
    config["global"] = {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"}
    (folder / CONFIG.name).write_text(yaml.safe_dump(config))
    shutil.copy(RULES, folder / RULES.name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    flags = [f"--config.file={folder / CONFIG.name}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "prometheus.log").open("w") as out:
        process = subprocess.Popen(
            [command, *flags, f"--web.listen-address={address}"], stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield Prometheus(f"http://{address}")
    finally:
        process.terminate()
        process.wait(timeout=300)


def until(condition: Callable[[], Any], seconds: float = 300) -> None:
    """Wait for it to hold."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.5)
