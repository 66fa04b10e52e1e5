"""Separate environments for third-party programs, installed once outside of the project."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "s1-server-tests"


def installed(*packages: str) -> Path:
    """The bin folder of a Python environment with these packages."""
    home = _home(sys.version, *packages)
    if not (home / "ready").exists():
        venv.create(home, clear=True, with_pip=True)
        subprocess.run([home / "bin" / "pip", "install", *packages], check=True, capture_output=True)
        (home / "ready").touch()
    return home / "bin"


def folder_installed(*packages: str) -> Path:
    """A folder for sys.path that holds these packages, without what they need, which this environment has."""
    home = _home(sys.version, "folder", *packages)
    if not (home / "ready").exists():
        shutil.rmtree(home, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(home), *packages]
        subprocess.run(pip, check=True, capture_output=True)
        (home / "ready").touch()
    return home


def node_installed(*packages: str) -> Path:
    """A folder whose node_modules holds these packages; skips the test if there is no npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm to install it with")
    home = _home("node", *packages)
    if not (home / "ready").exists():
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run([npm, "install", "--no-fund", "--no-audit", *packages], cwd=home, check=True)
        (home / "ready").touch()
    return home


def _home(*parts: str) -> Path:
    return CACHE / hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]
