"""The questions that must not be trained on: eval sets, read from local files in any format the evals use."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from curation.errors import CurationError
from curation.reader import Raw, files_of, read_hub, read_raw
from curation.sources.source import Columns, HubDataset, optional

QUESTION_COLUMNS = ("question", "problem", "Question", "question_content")
ID_COLUMNS = ("id", "unique_id", "Record ID", "question_id", "ID")

# The sets that the paper decontaminates against, with their hub ids.
HUB_REFERENCES: dict[str, HubDataset] = {
    "aime24": HubDataset("AI-MO/aimo-validation-aime", "train"),
    "gpqa_diamond": HubDataset("Idavidrein/gpqa", "train", "gpqa_diamond"),
    "math500": HubDataset("simplescaling/openaimath", "test"),
    # release_v4
    "live_code_bench": HubDataset(
        "livecodebench/code_generation_lite",
        "test",
        files=("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl"),
    ),
}


@dataclass(frozen=True, slots=True)
class EvalQuestion:
    """A question of an eval. `name` identifies it: "math500 test/precalculus/807.json"."""

    name: str
    question: str


def read_references(files: Iterable[tuple[str, Path]], from_hub: tuple[str, ...] = ()) -> list[EvalQuestion]:
    """Every question of every reference set.

    Raises:
        CurationError: A set is unknown, or a row has no question: skipping it would let the eval leak into
            training.
    """
    found = [one for name, path in files for file in files_of(path) for one in _of(name, read_raw(file))]
    for name in from_hub:
        if name not in HUB_REFERENCES:
            raise CurationError(
                f"{name!r} is not a reference set; on the hub there are {', '.join(HUB_REFERENCES)}"
            )
        found += _of(name, read_hub(HUB_REFERENCES[name]))
    return found


def _of(name: str, raws: Iterator[Raw]) -> Iterator[EvalQuestion]:
    for raw in raws:
        if raw.columns is None:
            raise CurationError(f"{raw.place}: {raw.fault}")
        question = next((text for one in QUESTION_COLUMNS if (text := optional(raw.columns, one))), "")
        if not question:
            raise CurationError(f"{raw.place}: no question (it has {', '.join(sorted(raw.columns))})")
        yield EvalQuestion(f"{name} {_identity(raw, raw.columns)}", question)


def _identity(raw: Raw, row: Columns) -> str:
    return next((text for one in ID_COLUMNS if (text := optional(row, one))), raw.place.rpartition(":")[2])
