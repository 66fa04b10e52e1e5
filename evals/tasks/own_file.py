"""Task jsonl: anyone's own file of questions and reference answers, under a name of its own.

The file is .jsonl, .json, .csv or .parquet; its fields are found by their usual names, or named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from string import ascii_uppercase

from evals.tasks.scorers import score_integer, score_letter, score_math, score_string
from evals.tasks.source import Place, Row, distinct, field, file_rows, identity, optional, value
from evals.tasks.task import Load, Scorer, Task, TaskError, lettered_options
from server.reasoning.answers import final_answer
from server.reasoning.records import Problem

OWN = "jsonl"
QUESTIONS = ("problem", "question", "prompt")
ANSWERS = ("answer", "expected_answer", "final_answer")
SOLUTION = "solution"
"""Where there is no answer: its last box or labelled answer is the reference."""
IDS = ("id", "unique_id", "problem_id")
OPTIONS = ("choices", "options")
DOMAINS = ("domain", "subject", "category")
LEVELS = ("level", "difficulty")
SCORERS: dict[str, Scorer] = {
    "math": score_math,
    "integer": score_integer,
    "choice": score_letter,
    "text": score_string,
}


@dataclass(frozen=True, slots=True)
class OwnFile:
    """How the file is read: empty fields are found by their usual names; the name defaults to the file's."""

    scorer: str = ""
    name: str = ""
    question_field: str = ""
    answer_field: str = ""
    id_field: str = ""

    def task(self, data: Path | None) -> Task:
        """The task of this file.

        Raises:
            TaskError: There is no file, or no such scorer.
        """
        if data is None:
            raise TaskError(f"--task {OWN}: name the file with --data")
        kind = self.scorer or "math"
        if kind not in SCORERS:
            raise TaskError(f"--scorer: unknown scorer {kind!r}; there are {', '.join(SCORERS)}")
        name = self.name or data.stem

        def load(load: Load) -> list[Problem]:
            rows = islice(file_rows(data), load.limit)
            return distinct([self._problem(row, place, kind, name) for place, row in rows], str(data))

        return Task(name, load, lettered_options, SCORERS[kind], scoring=kind)

    def _problem(self, row: Row, place: Place, kind: str, name: str) -> Problem:
        options = _options(row, place) if kind == "choice" else ()
        answer = self._answer(row, place)
        return Problem(
            id=field(row, place, self.id_field) if self.id_field else identity(row, place, *IDS),
            question=field(row, place, *_named(self.question_field, QUESTIONS)),
            answer=_letter(answer, options, place) if options else str(answer).strip(),
            domain=next((str(row[each]) for each in DOMAINS if row.get(each)), ""),
            source=name,
            choices=tuple(map(str, options)),
            level=optional(row, *LEVELS) or "",
        )

    def _answer(self, row: Row, place: Place) -> object:
        names = _named(self.answer_field, ANSWERS)
        if self.answer_field or optional(row, *names) is not None:
            return value(row, place, *names)
        found = final_answer(field(row, place, *names, SOLUTION))
        if found is None:
            raise TaskError(
                f"{place}: the {SOLUTION} ends in no answer; name the answer's field: --answer-field"
            )
        return found.value


def _named(given: str, usual: Sequence[str]) -> Sequence[str]:
    return (given,) if given else usual


def _options(row: Row, place: Place) -> tuple[object, ...]:
    """Of a multiple-choice question; none where the question's text holds them.

    Raises:
        TaskError: They are no list, or more than there are letters.
    """
    found = next((row[each] for each in OPTIONS if row.get(each) is not None), ())
    if not isinstance(found, list | tuple) or len(found) > len(ascii_uppercase):
        raise TaskError(
            f"{place}: {' or '.join(OPTIONS)} is no list of at most {len(ascii_uppercase)} options"
        )
    return tuple(found)


def _letter(answer: object, options: Sequence[object], place: Place) -> str:
    """The right option's letter, given as a letter, as the option's text, or as its number from 0.

    A number beside texts is the option's number, and nothing else.

    Raises:
        TaskError: It is none of these, or of different options.
    """
    found = dict.fromkeys(_readings(answer, options))
    if len(found) == 1:
        return next(iter(found))
    if found:
        raise TaskError(
            f"{place}: the answer {answer!r} is the option {' or '.join(found)}, read as a text, as a letter"
            " or as a number; give the option's number from 0, as a number beside texts"
        )
    raise TaskError(
        f"{place}: the answer {answer!r} is none of the {len(options)} options, nor a letter of one"
    )


def _readings(answer: object, options: Sequence[object]) -> Iterator[str]:
    letters, text = ascii_uppercase[: len(options)], str(answer).strip()
    is_number = isinstance(answer, int | float) and not isinstance(answer, bool)
    if not (is_number and all(isinstance(each, str) for each in options)):
        if text.upper() in list(letters):
            yield text.upper()
        texts = [str(each).strip() for each in options]
        if text in texts:
            yield letters[texts.index(text)]
    whole = text.removesuffix(".0") if isinstance(answer, float) else text
    if whole.isdecimal() and int(whole) < len(options):
        yield letters[int(whole)]
