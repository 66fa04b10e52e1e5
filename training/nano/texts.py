"""Texts to token rows: the endless stream of the base, packed; and the traces of fine-tuning, one a row.

The loss falls on thinking and answer only; where a thought was cut at random, not on its forced close.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor

from server.reasoning.nano.problems import DOMAINS, WANDERING, Habit, problem_from, split_of, trace
from training.nano.tokenizer import THOUGHT, answer_text, prompt_text, token_id

IGNORE = -100


@dataclass(frozen=True, slots=True)
class Document:
    """Token ids, and for each the label of the *next* one or IGNORE."""

    ids: list[int]
    labels: list[int]


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch: ids, labels and document numbers, each (rows, length)."""

    ids: Tensor
    labels: Tensor
    documents: Tensor


def document(tokenizer: Tokenizer, question: str, thinking: str, answer: str, forced: bool) -> Document:
    """One conversation. `forced`: the thinking was cut, so its end is not the model's own choice."""
    prompt = tokenizer.encode(prompt_text(question)).ids
    said = tokenizer.encode(thinking + answer_text(answer)).ids
    labels = [IGNORE] * (len(prompt) - 1) + said + [IGNORE]
    if forced:
        labels[len(prompt) - 1 + said.index(token_id(tokenizer, THOUGHT))] = IGNORE
    return Document(prompt + said, labels)


def cut_at(tokenizer: Tokenizer, thinking: str, rng: Random) -> int:
    """A random length, in characters, at which a whole number of tokens ends."""
    ends = [0, *(end for _, end in tokenizer.encode(thinking).offsets)]
    return rng.choice(ends)


def stream(tokenizer: Tokenizer, seed: int, cut_share: float, habit: Habit = WANDERING) -> Iterator[Document]:
    """Conversations of the train split without end."""
    rng, names = Random(seed), tuple(DOMAINS)
    while True:
        name = rng.choice(names)
        problem = problem_from(name, DOMAINS[name].draw(rng))
        if split_of(problem) != "train":
            continue
        told = trace(problem, rng, habit)
        if rng.random() < cut_share:
            length = cut_at(tokenizer, told.thinking, rng)
            best = told.best_at(length)
            yield document(tokenizer, problem.question, told.thinking[:length], best, True)
        else:
            yield document(tokenizer, problem.question, told.thinking, told.answer, False)


def packed(documents: Iterator[Document], rows: int, length: int) -> Iterator[Rows]:
    """Fill rows end to end; the last document of a row is cut off where the row ends."""
    while True:
        ids = torch.zeros(rows, length, dtype=torch.long)
        labels = torch.full((rows, length), IGNORE)
        numbers = torch.zeros(rows, length, dtype=torch.long)
        for row in range(rows):
            at, number = 0, 0
            while at < length:
                one, number = next(documents), number + 1
                size = min(len(one.ids), length - at)
                ids[row, at : at + size] = torch.tensor(one.ids[:size])
                labels[row, at : at + size] = torch.tensor(one.labels[:size])
                numbers[row, at : at + size] = number
                at += size
        yield Rows(ids, labels, numbers)
