"""Token rows from texts: the endless stream for pretraining, packed; and the traces for fine-tuning.

The loss covers thinking and answer only; where thinking was cut at random, not its forced close.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor

from server.reasoning.nano.problems import DOMAINS, WANDERING, TeacherHabit, problem_from, split_of, trace
from training.nano.tokenizer import THOUGHT, answer_text, prompt_text, token_id

IGNORE = -100


@dataclass(frozen=True, slots=True)
class Document:
    """Token ids, and for each the label: the next token, or IGNORE."""

    ids: list[int]
    labels: list[int]


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch: ids, labels and document numbers, each of shape [rows, length]."""

    ids: Tensor
    labels: Tensor
    documents: Tensor


def document(tokenizer: Tokenizer, question: str, thinking: str, answer: str, forced: bool) -> Document:
    """Tokenise one conversation. `forced`: the thinking was cut, so its end is not under loss."""
    prompt = tokenizer.encode(prompt_text(question)).ids
    reply = tokenizer.encode(thinking + answer_text(answer)).ids
    labels = [IGNORE] * (len(prompt) - 1) + reply + [IGNORE]
    if forced:
        labels[len(prompt) - 1 + reply.index(token_id(tokenizer, THOUGHT))] = IGNORE
    return Document(prompt + reply, labels)


def cut_at(tokenizer: Tokenizer, thinking: str, rng: Random) -> int:
    """A random cut position in characters, at a token boundary."""
    ends = [0, *(end for _, end in tokenizer.encode(thinking).offsets)]
    return rng.choice(ends)


def stream(
    tokenizer: Tokenizer, seed: int, cut_share: float, habit: TeacherHabit = WANDERING
) -> Iterator[Document]:
    """Yield conversations of the train split without end."""
    rng, names = Random(seed), tuple(DOMAINS)
    while True:
        name = rng.choice(names)
        problem = problem_from(name, DOMAINS[name].draw(rng))
        if split_of(problem) != "train":
            continue
        traced = trace(problem, rng, habit)
        if rng.random() < cut_share:
            length = cut_at(tokenizer, traced.thinking, rng)
            best = traced.best_at(length)
            yield document(tokenizer, problem.question, traced.thinking[:length], best, True)
        else:
            yield document(tokenizer, problem.question, traced.thinking, traced.answer, False)


def packed(documents: Iterator[Document], rows: int, length: int) -> Iterator[Rows]:
    """Fill rows of shape [rows, length] end to end; the last document of a row is cut at its end."""
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
