"""Every example of server/CLIENTS.md, cut out of the page and run: real clients against the real server."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.environments import installed, node_installed

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "server" / "CLIENTS.md").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ADDRESS = "http://127.0.0.1:8000"
NODE_CLIENT = "openai@7.57.0"
QUESTION = "Find the smallest prime factor of 391."
WAIT = {"num_waits": 1}
CUT = {"max_tokens": 64, "answer_reserve_tokens": 256}
# As on a machine without a network: no client may need one beside the server.
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Example:
    """One block of the page."""

    client: str
    language: str
    number: int
    text: str

    @property
    def budget(self) -> dict[str, int]:
        return CUT if self.client == "Anthropic's SDK" else WAIT


def examples() -> list[Example]:
    found = []
    for section in PAGE.split("\n## ")[1:]:
        client = section.partition("\n")[0]
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        found += [Example(client, language, number, text) for number, (language, text) in enumerate(blocks)]
    return found


EXAMPLES = examples()
PYTHON_GROUPS = {
    "openai-python": "clients-openai",
    "inspect-ai": "clients-openai",
    "Anthropic's SDK": "clients",
    "LiteLLM": "clients",
    "LangChain": "clients",
    "llama-index": "clients",
    "pydantic-ai": "clients-pydantic",
}
AGENTS = {"Codex CLI", "opencode", "Claude Code"}
"""Run by test_agents.py."""
ELSEWHERE = {*AGENTS, "lm-evaluation-harness", "Open WebUI", "LibreChat"}
"""Their examples are run by others, as tests/evals/test_harnesses.py, or are no program."""


def chosen(*languages: str) -> Any:
    these = [each for each in EXAMPLES if each.language in languages and each.client != "vllm bench serve"]
    return pytest.mark.parametrize("example", these, ids=lambda each: f"{each.client} {each.number}")


@pytest.fixture
def expected(server_url: str, example: Example) -> dict[str, str]:
    return ask(server_url, example.budget)


def ask(url: str, budget: Mapping[str, int]) -> dict[str, str]:
    """What the server says to the page's question under a budget, without a client."""
    body = {"model": "s1-nano", "temperature": 0, "messages": [{"role": "user", "content": QUESTION}]}
    response = httpx.post(f"{url}/v1/chat/completions", json={**body, "thinking_budget": budget}, timeout=60)
    message: dict[str, str] = response.json()["choices"][0]["message"]
    return message


