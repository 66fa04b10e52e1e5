"""Rows of two servers become ratios, pair by pair, beside those of stock against itself."""

import sys
from pathlib import Path

import pytest

from evals.bench.against_stock import ARMS, OURS, STOCK, flags, summary
from evals.bench.served import Command, Served
from evals.bench.streams import BenchError

HEALTHY = (
    "import http.server, sys; H = http.server.BaseHTTPRequestHandler;"
    "H.do_GET = lambda self: (self.send_response(200), self.end_headers());"
    "sum(range(10**7)); http.server.HTTPServer(('127.0.0.1', int(sys.argv[-1])), H).serve_forever()"
)


def test_ratio_is_of_the_pair_and_spread_is_stocks_own() -> None:
    pairs = [
        {OURS: {"stream.cpu_ms_a_token": ours, "stream.tokens": 9}, STOCK: {"stream.cpu_ms_a_token": stock}}
        for ours, stock in ((1.0, 1.0), (3.0, 2.0), (2.0, 1.0))
    ]
    table = summary(pairs)
    assert list(table) == ["stream.cpu_ms_a_token"]
    row = table["stream.cpu_ms_a_token"]
    assert (row["median"], row["least"], row["most"]) == (1.5, 1.0, 2.0)
    assert (row["stock_least"], row["stock_most"]) == (0.5, 2.0)


def test_every_arm_is_run_by_default() -> None:
    assert flags([]).arms.split(",") == list(ARMS)


def test_counters_are_those_of_the_commands_own_process(tmp_path: Path) -> None:
    with Served(Command([sys.executable, "-c", HEALTHY], tmp_path, {}), tmp_path / "log") as served:
        assert served.ready_s > 0
        assert 0 < served.cpu_s < 60
        assert 2**20 < served.resident_bytes < 2**30
    assert served.stop_s > 0


def test_server_that_ends_at_once_is_said_to(tmp_path: Path) -> None:
    dead = Command([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, {})
    with pytest.raises(BenchError, match="is not ready"), Served(dead, tmp_path / "log"):
        pass
