"""Which tests start an engine: `pytest -m "not engine"` leaves them out, and none starts one unmarked.

The marker is set on every test that uses the shared server; a test that starts `s1-serve` or an engine by
itself carries it in its file. One that does so without it fails, and is told what to add.
"""

import sys
from collections.abc import Iterator
from itertools import pairwise
from multiprocessing.process import BaseProcess

import pytest

SHARED = "server"
"""The fixture in tests/conftest.py."""
COMMANDS = ("s1-serve", "run_all_methods.sh")
_running: list[pytest.Item] = []


def pytest_configure() -> None:
    """Watch for servers that this process starts, and for engines, by vLLM's name of their processes."""
    start = BaseProcess.start

    def watched(process: BaseProcess) -> None:
        if process.name.startswith("EngineCore"):
            _refuse_unmarked(process.name)
        start(process)

    BaseProcess.start = watched  # type: ignore[assignment, method-assign]
    sys.addaudithook(_look_at_command)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before -m is looked at."""
    for item in items:
        if SHARED in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.engine)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Fixtures of a wider scope count as those of the test that asks for them first."""
    _running[:] = [item]
    try:
        return (yield)
    finally:
        _running.clear()


def _look_at_command(event: str, arguments: tuple[object, ...]) -> None:
    if event != "subprocess.Popen" or not _running:
        return
    command = [str(each) for each in arguments[1]] if isinstance(arguments[1], list | tuple) else []
    module = next((after for flag, after in pairwise(command) if flag == "-m"), "")
    named = next((each for each in command if each.rpartition("/")[2] in COMMANDS), "")
    if module == "server" or named:
        _refuse_unmarked(named or "python -m server")


def _refuse_unmarked(what: str) -> None:
    (item,) = _running or (None,)
    if item is not None and item.get_closest_marker("engine") is None:
        where = item.nodeid.partition("::")[0]
        pytest.fail(
            f"this test starts {what} without the marker `engine`: put `@pytest.mark.engine` on it, or"
            f" `pytestmark = pytest.mark.engine` into {where}"
        )
