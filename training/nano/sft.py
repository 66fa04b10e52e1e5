"""Fine-tuning of the base on few traces for five epochs, as in s1: the teacher's, or those of train.jsonl."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer

from server.reasoning.nano.problems import ORDINARY, TeacherHabit, problems, trace
from server.reasoning.records import Problem, Trace, TrainingExample, read_samples
from training.errors import TrainingError
from training.nano.loop import RunProgress, Schedule, optimise
from training.nano.model import Nano
from training.nano.texts import IGNORE, Document, Rows, document
from training.nano.tokenizer import ANSWER_CUE


@dataclass(frozen=True, slots=True)
class SftRecipe:
    """`batch` traces per step. Traces share rows as long as the longest one needs, at most `row` tokens.

    `steps` ends the run after that many steps instead of after whole epochs, to train sets of any size
    equally long.
    """

    epochs: int = 5
    batch: int = 16
    row: int = 1024
    lr: float = 5e-4
    samples: int = 1000
    steps: int | None = None


def teacher_samples(n: int, seed: int, habit: TeacherHabit = ORDINARY) -> list[TrainingExample]:
    """`n` random train problems with the teacher's traces, correct or not: the set of the embedded model."""
    rng = Random(seed)
    traced = [(p, trace(p, rng, habit)) for p in problems("train", n, seed)]
    return [
        TrainingExample(
            Problem(p.id, p.question, p.answer, domain=p.domain), Trace(p.id, t.thinking, t.answer), p.id
        )
        for p, t in traced
    ]


def samples_of(path: Path) -> list[TrainingExample]:
    """All samples of a file.

    Raises:
        TrainingError: There is none.
        RecordError: A line cannot be read.
    """
    samples = list(read_samples(path))
    if not samples:
        raise TrainingError(f"{path}: no sample in it")
    if chat := next((one for one in samples if one.messages), None):
        raise TrainingError(f"{chat.where}: a chat of several messages, which s1-nano cannot learn")
    return samples


def lesson(tokenizer: Tokenizer, sample: TrainingExample, row: int) -> Document:
    """A sample in s1-nano's format: a line break ends the thinking, and the answer follows the cue.

    Raises:
        TrainingError: The sample is longer than `row` tokens; it is never cut.
    """
    thinking = sample.trace.thinking.strip() + "\n"
    answer = sample.trace.answer.strip().removeprefix(ANSWER_CUE.strip()).strip()
    one = document(tokenizer, sample.problem.question, thinking, answer, False)
    if len(one.ids) > row:
        raise TrainingError(f"{sample.where}: {len(one.ids)} tokens do not fit a row of {row}")
    return one


def fitted(documents: list[Document], length: int) -> Rows:
    """Pack whole documents into rows by first fit, shape [rows, length]; none is longer than `length`."""
    rows: list[list[Document]] = []
    for one in sorted(documents, key=lambda d: -len(d.ids)):
        room = (row for row in rows if sum(len(d.ids) for d in row) + len(one.ids) <= length)
        row = next(room, None)
        if row is None:
            rows.append([one])
        else:
            row.append(one)
    shape = (len(rows), length)
    numbers = torch.zeros(shape, dtype=torch.long)
    out = Rows(torch.zeros_like(numbers), torch.full(shape, IGNORE), numbers)
    for index, row in enumerate(rows):
        at = 0
        for number, one in enumerate(row, 1):
            span = slice(at, at + len(one.ids))
            out.ids[index, span] = torch.tensor(one.ids)
            out.labels[index, span] = torch.tensor(one.labels)
            out.documents[index, span] = number
            at += len(one.ids)
    return out


def steps_of(recipe: SftRecipe, samples: int) -> int:
    """The number of steps for this many samples."""
    return recipe.steps or recipe.epochs * -(-samples // recipe.batch)


def batches(documents: list[Document], recipe: SftRecipe, seed: int) -> Iterator[Rows]:
    """Yield batches of shape [rows, length] without end, epoch after epoch, each in a new order."""
    longest = max(len(one.ids) for one in documents)
    length = min(recipe.row, 128 * -(-longest // 128))
    rng = Random(seed)
    while True:
        order = rng.sample(documents, len(documents))
        for at in range(0, len(order), recipe.batch):
            yield fitted(order[at : at + recipe.batch], length)


def fine_tune(
    model: Nano,
    tokenizer: Tokenizer,
    samples: list[TrainingExample],
    recipe: SftRecipe,
    seed: int,
    work: Path,
) -> RunProgress:
    """Fine-tune `model` in place, with loss on thinking and answer only."""
    documents = [lesson(tokenizer, sample, recipe.row) for sample in samples]
    steps = steps_of(recipe, len(documents))
    optim = torch.optim.AdamW(model.parameters(), recipe.lr, betas=(0.9, 0.95), weight_decay=1e-4)
    drawn = islice(batches(documents, recipe, seed), steps)
    return optimise(model, [optim], drawn, Schedule(steps, 0.05, 0.95), work / "sft.pt", False)
