"""Which file may become the model's new weights: one with the checkpoint's, name by name, and no others."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_LONGEST_HEADER = 100_000_000
"""Bytes; safetensors' own limit."""

Shapes = Mapping[str, tuple[str, tuple[int, ...]]]
"""By a weight's name: its type and shape, as safetensors writes them."""


class WeightFileError(ValueError):
    """A file that is refused; the message says why."""


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """`folder`: the only one that weights are read from. `expected`: the weights of the served checkpoint."""

    folder: Path
    expected: Shapes

    @classmethod
    def of(cls, folder: Path, checkpoint: Path) -> Self:
        """For a checkpoint's directory.

        Raises:
            WeightFileError: It has no weights in .safetensors files, or the folder is none.
        """
        if not folder.is_dir():
            raise WeightFileError(f"{folder}: no such folder")
        files = _files_of(checkpoint)
        if not files:
            raise WeightFileError(f"{checkpoint} holds no .safetensors file to compare new weights with")
        return cls(folder.resolve(), _merged(shapes_in(each) for each in files))

    def check(self, named: object) -> Path:
        """The path of a file that a client named.

        Raises:
            WeightFileError: It is outside of the folder, no file of weights, or not of this checkpoint.
        """
        if not isinstance(named, str) or not named:
            raise WeightFileError("update_info.file: the path of a .safetensors file is required")
        try:
            path = (self.folder / named).resolve()
        except (ValueError, OSError) as error:
            raise WeightFileError(f"update_info.file: {named!r} is no path: {error}") from error
        if not path.is_relative_to(self.folder):
            raise WeightFileError(f"update_info.file: {named} is outside of {self.folder}")
        found = shapes_in(path)
        for what, names in (
            ("lacks", self.expected.keys() - found.keys()),
            ("has, beyond the checkpoint,", found.keys() - self.expected.keys()),
        ):
            if names:
                raise WeightFileError(f"update_info.file: {named} {what} {_some(sorted(names))}")
        for name, (kind, shape) in self.expected.items():
            if found[name] != (kind, shape):
                told = "{} {}".format(*found[name])
                raise WeightFileError(f"update_info.file: {named}: {name} is {told}, not {kind} {shape}")
        return path


def shapes_in(path: Path) -> Shapes:
    """What a .safetensors file holds, by its header, and whether it is as long as that says.

    Raises:
        WeightFileError: It cannot be read, or is cut.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header: Any = json.loads(file.read(min(length, size, _LONGEST_HEADER)))
        header.pop("__metadata__", None)
        found = {name: (str(each["dtype"]), tuple(each["shape"])) for name, each in header.items()}
        end = 8 + length + max((each["data_offsets"][1] for each in header.values()), default=0)
    except OSError as error:
        raise WeightFileError(f"update_info.file: {path.name}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise WeightFileError(f"update_info.file: {path.name}: no .safetensors file") from error
    if size != end:
        raise WeightFileError(f"update_info.file: {path.name} has {size} bytes, not {end}")
    return found


def _files_of(checkpoint: Path) -> list[Path]:
    """Those that are loaded: the index names them, where there is one; others may hold the same weights."""
    index = checkpoint / "model.safetensors.index.json"
    if index.exists():
        named = json.loads(index.read_text())["weight_map"].values()
        return [checkpoint / name for name in sorted(set(named))]
    whole = checkpoint / "model.safetensors"
    return [whole] if whole.exists() else sorted(checkpoint.glob("*.safetensors"))


def _merged(parts: Iterable[Shapes]) -> Shapes:
    return {name: each for part in parts for name, each in part.items()}


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
