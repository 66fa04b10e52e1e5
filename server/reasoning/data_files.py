"""Which files of a folder are its data, as the hub and 'datasets' lay folders out; standard library only."""

from collections.abc import Sequence
from pathlib import Path

DESCRIPTIONS = frozenset({"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"})
"""What stands beside the data and is none."""


def data_files(folder: Path, endings: Sequence[str]) -> list[Path]:
    """The files with one of these endings, sorted: the folder's own; where it has none, those of its folders.

    Hidden files and folders are caches and not looked into.
    """

    def is_data(path: Path) -> bool:
        return path.is_file() and path.name.lower().endswith(tuple(endings)) and path.name not in DESCRIPTIONS

    def is_hidden(path: Path) -> bool:
        return any(part.startswith(".") for part in path.relative_to(folder).parts)

    for found in (folder.iterdir(), folder.rglob("*")):
        if files := sorted(path for path in found if is_data(path) and not is_hidden(path)):
            return files
    return []
