"""Runs of `s1-train sft` with the real trainer on models of a few thousand weights."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.trainer_utils import sort_checkpoints

from server.reasoning.families import FAMILIES
from tests.training.tiny import tiny_model, train_file
from training.__main__ import main
from training.base import load_tokenizer
from training.data import read_data
from training.lesson import Writer
from training.run import TrainingRun

# Four epochs of three steps, each of four micro-batches (the last of two), saved within an epoch.
TWELVE = ("--steps", "12", "--save-every", "5", "--micro-batch", "4")


def flags(base: Path, data: Path, out: Path, *more: str, recipe: str = "nano") -> list[str]:
    return ["sft", "--recipe", recipe, "--model", str(base), "--data", str(data), "--out", str(out), *more]


def curve(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "run" / "metrics.jsonl").read_text().splitlines()]


def seen(out: Path) -> list[tuple[float, ...]]:
    """What must be the same to the bit, step by step."""
    names = ("step", "loss", "grad_norm", "learning_rate", "tokens")
    return [tuple(line[name] for name in names) for line in curve(out)]


@pytest.fixture(scope="module")
def whole(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve steps without a break."""
    out = tmp_path_factory.mktemp("whole") / "ckpt"
    assert main(flags(base, data, out, *TWELVE)) == 0
    return out


