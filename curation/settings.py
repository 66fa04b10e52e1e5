"""The settings of `s1-curate run`: flags, S1_CURATE_* variables and defaults derive from one dataclass."""

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any, get_args, get_origin

from curation.errors import CurationError

_LEAST = {
    1: ("keep", "generated", "concurrency", "tries", "processes"),
    0: ("ngram", "overlap", "solver_max_tokens", "long"),
}
"""The least value of each count."""


def _setting(default: Any, help: str, decides: bool = True) -> Any:
    """A field with its help; `decides`: it affects the output, so it belongs to the manifest."""
    return field(default=default, metadata=_about(help, decides))


def _about(help: str, decides: bool) -> dict[str, object]:
    return {"help": help, "decides": decides}


@dataclass(frozen=True, slots=True)
class CurationSettings:
    """Named as on the command line. Tuples are flags that may be given several times."""

    out: Path
    recipe: str = "s1k"
    pool: Path | None = field(
        default=None, metadata=_about("folder with a file or folder for each source, named after it", False)
    )
    source: tuple[str, ...] = _setting((), "NAME=PATH: file or folder of one source", False)
    hub: tuple[str, ...] = _setting((), "NAME: fetch this source from the Hugging Face hub")
    generate: str = _setting("", "nano, or reasoning_gym[:task,task]: generate the pool")
    generated: int = _setting(20_000, "number of problems to generate")
    reference: tuple[str, ...] = _setting(
        (), "NAME=PATH: questions of an evaluation, to decontaminate against", False
    )
    hub_reference: tuple[str, ...] = _setting(
        (), "NAME: an evaluation from the hub, to decontaminate against"
    )
    ngram: int = _setting(
        8,
        "number of consecutive words that no question may share with an evaluation; 0: only whole questions",
    )
    match: str = _setting(
        "words", "what a word is there: words (letters and digits alone), or paper (split at white space)"
    )
    overlap: int = _setting(
        0, "number of consecutive words that no question may share with an earlier source; 0: off"
    )
    traces: tuple[str, ...] = _setting((), "FORMAT=PATH: existing traces", False)
    teacher: str = _setting("", "MODEL@URL: model that generates the missing traces")
    teacher_budget: str = _setting("", "thinking_budget sent to the teacher (JSON)")
    attempts: tuple[str, ...] = _setting((), "MODEL:FORMAT=PATH: existing attempts of a solver", False)
    solver: tuple[str, ...] = _setting(
        (), "MODEL@URL: problems that this model solves are dropped as too easy"
    )
    solver_max_tokens: int = _setting(0, "maximum number of tokens of a solver's attempt; 0: the recipe's")
    judge: str = _setting("", "MODEL@URL: model that grades answers which math-verify cannot")
    labeller: str = _setting("", "MODEL@URL: model that assigns a domain to problems without one")
    source_as_domain: bool = _setting(
        False, "without a labeller: use the source as the domain of problems without one"
    )
    correct_only: bool = _setting(False, "drop traces that are not graded correct")
    selection: str = _setting("", "paper, notebook, random, diverse, longest or full; empty: the recipe's")
    keep: int = _setting(1000, "number of problems to select")
    length: str = _setting(
        "", "unit of a trace's length: reported, characters, words, or a tokenizer; empty: the recipe's"
    )
    long: int = _setting(5600, "preselect correct traces of MATH above this length")
    skip: tuple[str, ...] = _setting((), "a stage to skip; the funnel records it")
    seed: int = _setting(0, "seed of every random draw")
    cache: Path | None = field(
        default=None,
        metadata=_about("file of the endpoints' replies, to share between runs (default: in --out)", False),
    )
    concurrency: int = _setting(64, "maximum number of requests in flight per endpoint", False)
    tries: int = _setting(6, "number of attempts of a request before its row is dropped", False)
    timeout_s: float = _setting(600.0, "timeout of one request, in seconds", False)
    processes: int = _setting(2, "number of math-verify processes", False)
    ray: str = _setting("", "address of a Ray cluster, or local: rows are sharded over it", False)
    api_key: str = _setting("", "the endpoints' API key, sent as a bearer token; never stored", False)

    def __post_init__(self) -> None:
        if self.generate.partition(":")[0] not in ("", "nano", "reasoning_gym"):
            raise CurationError(f"--generate {self.generate}: there is nano, and reasoning_gym[:task,task]")
        made = self.generate or self.recipe == "nano"
        if made and (given := next(filter(None, (self.pool, *self.source, *self.hub)), None)):
            raise CurationError(
                f"{given}: this run generates its pool: --pool, --source and --hub do not apply"
            )
        if self.match not in ("words", "paper"):
            raise CurationError(f"--match {self.match}: there is words, and paper")
        _check_numbers(self)
        _check_budget(self.teacher_budget)

    def decisive(self) -> dict[str, object]:
        """The settings that affect the output; the manifest records them."""
        kept = {one.name for one in fields(self) if one.metadata.get("decides")}
        return {name: value for name, value in asdict(self).items() if name in kept}


