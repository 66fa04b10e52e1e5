"""Coding agents, unmodified, for a whole conversation: the tool runs, its result goes back, the agent ends.

Each is the program of its npm package, set up by its section of server/CLIENTS.md, before a real server with
a checkpoint that has learnt this agent's call by heart.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ServerProcess
from tests.environments import node_installed
from tests.server.clients.by_heart import CUT, Talk, taught
from tests.server.clients.recorder import Exchange, Recorder, recording

PAGE = (Path(__file__).parents[3] / "server" / "CLIENTS.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"
BUDGET = "2000"
"""Thinking tokens by the page's configuration; here CUT of them, as by an effort of "low"."""
COMMAND = "echo sheep > sheep.txt"
TASK = "Write sheep into sheep.txt."
HOMES = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")
OFFLINE = {"OPENCODE_DISABLE_MODELS_FETCH": "1"}
"""As on a machine without a network: no agent may need one beside the server."""
Json = dict[str, Any]


@dataclass(frozen=True)
class Agent:
    """One program and its ways."""

    heading: str
    """Its section of the page, with one configuration file in it."""
    package: str
    program: str
    settings: str
    """Where that file belongs, below the folder that the program runs in."""
    command: tuple[str, ...]
    path: str
    """The endpoint that it talks to."""
    talk: Talk
    thought_of: Callable[[Json], list[str]]
    """The thinking that a request sends back."""
    results_of: Callable[[Json], list[str]]
    """The ids of calls whose results a request sends back."""
    is_shown_thinking: bool = True
    """Whether it asks to see what was thought, and so can send it back."""


def _items(body: Json, kind: str) -> list[Json]:
    return [each for each in body["input"] if each["type"] == kind]


def _blocks(body: Json, kind: str) -> list[Json]:
    parts = [each["content"] for each in body["messages"] if isinstance(each["content"], list)]
    return [block for content in parts for block in content if block["type"] == kind]


AGENTS = (
    Agent(
        heading="Codex CLI",
        package="@openai/codex@0.171.0",
        program="codex",
        settings="codex/config.toml",
        command=("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", TASK),
        path="/v1/responses",
        talk=Talk("exec_command", {"cmd": COMMAND}),
        thought_of=lambda body: [each["content"][0]["text"] for each in _items(body, "reasoning")],
        results_of=lambda body: [each["call_id"] for each in _items(body, "function_call_output")],
    ),
    Agent(
        heading="Claude Code",
        package="@anthropic-ai/claude-code@2.1.332",
        program="claude",
        settings="home/.claude/settings.json",
        command=("-p", TASK),
        path="/v1/messages",
        talk=Talk("Bash", {"command": COMMAND, "description": "Write a file"}),
        thought_of=lambda body: [each["thinking"] for each in _blocks(body, "thinking")],
        results_of=lambda body: [each["tool_use_id"] for each in _blocks(body, "tool_result")],
        is_shown_thinking=False,
    ),
)


def settings_of(agent: Agent) -> str:
    """The configuration file of its section."""
    section = PAGE.split(f"\n## {agent.heading}\n")[1].partition("\n## ")[0]
    [found] = re.findall(r"^```(?:toml|json)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert f"`{agent.package}`" in section
    return str(found)


@pytest.fixture(scope="module", params=AGENTS, ids=lambda agent: agent.program)
def agent(request: pytest.FixtureRequest) -> Agent:
    found: Agent = request.param
    return found


@pytest.fixture(scope="module")
def server(agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp(agent.program)
    flags = ["--model", str(taught(agent.talk, folder)), "--served-model-name", "my-model"]
    flags += ["--max-model-len", "65536", "--hf-overrides", json.dumps({"max_position_embeddings": 65536})]
    flags += ["--kv-cache-memory-bytes", str(1 << 29), "--enforce-eager"]
    flags += ["--override-generation-config", '{"temperature": 0}']  # agents leave it to the server
    flags += ["--effort-tokens", f"low={CUT}"]
    process = ServerProcess(folder / "server.log", flags)
    process.wait_until_ready()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def recorder(server: ServerProcess) -> Iterator[Recorder]:
    with recording(server.url) as found:
        yield found


@dataclass(frozen=True)
class Conversation:
    """What became of one run of an agent."""

    folder: Path
    printed: str
    turns: list[Exchange]
    """Those that offered tools: beside them an agent asks for titles and the like."""
    others: list[Exchange]


@pytest.fixture(scope="module")
def conversation(agent: Agent, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Conversation:
    folder = tmp_path_factory.mktemp("work")
    settings = folder / agent.settings
    settings.parent.mkdir(parents=True, exist_ok=True)
    text = settings_of(agent).replace(ADDRESS, recorder.url).replace(BUDGET, str(CUT))
    settings.write_text(text, encoding="utf-8")
    homes = dict.fromkeys(HOMES, str(folder / "home"))
    (folder / "home").mkdir(exist_ok=True)
    program = node_installed(agent.package) / "node_modules" / ".bin" / agent.program
    done = subprocess.run(
        [program, *agent.command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **homes, "CODEX_HOME": str(folder / "codex"), **OFFLINE},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    asked = recorder.to(agent.path)
    turns = [each for each in asked if each.asked.get("tools")]
    others = [each for each in recorder.exchanges if each not in turns]
    return Conversation(folder, done.stdout, turns, others)


pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(1800)]


def test_tool_runs_and_the_agent_ends_with_the_answer(agent: Agent, conversation: Conversation) -> None:
    assert (conversation.folder / "sheep.txt").read_text() == "sheep\n"
    assert agent.talk.closing in conversation.printed


def test_nothing_that_it_asks_for_is_refused(conversation: Conversation) -> None:
    refused = [each for each in (*conversation.turns, *conversation.others) if each.status != 200]
    assert [(each.path, each.status, each.response) for each in refused] == []


def test_second_turn_sends_the_result_and_the_thinking_back(agent: Agent, conversation: Conversation) -> None:
    first, second = (each.asked for each in conversation.turns)
    assert (agent.thought_of(first), agent.results_of(first)) == ([], [])
    [thought], [_] = agent.thought_of(second), agent.results_of(second)
    assert bool(thought.strip()) == agent.is_shown_thinking
    assert agent.talk.thought.startswith(thought.strip())


def test_budget_of_its_configuration_cuts_the_thinking_of_each_turn(
    server: ServerProcess, conversation: Conversation
) -> None:
    log, told = server.log.read_text(), []
    for turn in conversation.turns:
        first = turn.events[0]
        id_ = (first.get("response") or first.get("message") or first)["id"]
        [line] = re.findall(rf"ended id={id_}\S* (.*)", log)
        said = dict(pair.split("=", 1) for pair in line.split())
        told.append((said["end"], said["thinking_tokens"], said["max_tokens"]))
    assert told == [("max_tokens", str(CUT), str(CUT))] * 2
