"""A real Chromium and axe-core."""

import pytest

from tests.browser import browser as browser
from tests.environments import node_installed

AXE = "axe-core@4.14.1"


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which finds accessibility errors."""
    source = node_installed(AXE) / "node_modules" / "axe-core" / "axe.min.js"
    return source.read_text(encoding="utf-8")
