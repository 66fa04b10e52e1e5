"""A result row: one problem of one cell, with all data that later analyses may need; one JSON line."""

import gzip
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evals.errors import EvalError
from server.reasoning.records import SCHEMA_VERSION, RecordError, read_objects


class RowError(EvalError):
    """A stored row that cannot be read: file, line and reason."""


@dataclass(frozen=True, slots=True)
class ResultRow:
    """Counts are tokens, None if the endpoint does not report them; times are seconds since the request.

    `score` None means not graded; `grading_failure` or `error` (no usable reply) says why. `thinks_on`: the
    answer's text continues the thinking. Counts and times are those of the final reply; `spent_tokens` is the
    thinking of all samples and rejected tries, `written_tokens` all generated tokens; `scaling` is the
    endpoint's object. `reference` and `level` are the problem's; empty in results of earlier versions.
    `spent_s`: the seconds of several tries together.
    """

    problem_id: str
    domain: str
    prompt: str
    thinking: str
    answer: str
    extracted: str | None
    extracted_from: str | None
    score: float | None
    grading_failure: str
    thinking_tokens: int | None
    answer_tokens: int | None
    end: str | None
    waits_used: int | None
    forced_tokens: int | None
    finish_reason: str | None
    latency_s: float | None
    first_token_s: float | None
    first_answer_token_s: float | None
    echo: dict[str, Any] | None
    seed: int
    tries: int
    spent_tokens: int | None
    thinks_on: bool
    error: str
    written_tokens: int | None = None
    scaling: dict[str, Any] | None = None
    reference: str = ""
    level: str = ""
    spent_s: float | None = None

    @property
    def seconds(self) -> float | None:
        """Of all tries together; None where they are not known."""
        return self.spent_s if self.tries > 1 else self.latency_s

    def line(self) -> str:
        """The row as a JSON line, with the schema version."""
        return json.dumps({"schema": SCHEMA_VERSION, **asdict(self)}, ensure_ascii=False) + "\n"


START = b'{"schema": %d, ' % SCHEMA_VERSION
_ROW: TypeAdapter[ResultRow] = TypeAdapter(ResultRow)


def read_rows(path: Path) -> list[ResultRow]:
    """The rows of a file.

    Raises:
        RowError: The file or a line cannot be read.
    """
    try:
        return _rows_as_written(path) or [_row(path, number, value) for number, value in read_objects(path)]
    except (OSError, RecordError) as error:
        raise RowError(str(error)) from error


def _rows_as_written(path: Path) -> list[ResultRow]:
    """The rows of a file whose every line is as `line()` writes it, in half the time; else none."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        lines = file.read().splitlines()
    if not all(line.startswith(START) for line in lines):
        return []
    try:
        return [_ROW.validate_json(line) for line in lines]
    except ValidationError:
        return []  # read again line by line, for its number


def _row(path: Path, number: int, value: dict[str, Any]) -> ResultRow:
    version = value.pop("schema", None)
    if version != SCHEMA_VERSION:
        raise RowError(f"{path}:{number}: schema {version!r}, this program reads {SCHEMA_VERSION}")
    try:
        return _ROW.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise RowError(f"{path}:{number}: {field}: {first['msg']}") from error
