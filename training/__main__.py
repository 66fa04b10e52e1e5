"""Train models to think: s1's fine-tuning, GRPO, s1-nano, a scorer for it, the ablation of the data."""

import argparse
import json
import os
import sys
from pathlib import Path

from server.reasoning.command import exit_status
from server.reasoning.records import RecordError
from training.ablation.plan import ablation_of
from training.ablation.plan import add_flags as add_ablation_flags
from training.errors import TrainingError
from training.rl.settings import add_flags as add_rl_flags
from training.scorer.settings import add_flags as add_scorer_flags
from training.settings import add_flags


def parser() -> argparse.ArgumentParser:
    """The command's argument parser."""
    top = argparse.ArgumentParser(prog="s1-train", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    nano = commands.add_parser("nano", help="train s1-nano, the embedded model, from random weights")
    nano.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    nano.add_argument(
        "--work",
        type=Path,
        help="folder of the state that an interrupted run resumes from (default: OUT.work)",
    )
    nano.add_argument(
        "--stage", choices=("all", "base"), default="all", help="base: pretraining only (default: all)"
    )
    nano.add_argument("--base", type=Path, help="fine-tune this exported base, without pretraining")
    nano.add_argument(
        "--data", type=Path, help="fine-tune on curation's train.jsonl (default: the teacher's traces)"
    )
    nano.add_argument("--steps", type=int, help="steps of fine-tuning (default: 5 epochs in batches of 16)")
    nano.add_argument("--seed", type=int, default=1, help="seed of weights and data (default: 1)")
    nano.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    sft = commands.add_parser(
        "sft", help="fine-tune a model on curation's train.jsonl with a recipe of the paper"
    )
    add_flags(sft)
    rl = commands.add_parser(
        "rl", help="reinforcement learning on thinking, with rollouts of the real server"
    )
    add_rl_flags(rl)
    scorer = commands.add_parser(
        "scorer", help="train a scorer of s1-nano's thinking on its own right and wrong traces"
    )
    add_scorer_flags(scorer)
    ablation = commands.add_parser(
        "ablation", help="compare training sets: fine-tune s1-nano's base on each, and score them"
    )
    add_ablation_flags(ablation)
    measure = commands.add_parser(
        "nano-measure", help="measure an s1-nano's accuracy by budget, without a server"
    )
    measure.add_argument("directory", type=Path, help="a checkpoint of `s1-train nano`")
    measure.add_argument(
        "--split", choices=("dev", "test"), default="dev", help="of the problems (default: dev)"
    )
    measure.add_argument("--problems", type=int, default=1000, help="number of problems (default: 1000)")
    measure.add_argument("--seed", type=int, default=1, help="seed of the drawn problems (default: 1)")
    measure.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    measure.add_argument("--out", type=Path, help="also write the table to this file")
    card = commands.add_parser("nano-card", help="write an s1-nano's README.md from its measured files")
    card.add_argument("directory", type=Path, help="a checkpoint of `s1-train nano`, measured")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 for an error, 130 for Ctrl-C."""
    parsed = parser().parse_args(arguments)
    return exit_status("s1-train", lambda: run(parsed), TrainingError, RecordError)


def run(parsed: argparse.Namespace) -> int:
    """Run the subcommand that was parsed.

    Raises:
        TrainingError: The run cannot be done as asked.
        RecordError: A line of the data cannot be read.
    """
    # Set before torch is imported: spinning OpenMP threads halve the speed on shared cores.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    if parsed.command == "sft":
        from training.settings import settings_of as sft_settings
        from training.sft import sft

        sft(sft_settings(parsed))
        return 0
    if parsed.command == "rl":
        from training.rl.run import rl
        from training.rl.settings import settings_of as rl_settings

        rl(rl_settings(parsed))
        return 0
    if parsed.command == "nano":
        from training.nano.run import make_nano
        from training.nano.settings import settings_of

        make_nano(settings_of(parsed))
        return 0
    if parsed.command == "scorer":
        from training.scorer.run import make_scorer
        from training.scorer.settings import settings_of as scorer_settings

        make_scorer(scorer_settings(parsed))
        return 0
    if parsed.command == "ablation":
        from training.ablation.run import ablate

        ablate(ablation_of(parsed))
        return 0
    if parsed.command == "nano-card":
        from training.nano.card import card

        (parsed.directory / "README.md").write_text(card(parsed.directory))
        return 0
    from training.nano.run import measure

    result = measure(parsed.directory, parsed.split, parsed.problems, parsed.seed, parsed.threads)
    text = json.dumps(result, indent=2) + "\n"
    print(text, end="")
    if parsed.out:
        parsed.out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
