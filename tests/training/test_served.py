"""What training leaves, the real server serves: without a flag, with the same tokens, and adapters too."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.reasoning.families import FAMILIES
from server.reasoning.nano.problems import problems
from server.reasoning.records import Problem, Trace, TrainingExample
from tests.conftest import ServerProcess
from tests.training.tiny import tiny_model, train_file
from training.__main__ import main
from training.base import load_tokenizer
from training.lesson import Lesson, Writer
from training.recipes import NANO

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(1200)]


@contextmanager
def serving(log: Path, *flags: str) -> Iterator[str]:
    process = ServerProcess(log, [*flags, "--kv-cache-memory-bytes", str(2**28)])
    try:
        process.wait_until_ready()
        yield process.url
    finally:
        process.stop()


def ask(url: str, model: str, question: str, **more: Any) -> dict[str, Any]:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "return_token_ids": True,
        **more,
    }
    reply = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=120)
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


def lesson_of(model: Path | str, family: str, question: str) -> Lesson:
    sample = TrainingExample(Problem("p", question, "2"), Trace("p", "1+1 is 2.", "2"))
    return Writer(load_tokenizer(str(model)), FAMILIES[family], str(model)).write(sample)


def test_a_checkpoint_of_the_s1_format_is_served_without_a_flag_and_with_trainings_tokens(
    tmp_path: Path,
) -> None:
    base, out = tiny_model(tmp_path / "base", "<|unused|>", width=64), tmp_path / "ckpt"
    data = train_file(tmp_path / "train.jsonl", 16)
    told = [
        "--model",
        str(base),
        "--data",
        str(data),
        "--out",
        str(out),
        "--max-tokens",
        "4096",
        "--steps",
        "2",
    ]
    assert main(["sft", "--recipe", "s1-32b", *told]) == 0
    with serving(tmp_path / "log", "--model", str(out), "--served-model-name", "ckpt") as url:
        (model,) = httpx.get(f"{url}/v1/models").json()["data"]
        assert model["thinking_family"] == "s1"
        said = ask(url, "ckpt", "What is 1+1?", thinking_budget=3, max_completion_tokens=64)
    lesson = lesson_of(out, "s1", "What is 1+1?")
    prompt = said["prompt_token_ids"]
    ids_of_lesson = [*lesson.ids]
    assert ids_of_lesson[: len(prompt)] == prompt and lesson.labels[len(prompt) - 1] == -100
    writer = Writer(load_tokenizer(str(out)), FAMILIES["s1"], "ckpt")
    ids = said["choices"][0]["token_ids"]
    assert (
        ids_of_lesson[len(prompt) : len(prompt) + len(writer.start)]
        == writer.start
        == ids[: len(writer.start)]
    )
    closed = ids[len(writer.start) + 3 :]
    at = next(n for n in range(2) if closed[n : n + len(writer.end)] == writer.end)
    assert writer.tokenizer.decode(closed[at + len(writer.end) :]).startswith("\nFinal Answer:")
    assert said["choices"][0]["thinking"]["end"] == "max_tokens"


def test_adapters_on_s1_nano_are_served_beside_it_under_the_same_budgets(tmp_path: Path) -> None:
    asked = list(problems("train", 32, 1))
    lines = [
        {
            "problem": asdict(Problem(p.id, p.question, p.answer)),
            "trace": asdict(Trace(p.id, "So 7.\nSo 7.", "42")),
        }
        for p in asked
    ]
    data, out = tmp_path / "train.jsonl", tmp_path / "taught"
    data.write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = ["--data", str(data), "--out", str(out), "--epochs", "30"]
    assert main(["sft", "--recipe", "nano-lora", *told]) == 0
    loaded = ("--enable-lora", "--lora-modules", f"taught={out}")
    with serving(tmp_path / "log", "--model", str(NANO), "--served-model-name", "nano", *loaded) as url:
        names = {one["id"] for one in httpx.get(f"{url}/v1/models").json()["data"]}
        assert names == {"nano", "taught"}
        question = next(iter(problems("test", 1, 1))).question
        taught, before = (ask(url, name, question)["choices"][0] for name in ("taught", "nano"))
        cut = ask(url, "taught", question, thinking_budget=2)["choices"][0]
    assert taught["message"]["content"].endswith("Final Answer: 42")
    assert taught["message"]["reasoning_content"].strip() == "So 7.\nSo 7."
    assert not before["message"]["content"].endswith(" 42")
    assert (cut["thinking"]["tokens"], cut["thinking"]["end"]) == (2, "max_tokens")
    assert cut["message"]["content"].startswith("\n\nFinal Answer:")
