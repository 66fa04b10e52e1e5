"""One stage's JSON file: written anew after each thing learnt, so that a cut stage keeps what it has."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LIMIT_BYTES = 15 << 20


class ResultFile:
    """Fields in the order in which they came. What is there already stays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fields: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def add(self, **fields: Any) -> None:
        """Take these in the place of older ones of the same names.

        Raises:
            ValueError: the file would be too large to travel.
        """
        self._fields |= fields
        text = json.dumps(self._fields, indent=1) + "\n"
        if len(text) > LIMIT_BYTES:
            raise ValueError(f"{self.path.name}: {len(text):,} bytes are more than travel")
        beside = self.path.with_suffix(".part")
        beside.write_text(text)
        beside.replace(self.path)

    def append(self, name: str, value: Any) -> None:
        """One more in the list `name`."""
        self.add(**{name: [*self._fields.get(name, []), value]})

    @property
    def fields(self) -> Mapping[str, Any]:
        """What is in it."""
        return self._fields
