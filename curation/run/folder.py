"""The out folder of a run: files that appear whole or not at all, lines that survive a kill.

What the files mean is the ledger's business.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from curation.errors import CurationError


class FolderError(CurationError):
    """A folder that must not, or cannot, be written to."""


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that has its name only when it is complete and on the disk; a full disk names the file."""
    draft = path.with_name(path.name + ".part")
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise FolderError(
            f"{path}: cannot be written ({error.strerror}); finished stages are kept"
        ) from error


def write_whole(path: Path, text: str) -> None:
    with whole_file(path) as file:
        file.write(text.encode())
