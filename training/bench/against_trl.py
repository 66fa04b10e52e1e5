"""How fast a training step of ours is against plain TRL: `python -m training.bench.against_trl`.

Pairs of processes, one of ours and one of TRL's own trainer, with the same model, samples, settings and CPU;
the first of a pair alternates. Both sides see the same samples in each step, so the ratio of the times is
that of tokens/s. Prints the median ratio of wall time and of CPU time (less distorted by other work on the
machine), and writes every pair to --out.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

WARM_UP = 2
SIDES = ("ours", "plain")


def flags() -> argparse.Namespace:
    """The command line's flags."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="nano")
    parser.add_argument("--model", help="the recipe's base, unless given")
    parser.add_argument("--data", type=Path, help="train.jsonl (default: 320 traces of s1-nano's teacher)")
    parser.add_argument("--micro-batch", type=int)
    parser.add_argument("--max-tokens", type=int)
    parser.add_argument("--steps", type=int, default=12, help=f"of each run; the first {WARM_UP} don't count")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("build/bench-train.json"))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    return parser.parse_args()


def teachers(path: Path) -> Path:
    """Write 320 traces of s1-nano's teacher to `path`, and return it."""
    from training.nano.sft import teacher_samples

    samples = [
        {"problem": asdict(one.problem), "trace": asdict(one.trace)} for one in teacher_samples(320, 1)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in samples))
    return path


def one_run(given: argparse.Namespace) -> dict[str, Any]:
    """The seconds of the steps after the warm-up, the tokens in them, and the losses of all steps."""
    from server.reasoning.families import FAMILIES
    from training.base import describe, load_tokenizer
    from training.data import read_data
    from training.lesson import Writer
    from training.machine import this_machine
    from training.plan import make_plan
    from training.recipes import RECIPES
    from training.run import TrainingRun
    from training.sft import config_of, rows_of

    named = {"model": given.model, "micro_batch": given.micro_batch, "max_tokens": given.max_tokens}
    changes = {name: value for name, value in named.items() if value is not None}
    recipe = replace(RECIPES[given.recipe], steps=given.steps, over_long="drop", **changes)
    tokenizer = load_tokenizer(recipe.model)
    writer = Writer(tokenizer, FAMILIES[recipe.family], recipe.model)
    data = read_data(given.data, writer, recipe.max_tokens, recipe.over_long)
    rows, lengths = rows_of(data, recipe)
    plan = make_plan(recipe, describe(recipe.model), data, this_machine(), len(rows), max(lengths))
    with TemporaryDirectory() as folder:
        config = config_of(plan, TrainingRun(Path(folder)))
        config.save_strategy = "no"
        config.disable_tqdm = True
        return timed(given.side, plan, config, tokenizer, rows, lengths, Path(folder))


def timed(
    side: str, plan: Any, config: Any, tokenizer: Any, rows: Any, lengths: list[int], folder: Path
) -> Any:
    """Train with one side's trainer, and return what `one_run` does."""
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTTrainer

    from training.metrics import Record
    from training.sft import load_model, trainer_of

    class Clock(TrainerCallback):
        ended: list[tuple[float, float]] = []  # noqa: RUF012

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ended.append((time.perf_counter(), time.process_time()))

    if side == "ours":
        record = Record(folder, plan, 0, watched=False)
        trainer = trainer_of(plan, config, tokenizer, rows, lengths, record)
    else:
        trainer = SFTTrainer(load_model(plan.recipe), config, train_dataset=rows, processing_class=tokenizer)
        trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Clock())
    trainer.train()
    logs = [line for line in trainer.state.log_history if "loss" in line]
    tokens = [int(line["num_tokens"]) for line in logs]
    seconds, cpu_seconds = (b - a for a, b in zip(Clock.ended[WARM_UP - 1], Clock.ended[-1], strict=True))
    counted = tokens[-1] - tokens[WARM_UP - 1]
    losses = [line["loss"] for line in logs]
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "tokens": counted, "losses": losses}


def run_side(side: str, given: argparse.Namespace, data: Path) -> dict[str, Any]:
    """The result of one side, run in its own process."""
    options = ["--side", side, "--recipe", given.recipe, "--data", str(data), "--steps", str(given.steps)]
    for name in ("model", "micro_batch", "max_tokens"):
        if getattr(given, name) is not None:
            options += [f"--{name.replace('_', '-')}", str(getattr(given, name))]
    command = [sys.executable, "-m", "training.bench.against_trl", *options]
    environment = {**os.environ, "GOMP_SPINCOUNT": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{side}: ended with {done.returncode}:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Run the pairs, print the ratios and write the results."""
    given = flags()
    if given.side:
        print(json.dumps(one_run(given)))
        return
    pairs: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        data = given.data or teachers(Path(folder) / "train.jsonl")
        for number in range(given.pairs):
            order = SIDES if number % 2 == 0 else SIDES[::-1]
            pair = {side: run_side(side, given, data) for side in order}
            ratios = {n: pair["plain"][n] / pair["ours"][n] for n in ("seconds", "cpu_seconds")}
            pairs.append({**pair, "ratio": ratios["seconds"], "cpu_ratio": ratios["cpu_seconds"]})
            speed = pair["ours"]["tokens"] / pair["ours"]["seconds"]
            ratio = f"ratio {ratios['seconds']:.3f}, of CPU time {ratios['cpu_seconds']:.3f}"
            print(f"pair {number + 1}: {speed:,.0f} tokens/s, {ratio}", flush=True)
    of_time = median(pair["ratio"] for pair in pairs)
    of_cpu = median(pair["cpu_ratio"] for pair in pairs)
    speeds = [pair["ours"]["tokens"] / pair["ours"]["seconds"] for pair in pairs]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    asked = {name: str(value) for name, value in vars(given).items() if value is not None}
    result = {"asked": asked, "median_ratio": of_time, "median_cpu_ratio": of_cpu, "pairs": pairs}
    given.out.write_text(json.dumps(result, indent=2) + "\n")
    print(f"median ratio {of_time:.3f}, of CPU time {of_cpu:.3f}; {len(pairs)} pairs")
    print(f"ours: {min(speeds):,.0f} to {max(speeds):,.0f} tokens/s")


if __name__ == "__main__":
    main()
