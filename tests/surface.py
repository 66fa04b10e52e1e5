"""What a user of this version can name, as JSON: flags, S1_* variables, /openapi.json, names in /metrics, and
the keys of responses, JSONL files and manifests. Temporary: it stays until the rooms are in order.

    PYTHONPATH=. python tests/surface.py > after.json    # and the same file in a checkout of 68ffd24
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

PORT = 18431
CHAT: dict[str, Any] = {
    "model": "s1-nano",
    "messages": [{"role": "user", "content": "Find the smallest prime factor of 391."}],
    "thinking_budget": {"num_waits": 2, "max_tokens": 400, "detail": True},
}
MAJORITY: dict[str, Any] = {**CHAT, "thinking_budget": 40, "scaling": {"method": "majority", "n": 2}}


def main() -> None:
    """Print it."""
    sys.path.insert(0, str(Path.cwd()))
    surface: dict[str, Any] = {"flags": dict(_flags())}
    with tempfile.TemporaryDirectory() as folder:
        surface |= _served(Path(folder))
    print(json.dumps(surface, indent=1, sort_keys=True))


def _flags() -> Iterator[tuple[str, Any]]:
    environment = importlib.import_module("server.environment")
    environment.set_engine_environment()
    from server.settings import Settings

    parser = argparse.ArgumentParser(prog="s1-serve")
    Settings.add_flags(parser)
    yield "s1-serve", [[*a.option_strings, a.metavar] for a in parser._actions]
    yield "S1_*", [f"S1_{name.upper()}" for name in Settings.__dataclass_fields__]
    for command in ("curation", "evals", "training"):
        module = importlib.import_module(f"{command}.__main__")
        yield command, _tree(module.parser() if hasattr(module, "parser") else module._parser())


def _tree(parser: argparse.ArgumentParser) -> Any:
    flags: list[Any] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            flags.append({name: _tree(each) for name, each in action.choices.items()})
        else:
            choices = sorted(map(str, action.choices)) if action.choices else None
            flags.append([*action.option_strings, action.dest, str(action.default), choices])
    return flags


def _served(folder: Path) -> Iterator[tuple[str, Any]] | dict[str, Any]:
    url, log = f"http://127.0.0.1:{PORT}", folder / "log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "server", "--port", str(PORT)], stdout=out, stderr=subprocess.STDOUT
        )
    try:
        for _ in range(1200):
            try:
                if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        asked = {
            name: httpx.post(f"{url}/v1/{path}", json=body, timeout=120).json()
            for name, path, body in (
                ("chat", "chat/completions", CHAT),
                ("scaled", "chat/completions", MAJORITY),
                ("completions", "completions", {"model": "s1-nano", "prompt": "Find", "thinking_budget": 8}),
                ("responses", "responses", {"model": "s1-nano", "input": "Find", "thinking_budget": 8}),
                ("refused", "chat/completions", {**CHAT, "thinking_budget": "x"}),
            )
        }
        metrics = httpx.get(f"{url}/metrics").text.splitlines()
        run = [sys.executable, "-m"]
        arms = ["--max-tokens", "0,16", "--waits", "1", "--majority", "2"]
        sweep = [*run, "evals", "sweep", "--problems", "6", *arms, "--base-url", f"{url}/v1"]
        curate = [*run, "curation", "run", "--recipe", "nano", "--out", folder / "set"]
        report = [*run, "evals", "report", folder / "eval"]
        for command in ([*sweep, "--out", folder / "eval"], report, curate):
            subprocess.run([str(word) for word in command], check=True, stdout=sys.stderr)
        return {
            "openapi": httpx.get(f"{url}/openapi.json").json(),
            "metrics": sorted(
                {line.split("{")[0].split(" ")[0] for line in metrics if line[:1] not in ("#", "")}
            ),
            "models": sorted(_keys(httpx.get(f"{url}/v1/models").json())),
            "responses": {name: sorted(set(_keys(body))) for name, body in asked.items()},
            "log": [line for line in log.read_text().splitlines() if "s1-serve:" in line][-12:],
            "files": {
                str(path.relative_to(folder)): sorted(set(_of_file(path)))
                for path in sorted(folder.rglob("*"))
                if path.suffix in (".json", ".jsonl", ".csv")
            },
        }
    finally:
        server.terminate()
        server.wait()


def _of_file(path: Path) -> Iterator[str]:
    text = path.read_text()
    if path.suffix == ".csv":
        yield text.splitlines()[0]
        return
    for piece in [text] if path.suffix == ".json" else text.splitlines():
        yield from _keys(json.loads(piece))


def _keys(value: Any, at: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{at}.{name}"
            yield from _keys(inner, f"{at}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner, f"{at}[]")


if __name__ == "__main__":
    main()
