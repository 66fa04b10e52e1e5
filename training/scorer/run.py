"""`s1-train scorer`: sample traces, train on them, measure, export, in order; a killed run is continued."""

import json
import sys
from dataclasses import asdict

import torch
from tokenizers import Tokenizer

from server.reasoning.command import held
from training.errors import TrainingError
from training.nano.claim import digest
from training.nano.loop import RunProgress, Schedule, optimise
from training.nano.model import Shape
from training.nano.texts import packed
from training.scorer.export import export
from training.scorer.measure import measure
from training.scorer.model import ScorerNet, from_nano
from training.scorer.rows import document, endless
from training.scorer.settings import NanoScorerSettings
from training.scorer.traces import OwnTrace, traces_of
from training.served import serving

NAME = "s1-nano"


def make_scorer(settings: NanoScorerSettings) -> None:
    """Make the scorer; writes `making.json` (recipe, seed, AUC, seconds) next to the checkpoint.

    Raises:
        TrainingError: A folder is in use or holds something else, or the server fails.
    """
    print(settings.plan(), flush=True)
    if settings.only_plan:
        return
    with held(settings.work, lambda text: TrainingError(f"--work: {text}")):
        _make(settings)


def _make(settings: NanoScorerSettings) -> None:
    claim(settings)
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(settings.seed)
    learned, held_out = sampled(settings)
    for flag, traces in (("--problems", learned), ("--held-out", held_out)):
        if len({trace.right for trace in traces}) < 2:
            which = "right" if traces[0].right else "wrong"
            raise TrainingError(f"{flag}: all {len(traces)} traces are {which}: give more problems")
    tokenizer = Tokenizer.from_file(str(settings.model / "tokenizer.json"))
    net, run = trained(settings, tokenizer, learned)
    found = measure(net, tokenizer, held_out)
    export(net, tokenizer, settings.out)
    made = {
        "command": " ".join(["python", "-m", "training", *sys.argv[1:]]),
        **identity_of(settings),
        "threads": settings.threads,
        "torch": torch.__version__,
        "traces": {"learned": len(learned), "right": share(learned)},
        "held_out": {"traces": len(held_out), "right": share(held_out), "auc": found},
        "tokens": run.tokens,
        "seconds": round(run.seconds),
    }
    (settings.out / "making.json").write_text(json.dumps(made, indent=2) + "\n")
    print(*(f"AUC, {name}: {value:.3f}" for name, value in found.items()), sep="\n")
    print(f"serve it: s1-serve --model {settings.out} --runner pooling")


def share(traces: list[OwnTrace]) -> float:
    """The share of right traces."""
    return round(sum(trace.right for trace in traces) / len(traces), 3)


def identity_of(settings: NanoScorerSettings) -> dict[str, object]:
    """What determines the result."""
    return {
        "model": digest(settings.model / "model.safetensors"),
        "seed": settings.seed,
        "recipe": asdict(settings.recipe),
    }


def claim(settings: NanoScorerSettings) -> None:
    """Claim the folders, or check that they belong to this run.

    Raises:
        TrainingError: `out` holds a checkpoint, or `work` another run's state.
    """
    if (settings.out / "making.json").exists():
        raise TrainingError(f"--out: {settings.out} holds a checkpoint; a run never overwrites another")
    kept, text = settings.work / "run.json", json.dumps(identity_of(settings), indent=2) + "\n"
    if kept.exists() and kept.read_text() != text:
        raise TrainingError(f"--work: {settings.work} holds the state of another run, see {kept}")
    kept.write_text(text)


def sampled(settings: NanoScorerSettings) -> tuple[list[OwnTrace], list[OwnTrace]]:
    """The traces to learn from, and those of held-out problems; the server runs only if some are missing.

    Raises:
        TrainingError: The server does not start, or fails.
    """
    work, recipe, seed = settings.work, settings.recipe, settings.seed
    files = {"train": work / "train.jsonl", "dev": work / "dev.jsonl"}
    if not all(path.exists() for path in files.values()):
        with serving(settings.model, NAME, work / "server.log") as url:
            traces_of(url, NAME, "dev", recipe.held_out, seed, files["dev"])
            traces_of(url, NAME, "train", recipe.problems, seed, files["train"])
    learned = traces_of("", NAME, "train", recipe.problems, seed, files["train"])
    return learned, traces_of("", NAME, "dev", recipe.held_out, seed, files["dev"])


def trained(
    settings: NanoScorerSettings, tokenizer: Tokenizer, traces: list[OwnTrace]
) -> tuple[ScorerNet, RunProgress]:
    """The network after training, in float32, or after the rest of it."""
    recipe = settings.recipe
    net = from_nano(settings.model, Shape())
    documents = [document(tokenizer, trace) for trace in traces]
    batches = packed(endless(documents, settings.seed), recipe.rows, recipe.length)
    optim = torch.optim.AdamW(net.parameters(), recipe.lr, betas=(0.9, 0.95), weight_decay=1e-4)
    plan = Schedule(recipe.steps, 0.05, 0.95, recipe.save_every)
    run = optimise(net, [optim], batches, plan, settings.work / "scorer.pt", recipe.fast)
    return net, run
