"""Files that are complete or not there, whenever the process is killed."""

import os
from pathlib import Path
from typing import IO


def write_whole(path: Path, text: str) -> None:
    """Write a text file atomically: complete or not at all."""
    draft = path.with_name(path.name + ".tmp")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        sync(file)
    draft.replace(path)


def sync(file: IO[str]) -> None:
    """Bring what was written to the disk: a power failure loses nothing of it."""
    file.flush()
    os.fsync(file.fileno())
