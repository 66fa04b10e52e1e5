"""The whole script in its reduced form, on a CPU: nothing but CUDA itself is untried."""

import json
from pathlib import Path
from typing import Any

import pytest

from server.engine.bench.gpu.__main__ import main

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(1800)]


def run(part: str, out: Path) -> dict[str, dict[str, Any]]:
    """What its stages' files say, by name."""
    main(["--part", part, "--out", str(out), "--reduced"])
    return {path.stem: json.loads(path.read_text()) for path in out.iterdir()}


def test_exactness_in_reduced_form(tmp_path: Path) -> None:
    told = run("exactness", tmp_path)
    assert told["machine"]["status"] == "done"
    for name in ("exactness-v1-eager", "exactness-v1-graphs"):
        stage = told[name]
        assert stage["status"] == "done", stage
        assert stage["exact"]
        cases = {case["case"]: case for case in stage["greedy"]}
        assert cases["preemption"]["preemptions"] > 0
        assert cases["three waits"]["forced"]["nudge"] > 0
        assert all(case["equal"] > 0.8 * case["prompts"] for case in cases.values())


def test_cost_in_reduced_form(tmp_path: Path) -> None:
    told = run("cost", tmp_path)
    assert [stage["status"] for stage in told.values()] == ["done"] * 4, told
    for name in ("cost-8b", "cost-nano"):
        for batch in told[name]["batches"]:
            assert batch["processor"]["commit"]["steps"] >= batch["tokens"]
    rounds = told["http"]["rounds"]
    assert {each["side"] for each in rounds} == {"stock", "ours", "ours with a budget"}
    assert all(each["tokens"] == 8 * 24 for each in rounds)


def test_drafts_in_reduced_form(tmp_path: Path) -> None:
    """V2's stages have nothing to do here: its kernels are interpreted in test_speculation.py alone."""
    told = run("drafts", tmp_path)
    done = {name for name, stage in told.items() if stage["status"] == "done"}
    assert done == {"machine", "exactness-v1-ngram", "cost-v1-ngram", "cost-v1"}, told
    assert told["exactness-v1-ngram"]["exact"]
    assert told["cost-v1-ngram"]["forced"]["speculation"] == "ngram"
    for batch in told["cost-v1-ngram"]["batches"]:
        assert batch["processor"]["commit_drafted"]["steps"] > 0
    assert {told[name]["status"] for name in ("cost-v2", "cost-v2-ngram")} == {"skipped"}


def test_training_in_reduced_form(tmp_path: Path) -> None:
    told = run("training", tmp_path)
    assert [stage["status"] for stage in told.values()] == ["done"] * 4, told
    for name in ("sft-nano", "sft-1.5b"):
        assert told[name]["peak_bytes"]["resident"] > 0
        assert told[name]["median_tokens_per_s"] > 0
    assert [row["arm"] for row in told["curve"]["rows"]] == ["none", "max=0", "max=64"]
