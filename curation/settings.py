"""The settings of `s1-curate run`: flags, S1_CURATE_* variables and defaults derive from one dataclass."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_origin

from curation.errors import CurationError


def _setting(default: Any, help: str, decides: bool = True) -> Any:
    """A field with its help; `decides`: it affects the output, so it belongs to the manifest."""
    return field(default=default, metadata=_about(help, decides))


def _about(help: str, decides: bool) -> dict[str, object]:
    return {"help": help, "decides": decides}


@dataclass(frozen=True, slots=True)
class Settings:
    """Named as on the command line. Tuples are flags that may be given several times."""

    out: Path
    recipe: str = "s1k"
    pool: Path | None = field(
        default=None, metadata=_about("folder with a file or folder for each source, by its name", False)
    )
    source: tuple[str, ...] = _setting((), "NAME=PATH: one source's file or folder", False)
    hub: tuple[str, ...] = _setting((), "NAME: take this source from the Hugging Face hub")
    generate: str = _setting("", "nano, or reasoning_gym[:task,task]: make the pool on the spot")
    generated: int = _setting(20_000, "how many problems to make")
    reference: tuple[str, ...] = _setting((), "NAME=PATH: an eval's questions to keep out", False)
    hub_reference: tuple[str, ...] = _setting((), "NAME: the same from the hub")
    ngram: int = _setting(
        8, "words in a row that no question may share with an eval; 13, or 0 for whole ones"
    )
    match: str = _setting(
        "words", "what a word is there: words (letters and digits alone), or paper (split at white space)"
    )
    overlap: int = _setting(0, "words in a row that a source may not share with an earlier one; 0: any")
    traces: tuple[str, ...] = _setting((), "FORMAT=PATH: traces that are there already", False)
    teacher: str = _setting("", "MODEL@URL: asked for the other traces")
    teacher_budget: str = _setting("", "the teacher's thinking_budget, as s1-serve reads it (JSON)")
    attempts: tuple[str, ...] = _setting((), "MODEL:FORMAT=PATH: attempts that are there already", False)
    solver: tuple[str, ...] = _setting((), "MODEL@URL: what this model solves is too easy")
    solver_max_tokens: int = _setting(0, "longest answer of a solver; 0: the recipe's own")
    judge: str = _setting("", "MODEL@URL: grades what math-verify cannot")
    labeller: str = _setting("", "MODEL@URL: gives a domain to problems without one")
    source_as_domain: bool = _setting(
        False, "without a labeller: a problem without a domain takes its source's"
    )
    correct_only: bool = _setting(False, "drop traces that are not known to end in the right answer")
    selection: str = _setting("", "paper, notebook, random, diverse, longest, full; none: the recipe's own")
    keep: int = _setting(1000, "how many to select")
    length: str = _setting("", "reported, characters, words, or a tokenizer; none: the recipe's own")
    long: int = _setting(5600, "preselect MATH's right traces above this length")
    skip: tuple[str, ...] = _setting((), "a stage to leave out; the funnel shows it")
    seed: int = _setting(0, "of every draw")
    cache: Path | None = field(
        default=None, metadata=_about("file of replies, for several runs; none: in the out folder", False)
    )
    concurrency: int = _setting(64, "requests in flight at one endpoint", False)
    tries: int = _setting(6, "how often a request is sent before its row is dropped", False)
    timeout_s: float = _setting(600.0, "of one request", False)
    processes: int = _setting(2, "math-verify processes", False)
    ray: str = _setting("", "address of a Ray cluster (or 'local'): rows are sharded there", False)
    api_key: str = _setting("", "sent as a bearer token; never stored", False)

    def __post_init__(self) -> None:
        if self.generate.partition(":")[0] not in ("", "nano", "reasoning_gym"):
            raise CurationError(f"--generate {self.generate}: there is nano, and reasoning_gym[:task,task]")
        made = self.generate or self.recipe == "nano"
        if made and (given := next(filter(None, (self.pool, *self.source, *self.hub)), None)):
            raise CurationError(f"{given}: this run makes its pool; --pool, --source, --hub are for others")
        if self.match not in ("words", "paper"):
            raise CurationError(f"--match {self.match}: there is words, and paper")
        if self.keep < 1 or self.generated < 1 or self.concurrency < 1 or self.tries < 1:
            raise CurationError("--keep, --generated, --concurrency and --tries must be at least 1")

    def decisive(self) -> dict[str, object]:
        """The settings that affect the output; the manifest records them."""
        kept = {one.name for one in fields(self) if one.metadata.get("decides")}
        return {name: value for name, value in asdict(self).items() if name in kept}


def add_flags(parser: argparse.ArgumentParser, recipes: tuple[str, ...]) -> None:
    """Add one flag per setting to `parser`."""
    parser.add_argument("--recipe", choices=recipes, default="s1k")
    parser.add_argument(
        "--out", type=Path, required=True, help="the folder of the run; an unfinished one goes on"
    )
    for one in _flags():
        text = f"{one.metadata['help']} [{_variable(one.name)}, {one.default!r}]".replace("%", "%%")
        flag = f"--{one.name.replace('_', '-')}"
        if _kind(one) is bool:
            parser.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text
            )
        elif _several(one):
            parser.add_argument(flag, action="append", default=argparse.SUPPRESS, help=text)
        else:
            parser.add_argument(flag, type=_kind(one), default=argparse.SUPPRESS, help=text)


def settings_from(given: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Settings:
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
    return Settings(**values)


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
    return [one for one in fields(Settings) if "help" in one.metadata]


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