def run(command: list[str | Path], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def check(printed: str, expected: Mapping[str, str], natural: Mapping[str, str]) -> None:
    """All of the thinking was printed, in one piece, and the answer; and the budget had arrived."""
    assert expected["reasoning_content"] != natural["reasoning_content"]
    before, thinking, after = printed.partition(expected["reasoning_content"])
    assert thinking
    assert not before.strip()
    assert after.strip().startswith(expected["content"].strip())


# -- the page ------------------------------------------------------------------------------------------------


def test_every_client_has_an_example_whole_and_as_a_stream_that_is_run() -> None:
    counts: dict[str, int] = {}
    for example in EXAMPLES:
        counts[example.client] = counts.get(example.client, 0) + 1
        assert ADDRESS in example.text
    headings = set(re.findall(r"^## (.+)$", PAGE, re.MULTILINE))
    run_twice = {*PYTHON_GROUPS, "openai-node", "curl"}
    assert headings == run_twice | ELSEWHERE | {"vllm bench serve"}
    assert {client: counts[client] for client in run_twice} == dict.fromkeys(run_twice, 2)


def test_groups_hold_what_the_page_names() -> None:
    assert set(PYTHON_GROUPS.values()) == set(PYPROJECT["dependency-groups"])
    assert all("==" in each for group in PYPROJECT["dependency-groups"].values() for each in group)


# -- the clients ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(1800)
@chosen("python")
def test_python_client_prints_the_thinking_and_the_answer(
    server_url: str, example: Example, expected: dict[str, str], tmp_path: Path
) -> None:
    packages = PYPROJECT["dependency-groups"][PYTHON_GROUPS[example.client]]
    script = tmp_path / "example.py"
    script.write_text(example.text.replace(ADDRESS, server_url), encoding="utf-8")
    printed = run([installed(*packages) / "python", script], tmp_path, **OFFLINE)
    check(printed, expected, ask(server_url, {}))


CUT_REPLY = """
from pydantic_ai import Agent
from pydantic_ai.exceptions import OutputTokenLimitExceeded
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

budget = {"answer_reserve_tokens": 0, "end_message": ""}
for limit in (12, 3):
    model = OpenAIChatModel(
        "s1-nano",
        provider=OpenAIProvider(base_url="http://127.0.0.1:8000/v1", api_key="none"),
        settings={"temperature": 0, "max_tokens": limit, "extra_body": {"thinking_budget": budget}},
    )
    try:
        print("answer", repr(Agent(model).run_sync("Find the smallest prime factor of 391.").output))
    except OutputTokenLimitExceeded:
        print("cut")
    try:
        stream = Agent(model).run_stream_sync("Find the smallest prime factor of 391.")
        for response in stream.stream_response():
            pass
        print("answer", repr(response.text))
    except OutputTokenLimitExceeded:
        print("cut")
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_thinking_that_is_cut_is_no_answer_to_pydantic_ai(server_url: str, tmp_path: Path) -> None:
    packages = PYPROJECT["dependency-groups"]["clients-pydantic"]
    script = tmp_path / "cut.py"
    script.write_text(CUT_REPLY.replace(ADDRESS, server_url), encoding="utf-8")
    printed = run([installed(*packages) / "python", script], tmp_path, **OFFLINE)
    assert printed.splitlines() == ["cut"] * 4  # two limits, whole and streamed


@pytest.mark.slow
@pytest.mark.timeout(600)
@chosen("js")
def test_node_client_prints_the_thinking_and_the_answer(
    server_url: str, example: Example, expected: dict[str, str]
) -> None:
    home = node_installed(NODE_CLIENT)
    script = home / f"example-{os.getpid()}.mjs"  # node looks for modules beside the script
    script.write_text(example.text.replace(ADDRESS, server_url), encoding="utf-8")
    try:
        check(run(["node", script], home), expected, ask(server_url, {}))
    finally:
        script.unlink()


@chosen("sh")
def test_curl_gets_the_thinking_and_the_answer(
    server_url: str, example: Example, expected: dict[str, str], tmp_path: Path
) -> None:
    printed = run(["sh", "-c", example.text.replace(ADDRESS, server_url)], tmp_path)
    parts = [json.loads(line.removeprefix("data: ")) for line in printed.splitlines() if "{" in line]
    said = [choice.get("delta", choice.get("message")) for part in parts for choice in part["choices"]]
    thinking = "".join(each.get("reasoning_content") or "" for each in said)
    answer = "".join(each.get("content") or "" for each in said)
    check(thinking + answer, expected, ask(server_url, {}))
    assert len(parts) == 1 or example.number == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_vllm_bench_keeps_the_answer_and_counts_the_thinking(server_url: str, tmp_path: Path) -> None:
    [example] = [each for each in EXAMPLES if each.client == "vllm bench serve"]
    (tmp_path / "server").symlink_to(ROOT / "server")
    program = tmp_path / "vllm"  # the CPU build's own command looks for a package named vllm
    program.write_text(
        f"#!{sys.executable}\nimport importlib.metadata as known\nfind = known.version\n"
        "known.version = lambda name: '0' if name == 'vllm' else find(name)\n"
        "from vllm.entrypoints.cli.main import main\nmain()\n"
    )
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    run(["sh", "-c", example.text.replace(ADDRESS, server_url)], tmp_path, PATH=path, HF_HUB_OFFLINE="1")
    [result] = (json.loads(each.read_text()) for each in tmp_path.glob("*.json"))
    expected = ask(server_url, WAIT)
    assert result["generated_texts"] == [expected["content"]]
    assert result["output_lens"][0] > 170
    assert result["completed"] == 1
