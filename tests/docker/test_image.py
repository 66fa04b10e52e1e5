"""The CPU image, instruction by instruction in a clean Debian, until its health check passes."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.build import Builder, Image, inside, running
from tests.docker.dockerfile import read_dockerfile

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile.cpu"
HEALTHY_WITHIN_S = 600

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.timeout(5400),
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("apt-get"), reason="needs root on a Debian"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Image, Builder]]:
    """Gigabytes, taken away in the end."""
    folder = tmp_path_factory.mktemp("image")
    builder = Builder(folder, ROOT)
    try:
        yield builder.build(DOCKERFILE), builder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_every_instruction_runs_and_the_image_gets_healthy_as_nobody_special(
    built: tuple[Image, Builder], tmp_path: Path
) -> None:
    image, builder = built
    stages = read_dockerfile(DOCKERFILE)
    assert builder.ran == [i.text for stage in stages for i in stage.instructions if i.keyword == "RUN"]
    assert image.user == "10001"
    with running(image, tmp_path / "log") as server:
        began = time.monotonic()
        while inside(server, image, image.healthcheck) != 0:
            assert server.poll() is None, (tmp_path / "log").read_text()[-3000:]
            assert time.monotonic() - began < HEALTHY_WITHIN_S
            time.sleep(1)
        assert int(Path(f"/proc/{server.pid}/status").read_text().split("Uid:")[1].split()[0]) == 10001
        ask = (
            "import json, urllib.request as r; b = {'model': 's1-nano', 'thinking_budget': 12, 'messages': "
            "[{'role': 'user', 'content': 'Find the smallest prime factor of 391.'}]}; q = r.Request("
            "'http://127.0.0.1:8000/v1/chat/completions', json.dumps(b).encode(), "
            "{'Content-Type': 'application/json'}); "
            "assert json.load(r.urlopen(q))['choices'][0]['thinking']['tokens'] == 12"
        )
        assert inside(server, image, ["python", "-c", ask]) == 0
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0


def test_image_holds_the_server_and_no_workshop(built: tuple[Image, Builder]) -> None:
    image, _ = built
    commands = {path.name for path in (image.root / "opt/s1/bin").glob("s1-*")}
    assert commands == {"s1-serve"}
    packages = next((image.root / "opt/s1/lib").glob("python3.*/site-packages"))
    assert (packages / "server/models/nano/model.safetensors").is_file()
    assert (packages / "server/page").is_dir()
    assert not any((packages / name).exists() for name in ("curation", "training", "evals"))
    written = subprocess.run(
        ["find", image.root / "opt/s1", "-user", "10001"], capture_output=True, text=True, check=True
    ).stdout
    assert written == ""
