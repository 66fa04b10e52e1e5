"""What the text of a flag, or of its environment variable, becomes."""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from server.budget.budget import BudgetError, ThinkingBudget
from server.budget.parsing.presets import Preset
from server.budget.parsing.read import BudgetDefaults, read_budget
from server.scaling.scorers.endpoint import ScorerSettings
from server.scaling.scorers.likelihood import LIKELIHOOD

ENDPOINTS = ("health", "metrics")


def budget_of(text: str) -> ThinkingBudget:
    """Parse an integer, or the JSON object that a request may pass as `thinking_budget`.

    Raises:
        argparse.ArgumentTypeError: It is neither, or sets `detail`, which only a request can.
    """
    try:
        value = json.loads(text)
        read = read_budget({"thinking_budget": value}, BudgetDefaults())
    except (json.JSONDecodeError, BudgetError) as error:
        raise argparse.ArgumentTypeError(f"not a thinking budget: {error}") from error
    if read.detail:
        raise argparse.ArgumentTypeError("thinking_budget.detail can be set by a request only")
    return read.budget


def tokens_of(text: str) -> int:
    """A number of tokens.

    Raises:
        argparse.ArgumentTypeError: It is no integer, or negative.
    """
    value = integer_of(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def count_of(text: str) -> int:
    """A number of things.

    Raises:
        argparse.ArgumentTypeError: It is no integer, or below 1.
    """
    value = integer_of(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def integer_of(text: str) -> int:
    """Any integer.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer") from error


def efforts_of(text: str) -> Mapping[str, int]:
    """The table of efforts with those of "low=1024,high=8000" in it; -1 is unlimited.

    Raises:
        argparse.ArgumentTypeError: A pair is no effort with its tokens, or one comes twice.
    """
    table = {}
    for pair in text.split(","):
        word, given, tokens = pair.partition("=")
        if not given or not word:
            raise argparse.ArgumentTypeError(f"{pair!r} is not of the form effort=tokens")
        if (word := word.strip()) in table:
            raise argparse.ArgumentTypeError(f"{word} is given twice")
        table[word] = integer_of(tokens)
        if table[word] < -1:
            raise argparse.ArgumentTypeError(f"{pair!r} is negative (only -1, unlimited, may be)")
    return {**BudgetDefaults().efforts, **table}


def scorers_of(text: str) -> Mapping[str, ScorerSettings]:
    """Scorers by name, from JSON.

    Raises:
        argparse.ArgumentTypeError: It is not JSON, a field of one is wrong, or its name is built in.
    """
    try:
        found = TypeAdapter(dict[str, ScorerSettings]).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise argparse.ArgumentTypeError(f"not scorers: {where}: {first['msg']}") from error
    if LIKELIHOOD in found:
        raise argparse.ArgumentTypeError(f"{LIKELIHOOD} is built in: give the scorer another name")
    return found


def presets_of(text: str) -> Mapping[str, Preset]:
    """Presets by name, from JSON.

    Raises:
        argparse.ArgumentTypeError: It is not JSON, or one is no preset; the message names it.
    """
    try:
        given = json.loads(text, object_pairs_hook=_each_once)
    except (json.JSONDecodeError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(given, dict):
        raise argparse.ArgumentTypeError('not an object such as {"pro": {"thinking_budget": 4096}}')
    return {name: _preset(name, fields) for name, fields in given.items()}


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise argparse.ArgumentTypeError(f"{name} is given twice")
        found[name] = value
    return found


def _preset(name: str, given: object) -> Preset:
    if not re.fullmatch(r"[\w.-]+", name):
        raise argparse.ArgumentTypeError(f"{name!r}: a name has letters, digits, '.', '-' and '_' only")
    if not isinstance(given, dict) or not given or given.keys() - {"thinking_budget", "scaling"}:
        raise argparse.ArgumentTypeError(f"{name}: give thinking_budget, scaling or both, and nothing else")
    try:
        budget = (
            budget_of(json.dumps(given["thinking_budget"]))
            if "thinking_budget" in given
            else ThinkingBudget()
        )
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{name}: {error}") from error
    if (preset := Preset(budget, given.get("scaling"))) == Preset():
        raise argparse.ArgumentTypeError(f"{name}: it asks for nothing")
    return preset


def folder_of(text: str) -> Path:
    """A folder that there is.

    Raises:
        argparse.ArgumentTypeError: There is none.
    """
    if not (folder := Path(text)).is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no such folder")
    return folder


def one_of(*values: str) -> Any:
    """What takes one of these words alone."""

    def parse(text: str) -> str:
        if text not in values:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(values)}")
        return text

    return parse


def endpoints_of(text: str) -> Sequence[str]:
    """Endpoints by name, each once, or "none".

    Raises:
        argparse.ArgumentTypeError: One has no such name.
    """
    names = [] if text == "none" else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in ENDPOINTS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(ENDPOINTS)} (none: neither)")
    return tuple(dict.fromkeys(names))


def switch_of(text: str) -> bool:
    """True or false, in words.

    Raises:
        argparse.ArgumentTypeError: It is neither.
    """
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"
