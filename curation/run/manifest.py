"""manifest.json: the inputs of a run. Equal manifests give equal files, so it contains no time.

A folder belongs to one manifest: a run with another recipe, seed or input is refused there.
"""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from curation.errors import CurationError
from curation.run.folder import RunFolderError, write_whole

SCHEMA_VERSION = 1
# Libraries whose version may change the output.
PACKAGES = ("s1-server", "datasets", "math-verify", "numpy", "pyarrow", "reasoning-gym", "tokenizers")


@dataclass(frozen=True, slots=True)
class Input:
    """An input file."""

    name: str
    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`settings` are those that affect the output, not for example concurrency or the host."""

    recipe: str
    settings: dict[str, object]
    inputs: tuple[Input, ...]
    packages: dict[str, str]


def manifest_of(recipe: str, settings: dict[str, object], files: list[tuple[str, Path]]) -> Manifest:
    """The manifest of a run.

    Raises:
        CurationError: An input file cannot be read.
    """
    inputs = tuple(_input(name, path) for name, path in files)
    return Manifest(recipe, settings, inputs, {name: _version(name) for name in PACKAGES})


def claim(out: Path, manifest: Manifest) -> None:
    """Take the folder for this run, or continue the run in it.

    Raises:
        RunFolderError: It holds other files or another run; the message names the difference.
        CurationError: Its manifest.json is not JSON.
    """
    path = out / "manifest.json"
    text = json.dumps({"schema": SCHEMA_VERSION, **asdict(manifest)}, indent=1, sort_keys=True) + "\n"
    if not path.exists():
        if others := sorted(one.name for one in out.iterdir() if not one.name.endswith(".part")):
            raise RunFolderError(
                f"{out}: holds {others[0]}, which no curation run has made; give another --out"
            )
        write_whole(path, text)
        return
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CurationError(f"{path}: not JSON: {error}") from error
    if difference := _difference(there, json.loads(text)):
        raise RunFolderError(f"{out}: holds another run ({difference}); give another --out")


def _difference(there: object, here: object, at: str = "") -> str:
    """The first difference of two JSON values, in words; empty if there is none."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted({*there, *here}):
            if found := _difference(there.get(key), here.get(key), f"{at}.{key}" if at else str(key)):
                return found
        return ""
    return "" if there == here else f"{at}: {_short(there)} there, {_short(here)} now"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _input(name: str, path: Path) -> Input:
    digest = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return Input(name, str(path), path.stat().st_size, digest.hexdigest())
    except OSError as error:
        raise CurationError(f"{path}: cannot be read ({error.strerror})") from error


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
