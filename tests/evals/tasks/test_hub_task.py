"""Every task reads its problems from the hub by the real `datasets`, over a loopback hub."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import pytest

from evals.tasks.source import Hub
from tests.evals.tasks.test_tasks import QUESTION, ROWS, loaded, write
from tests.hub import card, hub

ON_THE_HUB = {name: row for name, (row, _) in ROWS.items() if name != "nano"} | {"gpqa_diamond": QUESTION}

LOAD_ALL = """
import json, sys
from dataclasses import asdict
from evals.tasks import task_named
from evals.tasks.task import Load
for name in sys.argv[1:]:
    print(json.dumps([name, [asdict(one) for one in task_named(name).load(Load(None, None, 0))]]))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    repositories = {}
    for name, row in ON_THE_HUB.items():
        where: Hub = import_module(f"evals.tasks.{name}").HUB
        text, paths = card([(where.config or "default", where.split), ("elsewhere", "train")])
        wrong, right = b'{"nothing": 1}\n', json.dumps(row).encode() + b"\n"
        files = {path: wrong if config == "elsewhere" else right for (config, _), path in paths.items()}
        repositories[where.path] = {"README.md": text, **files}
    with hub(repositories, tmp_path_factory.mktemp("hub")) as found:
        yield {**os.environ, **found}


def test_every_task_loads_from_the_hub_what_its_file_gives(
    environment: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", LOAD_ALL, *ON_THE_HUB]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = dict(map(json.loads, done.stdout.splitlines()))
    for name, row in ON_THE_HUB.items():
        file = loaded(name, write(tmp_path / f"{name}.jsonl", row))
        assert found[name] == json.loads(json.dumps([asdict(one) for one in file])), name


def test_a_sweep_runs_on_problems_from_the_hub(
    environment: dict[str, str], server_url: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "evals", "sweep", "--task", "gsm8k", "--max-tokens", "16"]
    command += ["--base-url", f"{server_url}/v1", "--model", "s1-nano", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert "gsm8k" in json.dumps(manifest)
    assert list((tmp_path / "out" / "cells").iterdir())
