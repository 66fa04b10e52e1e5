"""A real Chromium, and axe-core: installed where they are missing, or the tests that need them skipped."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

AXE = "axe-core@4.14.1"


def find_chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if find_chromium() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", "chromium"], check=False)
    path = find_chromium()
    if path is None:
        pytest.skip("there is no Chromium, and this user cannot install it: apt-get install chromium")
    with sync_playwright() as playwright:
        # Chromium's sandbox cannot be had by root.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = playwright.chromium.launch(executable_path=path, args=flags)
        yield started
        started.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which finds faults of accessibility."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm to install axe-core with")
    home = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "s1-server-clients" / "axe"
    source = home / "node_modules" / "axe-core" / "axe.min.js"
    if not source.exists():
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-fund", "--no-audit", AXE], cwd=home, check=True)
    return source.read_text(encoding="utf-8")