# -- what comes out --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "count", "warm_up"),
    [(200, 65, 4), pytest.param(1000, 315, 16, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
def test_steps_and_learning_rates_are_the_papers(
    base: Path, tmp_path: Path, samples: int, count: int, warm_up: int
) -> None:
    out = tmp_path / "ckpt"
    told = flags(base, train_file(tmp_path / "t.jsonl", samples, 2), out, recipe="qwen2.5-1.5b-s1k")
    assert main([*told, "--micro-batch", "16", "--no-recompute", "--save-every", "1000"]) == 0
    steps = curve(out)
    assert [one["step"] for one in steps] == list(range(1, count + 1))
    assert json.loads((out / "making.json").read_text())["steps"] == count
    rates = [one["learning_rate"] for one in steps]
    assert rates[0] == 0 and rates[warm_up] == max(rates) == 1e-5
    assert rates[warm_up // 2] == pytest.approx(0.5e-5) and 0 < rates[-1] < 1e-8


def test_the_model_learns_and_transformers_loads_what_comes_out(whole: Path) -> None:
    losses = [one["loss"] for one in curve(whole)]
    assert losses[-1] < losses[0]
    model = AutoModelForCausalLM.from_pretrained(whole, dtype="auto")
    assert model.dtype == torch.bfloat16
    assert (whole / "model.safetensors").stat().st_mode & 0o777 == 0o644
    assert AutoTokenizer.from_pretrained(whole).chat_template


def test_the_curve_is_in_tensorboard_too(whole: Path) -> None:
    board = EventAccumulator(str(whole / "run" / "tensorboard"))
    board.Reload()
    drawn = [(one.step, one.value) for one in board.Scalars("loss")]
    assert [step for step, _ in drawn] == list(range(1, 13))
    assert [value for _, value in drawn] == pytest.approx([one["loss"] for one in curve(whole)])
    assert set(board.Tags()["scalars"]) == {"loss", "learning_rate", "grad_norm", "tokens_per_s"}


def test_the_card_says_how_it_was_made(whole: Path) -> None:
    made = json.loads((whole / "making.json").read_text())
    assert made["name"] == "nano" and made["samples"] == 40 and made["steps"] == 12
    assert len(made["data"]) == 64 and made["over_long"] == [] and made["versions"]["trl"]
    assert made["tokens"] == curve(whole)[-1]["tokens"]


def test_the_command_that_serves_it_is_printed_with_room_for_others_on_a_cpu(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ckpt"
    assert main(flags(base, data, out, "--steps", "1")) == 0
    assert f"\ns1-serve --model {out} --kv-cache-memory-bytes 1G\n" in capsys.readouterr().out


def test_the_plan_is_printed_and_nothing_is_done_with_plan_alone(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ckpt"
    assert main(flags(base, data, out, "--plan")) == 0
    told = capsys.readouterr().out
    for part in (
        "recipe    nano",
        "parameters",
        "tokens    ",
        "steps     15: 40 samples an epoch",
        "GiB a device",
    ):
        assert part in told
    assert not out.exists()


def test_samples_that_are_left_out_are_named(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(flags(base, data, tmp_path / "o", "--plan", "--max-tokens", "185", "--over-long", "drop")) == 0
    )
    told = capsys.readouterr().out
    assert " too long and dropped" in told and f"  {data}:12: " in told


# -- a run never overwrites another ----------------------------------------------------------------------


def test_a_finished_run_and_another_run_and_a_strangers_folder_are_left_alone(
    base: Path, data: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (whole / "model.safetensors").read_bytes()
    assert main(flags(base, data, whole, *TWELVE)) == 1
    assert f"--out: {whole} holds a finished model" in capsys.readouterr().err
    other = tmp_path / "other"
    (other / "run").mkdir(parents=True)
    (other / "run" / "run.json").write_text((whole / "run" / "run.json").read_text())
    assert main(flags(base, data, other, *TWELVE, "--seed", "1")) == 1
    assert "holds another run: seed was 42, is 1" in capsys.readouterr().err
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "thesis.tex").touch()
    assert main(flags(base, data, stranger)) == 1
    assert "is not empty and holds no run of s1-train sft" in capsys.readouterr().err
    assert (whole / "model.safetensors").read_bytes() == before
    assert [one.name for one in stranger.iterdir()] == ["thesis.tex"]


# -- kill -9 ---------------------------------------------------------------------------------------------


def test_two_runs_in_one_folder_refuse_each_other(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ckpt"
    with TrainingRun(out).held():
        assert main(flags(base, data, out, *TWELVE)) == 1
    assert f"--out: {out}: another run is working in this folder" in capsys.readouterr().err
    assert not any(out.iterdir())


def test_a_folder_that_cannot_be_made_is_named(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(flags(base, data, tmp_path / "file" / "ckpt", *TWELVE)) == 1
    assert "ckpt cannot be written to (Not a directory)" in capsys.readouterr().err


def start(told: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "GOMP_SPINCOUNT": "0"}
    return subprocess.Popen([sys.executable, "-m", "training", *told], env=environment)


def lines(out: Path) -> int:
    path = out / "run" / "metrics.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


@contextmanager
def alarms() -> Iterator[list[str]]:
    """What transformers logs as a warning or worse, said before or not."""
    logging.Logger.warning_once.cache_clear()  # type: ignore[attr-defined]
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("transformers").addHandler(handler)
    try:
        yield said
    finally:
        logging.getLogger("transformers").removeHandler(handler)


def test_a_run_killed_in_mid_epoch_goes_on_to_the_same_curve_and_weights_to_the_bit(
    base: Path, data: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "ckpt"
    told = flags(base, data, out, *TWELVE)
    process = start(told)
    while lines(out) < 7 and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "config.json").exists() and 7 <= lines(out) < 12
    with alarms() as said:
        assert main(told) == 0
        for step in (5, 10):  # as two checkpoints of fast steps
            (tmp_path / f"checkpoint-{step}").mkdir()
            os.utime(tmp_path / f"checkpoint-{step}", (0, 0))
        assert sort_checkpoints(str(tmp_path), use_mtime=True)[-1].endswith("-10")
    assert said == []
    assert seen(out) == seen(whole)
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_checkpoint_that_was_not_written_to_its_end_is_passed_over(
    base: Path, data: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "ckpt"
    told = flags(base, data, out, *TWELVE)
    half = out / "run" / "checkpoints" / "checkpoint-10"
    for _ in range(5):
        process = start(told)
        while not (half / "model.safetensors").exists() and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        process.wait()
        if not (out / "config.json").exists():
            break
        shutil.rmtree(out)  # on a busy machine it was done before it was killed
    (half / "whole").unlink(missing_ok=True)
    (half / "trainer_state.json").unlink(missing_ok=True)
    assert not (out / "config.json").exists()
    assert main(told) == 0
    assert seen(out) == seen(whole)


# -- a loss that is none ---------------------------------------------------------------------------------


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_last_good_checkpoint(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ckpt"
    assert main(flags(base, data, out, "--save-every", "1", "--clip", "1e30", "--learning-rate", "1e30")) == 1
    assert "the loss is" in (told := capsys.readouterr().err) or "the gradient's norm is" in told
    kept = sorted((out / "run" / "checkpoints").glob("checkpoint-*/whole"))
    assert kept and not (out / "config.json").exists()
    assert len(curve(out)) == len(kept) and all(torch.tensor(one["loss"]).isfinite() for one in curve(out))


def test_weights_that_are_not_numbers_stop_at_the_first_step(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tiny_model(tmp_path / "broken")
    model = AutoModelForCausalLM.from_pretrained(broken)
    with torch.no_grad():
        model.model.norm.weight[0] = float("nan")
    model.save_pretrained(broken)
    assert main(flags(broken, data, tmp_path / "ckpt")) == 1
    assert "step 1: the loss is nan" in capsys.readouterr().err


# -- packing --------------------------------------------------------------------------------------------


def test_a_packed_run_trains_every_sample_in_fewer_steps(base: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "ckpt"
    assert (
        main(flags(base, data, out, "--packing", "--batch", "2", "--micro-batch", "1", "--epochs", "1")) == 0
    )
    written = read_data(data, Writer(load_tokenizer(str(base)), FAMILIES["think"], "tiny"), 1024, "refuse")
    assert curve(out)[-1]["tokens"] == written.tokens
    assert len(curve(out)) < 40 / 2


# -- adapters --------------------------------------------------------------------------------------------


def test_adapters_come_out_alone_and_every_one_of_them_has_learnt(
    base: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "ckpt"
    assert main(flags(base, data, out, "--epochs", "2", recipe="nano-lora")) == 0
    assert not (out / "model.safetensors").exists()
    adapters = load_file(out / "adapter_model.safetensors")
    second = {name: w for name, w in adapters.items() if "lora_B" in name}
    assert len(second) == 7 and all(w.abs().max() > 0 for w in second.values())
    assert curve(out)[-1]["loss"] < curve(out)[0]["loss"]


# -- what is no model ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "complaint"),
    [
        ("", "no such directory"),
        ("config.json", "not a model directory: no config.json in it"),
        ("model.safetensors", r"not a model directory: no weights (*.safetensors) in it"),
    ],
)
def test_what_is_no_model_directory_is_refused(
    data: Path, tmp_path: Path, missing: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    if missing:
        (tiny_model(model) / missing).unlink()
    assert main(flags(model, data, tmp_path / "ckpt")) == 1
    assert f"--model {model}: {complaint}" in capsys.readouterr().err
    assert not (tmp_path / "ckpt").exists()


def test_a_model_that_cannot_be_fetched_says_both_ways(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("cannot reach the hub")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", no_network)
    assert main(flags(Path("somebody/model"), data, tmp_path / "ckpt")) == 1
    told = capsys.readouterr().err
    assert "no tokenizer: cannot reach the hub (give network, or a directory with the model: --model" in told


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--batch", "0"], "--batch: 0 is below 1"),
        (["--learning-rate", "0"], "--learning-rate: 0.0 is not above 0"),
        (["--warm-up", "5"], "--warm-up: 5.0 is not a fraction of the steps (0 to below 1)"),
        (
            ["--micro-batch", "5"],
            "--batch: 16 samples a step do not divide over 1 devices with --micro-batch 5",
        ),
        (["--devices", "8"], "--devices, --device and --device-gib describe another machine"),
        (["--plan", "--devices", "8"], "--device-gib: the memory of"),
        (["--family", "magistral"], "--family magistral: the tokenizer of"),
        (["--plan", "--device-gib", "0.1"], "this needs about"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_flag(
    base: Path,
    data: Path,
    tmp_path: Path,
    more: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(flags(base, data, tmp_path / "ckpt", *more)) == 1
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "ckpt").exists()


def test_without_an_out_there_is_no_run(base: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = [one for one in flags(base, data, Path("x")) if one not in ("--out", "x")]
    assert main(told) == 1
    assert "--out: the output folder is required" in capsys.readouterr().err