def _check_numbers(settings: CurationSettings) -> None:
    for least, names in _LEAST.items():
        if small := next((name for name in names if getattr(settings, name) < least), None):
            raise CurationError(f"{_flag(small)} {getattr(settings, small)}: must be at least {least}")
    if not (settings.timeout_s > 0 and isfinite(settings.timeout_s)):
        raise CurationError(f"--timeout-s {settings.timeout_s}: must be a number of seconds above 0")


def _check_budget(text: str) -> None:
    try:
        budget = json.loads(text) if text else 0
    except ValueError:
        budget = None
    if isinstance(budget, bool) or not isinstance(budget, dict | int | str):
        raise CurationError(
            f"--teacher-budget {text}: write JSON, a number of tokens or an object with the fields of "
            'thinking_budget, as in {"max_tokens": 4096}'
        )


def add_flags(parser: argparse.ArgumentParser, recipes: tuple[str, ...]) -> None:
    """Add one flag per setting to `parser`."""
    parser.add_argument("--recipe", choices=recipes, default="s1k", help="selection recipe (default: s1k)")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the run; an interrupted run is resumed"
    )
    for one in _flags():
        text = f"{one.metadata['help']} [{_variable(one.name)}, {one.default!r}]".replace("%", "%%")
        flag = _flag(one.name)
        if _kind(one) is bool:
            parser.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text
            )
        elif _several(one):
            parser.add_argument(flag, action="append", default=argparse.SUPPRESS, help=text)
        else:
            parser.add_argument(flag, type=_kind(one), default=argparse.SUPPRESS, help=text)


def settings_from(given: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> CurationSettings:
    """The settings: a flag takes precedence over the environment, and that over the default.

    Raises:
        CurationError: A value is invalid, or settings contradict each other.
    """
    values: dict[str, Any] = {"out": given.out, "recipe": given.recipe}
    for one in _flags():
        if hasattr(given, one.name):
            value = getattr(given, one.name)
            values[one.name] = tuple(value) if _several(one) else value
        elif (text := environment.get(_variable(one.name))) is not None:
            values[one.name] = _parsed(one, text)
    return CurationSettings(**values)


def named_paths(pairs: tuple[str, ...], flag: str) -> list[tuple[str, Path]]:
    """Parse each "NAME=PATH".

    Raises:
        CurationError: A text has another form; the message names `flag`.
    """
    return [_pair(text, flag) for text in pairs]


def _pair(text: str, flag: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not separator or not name or not path:
        raise CurationError(f"{flag} {text}: write NAME=PATH")
    return name, Path(path)


def _flags() -> list[Field[Any]]:
    return [one for one in fields(CurationSettings) if "help" in one.metadata]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _variable(name: str) -> str:
    return f"S1_CURATE_{name.upper()}"


def _several(one: Field[Any]) -> bool:
    return get_origin(one.type) is tuple


def _kind(one: Field[Any]) -> Any:
    """The type of a field, without its `| None`."""
    return (get_args(one.type) or (one.type,))[0]


def _parsed(one: Field[Any], text: str) -> Any:
    if _several(one):
        return tuple(text.split(","))
    if _kind(one) is bool:
        if text.lower() not in ("0", "1", "true", "false"):
            raise CurationError(f"{_variable(one.name)}: {text!r} is neither true nor false")
        return text.lower() in ("1", "true")
    try:
        return _kind(one)(text)
    except ValueError as error:
        raise CurationError(f"{_variable(one.name)}: {text!r} is no {_kind(one).__name__}") from error
