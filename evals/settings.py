"""The settings of `s1-eval sweep`: flags, S1_EVAL_* variables and defaults derive from one dataclass."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from evals.errors import EvalError
from evals.methods import METHODS
from evals.tasks.own_file import OwnFile


class SettingsError(EvalError):
    """A setting that cannot be used."""


def _help(help: str) -> dict[str, str]:
    return {"help": help}


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """Named as on the command line.

    `wanted` holds the flags of METHODS that were given: {"max": "0,64"}.
    """

    out: Path
    task: str = field(default="nano", metadata=_help("tasks, comma-separated; `s1-eval tasks` lists them"))
    model: str = field(
        default="", metadata=_help("models, comma-separated; empty: the first that the endpoint lists")
    )
    base_url: str = field(
        default="http://127.0.0.1:8000/v1", metadata=_help("the OpenAI-compatible endpoint")
    )
    api_key: str = field(
        default="", metadata=_help("the endpoint's API key, sent as a bearer token; never stored")
    )
    data: Path | None = field(
        default=None,
        metadata=_help(
            "a local file with the columns of the task's data set on the hub, or the file of --task jsonl"
        ),
    )
    scorer: str = field(
        default="", metadata=_help("with --task jsonl: math (the default), integer, choice or text")
    )
    name: str = field(
        default="", metadata=_help("with --task jsonl: the task's name in results; empty: the file's")
    )
    question_field: str = field(
        default="",
        metadata=_help("with --task jsonl: the question's field; empty: problem, question or prompt"),
    )
    answer_field: str = field(
        default="",
        metadata=_help(
            "with --task jsonl: the reference answer's field; empty: answer, expected_answer,"
            " final_answer, or what solution ends in"
        ),
    )
    id_field: str = field(
        default="", metadata=_help("with --task jsonl: the id's field; empty: id, unique_id, or the line")
    )
    problems: int | None = field(
        default=None,
        metadata=_help("number of problems, from the first (default: 1000 for nano, all for benchmarks)"),
    )
    temperature: float = field(
        default=0.0, metadata=_help("sampling temperature of all arms but those that must sample")
    )
    sample_temperature: float = field(
        default=1.0,
        metadata=_help("sampling temperature of the arms that must sample: majority, reject-above"),
    )
    top_p: float = field(default=1.0, metadata=_help("nucleus sampling probability"))
    seed: int = field(
        default=0,
        metadata=_help("seed of the drawn problems, the order of options, and each request's own seed"),
    )
    repeats: int = field(default=1, metadata=_help("number of runs of every cell, each with other seeds"))
    suffix: str = field(default="", metadata=_help("text appended to every question"))
    max_completion_tokens: int | None = field(
        default=None, metadata=_help("maximum number of tokens of thinking and answer together")
    )
    concurrency: int = field(default=64, metadata=_help("maximum number of requests in flight"))
    tries: int = field(
        default=6, metadata=_help("number of attempts of a request before the endpoint counts as down")
    )
    timeout_s: float = field(default=600.0, metadata=_help("timeout of one request, in seconds"))
    stream: bool = field(
        default=False,
        metadata=_help(
            "stream the responses, to measure the time to the first token and to the first answer token"
        ),
    )
    detail: bool = field(
        default=False,
        metadata=_help("ask s1-serve which characters it forced; `s1-eval view` marks them"),
    )
    go_on: bool = field(
        default=False, metadata=_help("continue when a request fails or the endpoint ignores the budget")
    )
    force: bool = field(default=False, metadata=_help("discard the results in --out"))
    wanted: Mapping[str, str] = field(default_factory=dict)

    @property
    def own_file(self) -> OwnFile:
        """How --task jsonl reads its file."""
        return OwnFile(self.scorer, self.name, self.question_field, self.answer_field, self.id_field)

    def __post_init__(self) -> None:
        for name in ("problems", "repeats", "concurrency", "tries", "max_completion_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"--{name.replace('_', '-')}: {value} is below 1")
        if self.data and "," in self.task:
            raise SettingsError("--data: a file holds the problems of one task, and --task names several")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add one flag per field and one per method to `parser`."""
    methods = parser.add_argument_group("arms (the natural stop is always measured)")
    for name, method in METHODS.items():
        methods.add_argument(f"--{method.flag}", dest=f"arm {name}", metavar="LIST", help=method.help)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of results; an interrupted sweep is resumed"
    )
    for one in fields(SweepSettings):
        if "help" in one.metadata:
            _add_flag(parser, one)


def _add_flag(parser: argparse.ArgumentParser, one: Field[Any]) -> None:
    flag = f"--{one.name.replace('_', '-')}"
    text = f"{one.metadata['help']} [{_variable(one.name)}, {one.default!r}]".replace("%", "%%")
    if _type(one) is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text)
    else:
        parser.add_argument(flag, type=_type(one), default=argparse.SUPPRESS, help=text)


def settings_from(
    arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ
) -> SweepSettings:
    """The settings: a flag takes precedence over the environment, and that over the default.

    Raises:
        SettingsError: A value is invalid.
    """
    given = vars(arguments)
    values: dict[str, Any] = {"out": given["out"]}
    for one in fields(SweepSettings):
        if one.name in given:
            values[one.name] = given[one.name]
        elif "help" in one.metadata and _variable(one.name) in environment:
            values[one.name] = _parsed(one, environment[_variable(one.name)])
    values["wanted"] = {
        name: given[f"arm {name}"] for name in METHODS if given.get(f"arm {name}") is not None
    }
    return SweepSettings(**values)


def _variable(name: str) -> str:
    return f"S1_EVAL_{name.upper()}"


def _type(one: Field[Any]) -> type:
    """The type of a field, without its `| None`."""
    choices: Sequence[Any] = get_args(one.type) or (one.type,)
    kind: type = choices[0]
    return kind


def _parsed(one: Field[Any], text: str) -> Any:
    if _type(one) is bool:
        if text.lower() not in ("0", "1", "true", "false"):
            raise SettingsError(f"{_variable(one.name)}: {text!r} is neither true nor false")
        return text.lower() in ("1", "true")
    try:
        return _type(one)(text)
    except ValueError as error:
        raise SettingsError(f"{_variable(one.name)}: {text!r} is no {_type(one).__name__}") from error
