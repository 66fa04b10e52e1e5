"""Reads the runs of an output folder: each finished cell's rows, with arm and sampling from the manifest."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals import manifest
from evals.errors import EvalError
from evals.methods import METHODS, NATURAL, SCALING, Arm
from evals.report.decoding import Decoding, labelled, told_apart
from evals.row import ResultRow, read_rows


class ReportError(EvalError):
    """A folder without results."""


@dataclass(frozen=True, slots=True)
class CellRun:
    """A finished cell."""

    task: str
    model: str
    arm: Arm
    decoding: Decoding
    seed: int
    repeat: int
    rows: Sequence[ResultRow]
    suffix: str = ""
    """Text that the run appended to every question."""


def read_runs(out: Path) -> list[CellRun]:
    """The runs of a folder.

    Raises:
        ReportError: There is no manifest or no finished cell.
    """
    stored = manifest.read(out)
    if stored is None:
        raise ReportError(f"{out}: not a folder of results: it has no manifest.json")
    collecting = gc.isenabled()
    gc.disable()  # many rows, none in a cycle: looking for cycles among them is a tenth of the time
    try:
        runs = [_run(out, name, cell) for name, cell in stored["cells"].items() if _file(out, name)]
    finally:
        if collecting:
            gc.enable()
    if not runs:
        raise ReportError(f"{out}: no finished cell yet")
    return runs


def unfinished(out: Path) -> dict[str, list[str]]:
    """The arms with unfinished cells, by task and model."""
    cells = (manifest.read(out) or {"cells": {}})["cells"]
    namesakes: dict[tuple[str, str], list[Decoding]] = {}
    for cell in cells.values():
        namesakes.setdefault((_group(cell), cell["arm"]), []).append(_decoding(cell))
    found: dict[str, list[str]] = {}
    for name, cell in cells.items():
        arms = found.setdefault(_group(cell), [])
        told = told_apart(namesakes[_group(cell), cell["arm"]])[_decoding(cell)]
        if not _file(out, name) and labelled(cell["arm"], told) not in arms:
            arms.append(labelled(cell["arm"], told))
    return {group: arms for group, arms in found.items() if arms}


def _group(cell: dict[str, Any]) -> str:
    return f"{cell['task']}, {cell['model']}"


def _decoding(cell: dict[str, Any]) -> Decoding:
    return Decoding(cell["temperature"], cell["top_p"])


def _file(out: Path, name: str) -> Path | None:
    """The file of a finished cell, as written by the sweep or trimmed."""
    names = (out / "cells" / f"{name}.jsonl", out / "cells" / f"{name}.jsonl.gz")
    return next((path for path in names if path.exists()), None)


def _run(out: Path, name: str, cell: dict[str, Any]) -> CellRun:
    path = _file(out, name)
    assert path is not None
    return CellRun(
        task=cell["task"],
        model=cell["model"],
        arm=_arm(cell["method"], cell["arm"]),
        decoding=_decoding(cell),
        seed=cell["seed"],
        repeat=cell["repeat"],
        rows=read_rows(path),
        suffix=cell.get("suffix", ""),
    )


UNNAMED = {"sample": "1", "no-wait": "none"}
"""The settings of arms whose names have none."""


def _arm(method: str, name: str) -> Arm:
    """The arm of a stored cell, rebuilt from its name by its method."""
    if method == NATURAL.method:
        return NATURAL
    value = name if method == SCALING else name.partition("=")[2] or UNNAMED[method]
    return METHODS[method].arm(value)
