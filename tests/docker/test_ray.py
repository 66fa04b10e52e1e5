"""Two replicas behind Ray Serve: streams come through, a killed one is replaced, a stopped one drains."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.environments import installed

ROOT = Path(__file__).parents[2]
TOKENS = 1200
PACKAGES = ("ray[serve]==2.60.0", "httpx==0.28.1")


pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What `ray_drive.py` saw."""
    python = installed(*PACKAGES) / "python"
    serve = shlex.join(["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "server"])
    drive, folder = Path(__file__).with_name("ray_drive.py"), ROOT / "docker" / "ray"
    command = [str(python), str(drive), str(folder), serve]
    environment = {**os.environ, "MODEL_NAME": f"nano-{uuid4().hex}", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1500, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_stream_comes_through_with_its_report(told: dict[str, Any]) -> None:
    stream = told["stream"]
    assert (stream["status"], stream["whole"]) == (200, True)
    assert stream["events"] > 20  # piece by piece
    assert stream["thinking"]["waits_used"] == 1
    assert told["refused"] == 404  # the server's own answer to a model that it has not
    assert told["unknown path"][0] == 404
    assert len(told["types"]) == 1


def test_killed_replica_takes_its_server_along_and_is_replaced(told: dict[str, Any]) -> None:
    killed = told["killed"]
    whole = [each for each in killed if each["whole"]]
    assert 0 < len(whole) < len(killed)  # those of the other replica go on
    assert {each["usage"]["completion_tokens"] for each in whole} == {TOKENS}
    assert told["engines"] > 0
    assert told["server of it gone"]
    assert told["replaced"]


def test_stopped_application_lets_its_streams_end_and_leaves_no_server(told: dict[str, Any]) -> None:
    assert [(each["whole"], each["usage"]["completion_tokens"]) for each in told["drained"]] == [
        (True, TOKENS)
    ] * 4
    assert told["ended"]
