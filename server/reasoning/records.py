"""The records that curation, training and evals exchange as JSONL: problems and traces.

Defines their fields, the schema version and the error for an unreadable line (file:line: why). Standard
library only.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

SCHEMA_VERSION = 1


class RecordError(ValueError):
    """A line that cannot be read. `str()` gives "path:line: what is wrong"."""

    def __init__(self, path: Path | str, line: int, message: str) -> None:
        super().__init__(f"{path}:{line}: {message}")
        self.path = str(path)
        self.line = line


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with its reference answer; `choices` are the options of a multiple-choice question.

    `domain` and `level` are those of its data set, for example Algebra and 5.
    """

    id: str
    question: str
    answer: str
    solution: str = ""
    domain: str = ""
    source: str = ""
    choices: tuple[str, ...] = ()
    level: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """A model's (or teacher's) thinking and answer for one problem; counts are tokens, None if unknown."""

    problem_id: str
    thinking: str
    answer: str
    model: str = ""
    thinking_tokens: int | None = None
    correct: bool | None = None


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """A training example: a problem and one trace of it. `where` is "file:line".

    `messages`: the chat that the trace answers, where it is more than the question alone.
    """

    problem: Problem
    trace: Trace
    where: str = ""
    messages: tuple[Mapping[str, Any], ...] = ()


Record = TypeVar("Record", Problem, Trace)


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) for each line of a .jsonl or .jsonl.gz file; skip blank lines.

    Raises:
        RecordError: A line is not valid UTF-8, not JSON, or not an object, or the archive is damaged there.
        OSError: The file cannot be read.
    """
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            # The first line may begin with a byte order mark.
            value = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise RecordError(path, number, f"broken UTF-8 at byte {error.start}") from error
        except json.JSONDecodeError as error:
            raise RecordError(path, number, f"not JSON: {error.msg}") from error
        if not isinstance(value, dict):
            raise RecordError(path, number, f"not an object but {type(value).__name__}")
        yield number, value


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        lines = enumerate(file, 1)
        while True:
            try:
                number, line = next(lines, (number, None))
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise RecordError(path, number + 1, f"the archive is damaged or cut off: {error}") from error
            if line is None:
                return
            yield number, line


def read_problems(path: Path) -> Iterator[Problem]:
    """Yield the problems of a JSONL file.

    Raises:
        RecordError: A line is not a valid problem.
    """
    for number, value in read_objects(path):
        yield _record(Problem, path, number, value)


def read_traces(path: Path) -> Iterator[Trace]:
    """Yield the traces of a JSONL file.

    Raises:
        RecordError: A line is not a valid trace.
    """
    for number, value in read_objects(path):
        yield _record(Trace, path, number, value)


def read_samples(path: Path) -> Iterator[TrainingExample]:
    """Yield the training examples of curation's train.jsonl: {"schema", "problem", "trace"} per line.

    A line may also have "messages".

    Raises:
        RecordError: A line is invalid, has an empty question, thinking or answer, or a trace of another
            problem.
    """
    for number, value in read_objects(path):
        _check_schema(path, number, value.pop("schema", SCHEMA_VERSION))
        for name in ("problem", "trace"):
            if not isinstance(value.get(name), dict):
                raise RecordError(path, number, f"field {name!r} is missing or no object")
        messages = value.pop("messages", [])
        if not isinstance(messages, list) or not all(_is_message(one) for one in messages):
            raise RecordError(path, number, "field 'messages' is no list of objects with role and content")
        if unknown := sorted(value.keys() - {"problem", "trace"}):
            raise RecordError(path, number, f"unknown field {unknown[0]!r} in a training example")
        problem = _record(Problem, path, number, value["problem"])
        trace = _record(Trace, path, number, value["trace"])
        for name, text in (
            ("problem.question", problem.question),
            ("trace.thinking", trace.thinking),
            ("trace.answer", trace.answer),
        ):
            if not text.strip():
                raise RecordError(path, number, f"field {name!r} is empty")
        if trace.problem_id != problem.id:
            raise RecordError(path, number, f"a trace of {trace.problem_id!r} beside problem {problem.id!r}")
        yield TrainingExample(problem, trace, f"{path}:{number}", tuple(messages))


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and "content" in value


def _check_schema(path: Path, number: int, version: object) -> None:
    if version != SCHEMA_VERSION:
        raise RecordError(path, number, f"schema {version!r}, this program reads {SCHEMA_VERSION}")


def _record(kind: type[Record], path: Path, number: int, value: dict[str, Any]) -> Record:
    _check_schema(path, number, value.pop("schema", SCHEMA_VERSION))
    known = {field.name: field for field in fields(kind)}
    for name in value:
        if name not in known:
            raise RecordError(path, number, f"unknown field {name!r} in a {kind.__name__}")
    for name, field in known.items():
        if name in value:
            value[name] = _typed(field.type, value[name], path, number, name)
    try:
        return kind(**value)
    except TypeError as error:
        missing = [n for n, f in known.items() if n not in value and f.default is MISSING]
        raise RecordError(path, number, f"a {kind.__name__} without {', '.join(missing)}") from error


_CHECKS: Mapping[object, tuple[type, ...]] = {
    str: (str,),
    int | None: (int, type(None)),
    bool | None: (bool, type(None)),
    tuple[str, ...]: (list, tuple),
}


def _typed(kind: object, value: object, path: Path, number: int, name: str) -> object:
    expected = _CHECKS[kind]
    wrong = not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected)
    if isinstance(value, list | tuple):
        wrong = wrong or not all(isinstance(item, str) for item in value)
        value = tuple(value)
    if wrong:
        raise RecordError(path, number, f"field {name!r} is {value!r}, not {kind}")
    return value


def example_line(example: TrainingExample) -> str:
    """A line of train.jsonl."""
    value: dict[str, Any] = {"problem": asdict(example.problem), "trace": asdict(example.trace)}
    if example.messages:
        value["messages"] = [dict(one) for one in example.messages]
    return json.dumps({"schema": SCHEMA_VERSION, **value}, ensure_ascii=False) + "\n"


def lines_of(records: Iterable[Problem | Trace]) -> Iterator[str]:
    """Yield one JSON line per record, with the schema version."""
    for record in records:
        yield json.dumps({"schema": SCHEMA_VERSION, **asdict(record)}, ensure_ascii=False) + "\n"
