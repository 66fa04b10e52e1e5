"""lm-evaluation-harness and inspect-ai run unmodified with a budget, and score their responses as
s1-eval does.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from evals.tasks.scorers import score_integer
from server.reasoning.grading.pool import Verdict
from server.reasoning.records import Problem, lines_of, read_problems
from tests.environments import installed

ROOT = Path(__file__).parents[2]
HARNESSES = ROOT / "evals" / "harnesses"
BUDGET = {"num_waits": 1}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


class NoJudge:
    async def equal(self, gold: str, said: str) -> Verdict:
        raise AssertionError(f"integers need no judge: {gold}, {said}")


def run(command: Sequence[str | Path], folder: Path, **environment: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


@pytest.fixture
def problems(tmp_path: Path) -> dict[str, Problem]:
    """Twenty problems, which also stand in nano.jsonl of the working folder."""
    command = [sys.executable, "-m", "evals", "problems", "nano", "--problems", "20"]
    path = tmp_path / "nano.jsonl"
    path.write_bytes(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    found = {problem.id: problem for problem in read_problems(path)}
    assert "".join(lines_of(found.values())) == path.read_text(encoding="utf-8")
    assert len(found) == 20
    return found


async def ours(problem: Problem, answer: str) -> float | None:
    return (await score_integer(problem, answer, NoJudge())).value


async def test_lm_eval_scores_its_responses_as_we_do(
    server_url: str, problems: dict[str, Problem], tmp_path: Path
) -> None:
    model = f"model=s1-nano,base_url={server_url}/v1/chat/completions,num_concurrent=8"
    run(
        [
            *(installed("lm_eval[api]") / "lm_eval", "run", "--model", "local-chat-completions"),
            *("--model_args", model, "--include_path", HARNESSES, "--tasks", "s1_nano"),
            *("--apply_chat_template", "--gen_kwargs", json.dumps({"thinking_budget": BUDGET})),
            *("--output_path", "out", "--log_samples"),
        ],
        tmp_path,
    )
    [log] = (tmp_path / "out").rglob("samples_s1_nano_*.jsonl")
    samples = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert len(samples) == 20
    for sample in samples:
        answer = sample["resps"][0][0]
        assert await ours(problems[sample["doc"]["id"]], answer) == sample["exact_match"], answer


async def test_inspect_scores_its_responses_as_we_do_and_its_budget_arrives(
    server_url: str, problems: dict[str, Problem], tmp_path: Path
) -> None:
    run(
        [
            *(installed("inspect-ai", "openai") / "inspect", "eval", "evals/harnesses/s1_nano_inspect.py"),
            *("-T", f"data={tmp_path / 'nano.jsonl'}", "--model", "openai-api/s1/s1-nano"),
            *(
                "--model-base-url",
                f"{server_url}/v1",
                "--extra-body",
                json.dumps({"thinking_budget": BUDGET}),
            ),
            *(
                "--temperature",
                "0",
                "--log-format",
                "json",
                "--log-dir",
                tmp_path / "out",
                "--display",
                "plain",
            ),
        ],
        ROOT,  # inspect takes relative task files only
        S1_API_KEY="none",
    )
    [path] = (tmp_path / "out").glob("*.json")
    log = json.loads(path.read_text(encoding="utf-8"))
    assert log["status"] == "success"
    assert len(log["samples"]) == 20
    for sample in log["samples"]:
        answer = sample["output"]["completion"]
        [score] = sample["scores"].values()
        assert await ours(problems[sample["id"]], answer) == float(score["value"] == "C"), answer
        [call] = [event["call"]["request"] for event in sample["events"] if event["event"] == "model"]
        assert (call.get("extra_body") or call)["thinking_budget"] == BUDGET
