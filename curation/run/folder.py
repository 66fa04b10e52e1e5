"""Atomic writes to the output folder: files appear complete or not at all, even after a kill.

The meaning of the files is defined in `curation.run.ledger`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from curation.errors import CurationError


class RunFolderError(CurationError):
    """A folder that must not, or cannot, be written to."""


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name only when it is complete and synced to disk; a context.

    Raises:
        RunFolderError: It cannot be written; the message names the file.
    """
    draft = path.with_name(path.name + ".part")
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise RunFolderError(
            f"{path}: cannot be written ({error.strerror}); finished stages are kept"
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Write a text file atomically.

    Raises:
        RunFolderError: It cannot be written.
    """
    with whole_file(path) as file:
        file.write(text.encode())
