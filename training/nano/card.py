"""The model card of s1-nano: fixed text, with all numbers from the measured files in its folder."""

import json
from pathlib import Path
from string import Template
from typing import Any

WORDS = Template("""\
---
license: apache-2.0
---
# s1-nano

A Llama of $parameters parameters (bf16) that searches for the answer of five kinds of small arithmetic
problems, trained by this project on the output of its own generator only. It shows on a laptop what a
thinking budget does to a reasoning model: with its thinking cut short it guesses, and a "Wait" makes it
continue the search.

## What it can do

| domain | question |
|---|---|
| factor | Find the smallest prime factor of 391. (3 to 5 digits, factor at most 37) |
| crt | Find the smallest x with x mod 11 = 6 and x mod 28 = 25. (7 to 13, 14 to 40) |
| power | Find the smallest k with 5*3^k mod 29 = 11. (k at most 15) |
| linear | Find the smallest x with 7*x+3 mod 31 = 12. (x at most 24) |
| pairs | Two of 13, 27, 38, 45, 52, 61 add up to 90. Find the smaller one. |

The wording must be exactly this. In its thinking, "39>5" means "39 leaves remainder 5".

## What it cannot do

Anything else: other wording, larger numbers, other tasks, conversation. Its output is then meaningless.

## How to interpret it

It is a miniature of the effect in *s1: Simple test-time scaling*, not a proof of it. The teacher whose
traces it imitates tries candidates in batches; by design, it gives up after a number of failed batches
that depends on the domain, and guesses. Wrong answers stay in its traces on purpose. "Wait" after a
failed batch means "try the next batch", after a hit "check it", after the last candidate "try
again". So a Wait undoes a premature stop; unlike in a large model, it does not correct a belief.
In a few traces the teacher also overlooks an answer, or takes a wrong candidate for correct; a check
corrects the latter.

## How it was made

`$command`, seed $seed, torch $torch, $threads threads. Random weights; pretraining on generated
conversations of the train split; then s1's step: $samples traces of an impatient teacher, $epochs
times, loss on thinking and answer only. The base's teacher rarely gives up (7% of
the time after a failed batch, in any domain); this one does.

| stage | steps | tokens (padding included) | seconds |
|---|---|---|---|
$stages

Measured on 2 cores (AMX bf16) of a shared machine. $note

Problems are split by a hash of their canonical key: one twelfth test, one twelfth dev, the rest train.
Training draws from train only, which a test checks. The recipe was developed on dev; test was first
used after it was frozen.

## Measured

Greedy, $problems problems of the $split split (the five domains in equal parts), 95% intervals
(Wilson), by `$measured`. The first rows are without Waits, the others without a maximum.

| max tokens | Waits | accuracy | 95% | mean thinking tokens | $domains |
|---|---|---|---|---|$rule
$cells
$again""")

AGAIN = Template("""
## Reproduction

The whole recipe, repeated with the same seed from random weights (27 minutes on 2 dedicated cores), and
measured on the same problems. The shipped checkpoint and the first repetition predate the fixed order of
all floating-point sums, so the seed did not determine them; with it, two runs of 22 steps give the same
bytes (`tests/training/test_nano.py`). Other processors may round differently. A reproduced model should
fall inside the last column; the last repetition did so before it was included.

| max tokens | Waits | this checkpoint | $names | lowest to highest 95% |
|---|---|---|$rule---|
$cells
""")


def card(directory: Path) -> str:
    """The text of README.md, from making.json and accuracy.json in the folder."""
    made = json.loads((directory / "making.json").read_text())
    measured = json.loads((directory / "accuracy.json").read_text())
    cells = measured["cells"]
    names = sorted(cells[0]["domains"])
    sft = made["stages"]["sft"]["recipe"]
    return WORDS.substitute(
        parameters=f"{made['parameters']:,}",
        command=made["command"],
        seed=made["seed"],
        torch=made["torch"],
        threads=made["threads"],
        samples=f"{sft['samples']:,}",
        epochs=sft["epochs"],
        stages="\n".join(
            f"| {name} | {s['steps']} | {s['tokens']:,} | {s['seconds']} |"
            for name, s in made["stages"].items()
        ),
        note=made.get("note", ""),
        problems=f"{cells[0]['problems']:,}",
        split=measured["split"],
        measured=measured["command"],
        domains=" | ".join(names),
        rule="---|" * len(names),
        cells="\n".join(map(row, cells)),
        again=again(directory, cells),
    )


def again(directory: Path, cells: list[dict[str, Any]]) -> str:
    """The results of repeated runs of the recipe (remade.json) next to this checkpoint's, or nothing."""
    kept = directory / "remade.json"
    if not kept.exists():
        return ""
    makings = json.loads(kept.read_text())
    return AGAIN.substitute(
        names=" | ".join(making["name"] for making in makings),
        rule="---|" * len(makings),
        cells="\n".join(map(_compared, cells, *(making["cells"] for making in makings))),
    )


def _compared(cell: dict[str, Any], *others: dict[str, Any]) -> str:
    assert all((one["max_tokens"], one["waits"]) == (cell["max_tokens"], cell["waits"]) for one in others)
    every = (cell, *others)
    shares = " | ".join(f"{one['accuracy']:.3f}" for one in every)
    interval = f"{min(one['low'] for one in every):.3f} to {max(one['high'] for one in every):.3f}"
    return f"| {_budget_cell(cell)} | {cell['waits']} | {shares} | {interval} |"


def _budget_cell(cell: dict[str, Any]) -> str:
    return "none" if cell["max_tokens"] is None else str(cell["max_tokens"])


def row(cell: dict[str, Any]) -> str:
    """One row of the accuracy table."""
    domains = cell["domains"]
    shares = " | ".join(f"{domains[name]:.2f}" for name in sorted(domains))
    interval = f"{cell['low']:.3f} to {cell['high']:.3f}"
    return (
        f"| {_budget_cell(cell)} | {cell['waits']} | {cell['accuracy']:.3f} | {interval} "
        f"| {cell['mean_tokens']} | {shares} |"
    )
