"""Every source is read from the hub's data set ids by the real `datasets`, over a loopback hub."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from curation.sources import SOURCES
from curation.sources.source import HubDataset
from tests.hub import card, hub

FIXTURES = Path(__file__).parent / "fixtures" / "sources"

READ_ALL = """
import json
from curation.reader import read_hub
from curation.sources import SOURCES
for source in SOURCES.values():
    found = [raw for each in source.hub for raw in read_hub(each)]
    print(json.dumps([source.name, [raw.columns for raw in found], found[0].place]))
"""

READ_UNKNOWN = """
from curation.reader import read_hub
from curation.sources.source import HubDataset
list(read_hub(HubDataset("nobody/nothing", "train")))
"""


def repository(hubs: list[HubDataset], content: bytes) -> dict[str, bytes]:
    """One data set's files: each split of each configuration, or the files that are asked for by name."""
    text, paths = card((one.config or "default", one.split) for one in hubs if not one.files)
    named = {name: content for one in hubs for name in one.files}
    return {"README.md": text, **dict.fromkeys(paths.values(), content), **named}


def run(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> object:
    hubs: dict[str, list[HubDataset]] = {}
    content: dict[str, bytes] = {}
    for source in SOURCES.values():
        for one in source.hub:
            hubs.setdefault(one.path, []).append(one)
            content[one.path] = (FIXTURES / f"{source.name}.jsonl").read_bytes()
    repositories = {path: repository(ones, content[path]) for path, ones in hubs.items()}
    # One that is still a script, its rows on the branch that the hub makes.
    scripted = SOURCES["theoremqa"].hub[0].path
    repositories[scripted] |= {f"{scripted.split('/')[1]}.py": b"raise RuntimeError('never run')"}
    with hub(repositories, tmp_path_factory.mktemp("hub")) as found:
        yield found


def test_every_source_gives_from_the_hub_what_its_file_gives(environment: dict[str, str]) -> None:
    done = run(READ_ALL, environment)
    assert done.returncode == 0, done.stderr[-2000:]
    read = {name: (rows, place) for name, rows, place in map(json.loads, done.stdout.splitlines())}
    assert set(read) == set(SOURCES)
    for name, source in SOURCES.items():
        rows, place = read[name]
        lines = (FIXTURES / f"{name}.jsonl").read_text().splitlines()
        files = sum(len(one.files) or 1 for one in source.hub)
        assert len(rows) == files * len(lines), name
        for row, line in zip(rows, lines * files, strict=True):
            assert {k: v for k, v in row.items() if v is not None} == {
                k: v for k, v in json.loads(line).items() if v is not None
            }
        assert place.startswith(source.hub[0].path)


def test_a_data_set_that_is_not_there_is_named(environment: dict[str, str]) -> None:
    done = run(READ_UNKNOWN, environment)
    assert done.returncode != 0
    assert "the hub's nobody/nothing" in done.stderr
    assert "--pool" in done.stderr
