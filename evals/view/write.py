"""Writes the pages: an index to list and filter by, and the texts, each problem's compressed by itself.

A browser decodes a problem's texts when it is opened.
"""

import base64
import html
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from evals.errors import EvalError
from evals.view.contents import Contents, Key, read_contents

MAX_PAGE_BYTES = 48 << 20
"""Of texts in one file; larger results are split into files that link to each other."""


class ViewError(EvalError):
    """A page that cannot be written."""


@dataclass(frozen=True, slots=True)
class _Part:
    keys: Sequence[Key]
    packed: Sequence[str]


def view(folders: Sequence[Path], out: Path) -> list[Path]:
    """Write the results of these folders as `out`, an HTML file; returns it and those that it is split into.

    Raises:
        ReportError: A folder has no results.
        ViewError: `out` cannot be written.
    """
    contents = read_contents(folders)
    parts = _parts(contents)
    paths = [out, *(out.with_stem(f"{out.stem}-{number}") for number in range(2, len(parts) + 1))]
    title = ", ".join(str(folder) for folder in folders)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for number, (path, part) in enumerate(zip(paths, parts, strict=True)):
            path.write_text(_page(title, contents, part, [each.name for each in paths], number), "utf-8")
    except OSError as error:
        raise ViewError(f"{error.filename}: {error.strerror}") from error
    return paths


def _parts(contents: Contents) -> list[_Part]:
    parts: list[_Part] = []
    keys: list[Key] = []
    packed: list[str] = []
    size = 0
    for key in contents.problems:
        one = _packed(contents.texts(key))
        if keys and size + len(one) > MAX_PAGE_BYTES:
            parts.append(_Part(keys, packed))
            keys, packed, size = [], [], 0
        keys.append(key)
        packed.append(one)
        size += len(one)
    return [*parts, _Part(keys, packed)]


def _packed(text: str) -> str:
    """As the browser's DecompressionStream("deflate-raw") reads it, in base64."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return base64.b64encode(deflate.compress(text.encode()) + deflate.flush()).decode()


def _page(title: str, contents: Contents, part: _Part, names: Sequence[str], number: int) -> str:
    index: dict[str, Any] = {
        "columns": [column.name for column in contents.columns],
        "problems": [contents.listed(key) for key in part.keys],
        "lengths": [len(one) for one in part.packed],
        "pages": names,
        "page": number,
        "total": len(contents.problems),
    }
    # Inside a script element only "<" could end it.
    told = json.dumps(index, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    pieces = {
        "title": html.escape(title),
        "style": _resource("view.css"),
        "script": _resource("view.js"),
        "index": told,
        "texts": "".join(part.packed),
    }
    before, *rest = _resource("view.html").split("{{")
    page = [before]
    for piece in rest:
        name, after = piece.split("}}", 1)
        page += [pieces[name], after]
    return "".join(page)


def _resource(name: str) -> str:
    return files("evals.view").joinpath(name).read_text("utf-8")
