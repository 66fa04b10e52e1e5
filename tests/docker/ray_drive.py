"""Run in an environment with ray[serve], by test_ray.py: two replicas, a kill, a deletion; prints what came.

`python ray_drive.py FOLDER COMMAND`: FOLDER holds s1_replicas.py, COMMAND is s1-serve. The environment
variable MODEL_NAME is a name of the model that no other server has.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import ray
from ray import serve

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    PORT = probe.getsockname()[1]
URL = f"http://127.0.0.1:{PORT}"
CHAT = f"{URL}/v1/chat/completions"
WITHIN_S = 600


class Stream:
    """One streamed chat, read in a thread of its own."""

    def __init__(self, number: int, **asked: Any) -> None:
        question = f"Find the smallest prime factor of {number}."
        self.body = {"model": "s1-nano", "messages": [{"role": "user", "content": question}], **asked}
        self.body |= {"stream": True, "stream_options": {"include_usage": True}}
        self.events: list[Any] = []
        self.status = 0
        self.is_whole = False
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            with httpx.stream("POST", CHAT, json=self.body, timeout=WITHIN_S) as reply:
                self.status = reply.status_code
                for line in reply.iter_lines():
                    if line == "data: [DONE]":
                        self.is_whole = True
                    elif line.startswith("data: "):
                        self.events.append(json.loads(line.removeprefix("data: ")))
        except httpx.TransportError:
            pass  # torn: it is not whole

    def told(self) -> dict[str, Any]:
        """What came of it, once it has ended."""
        self._thread.join()
        usage = next((event["usage"] for event in reversed(self.events) if event.get("usage")), None)
        choices = [choice for event in self.events for choice in event.get("choices", [])]
        thinking = next((each["thinking"] for each in reversed(choices) if each.get("thinking")), None)
        told = {"status": self.status, "events": len(self.events), "whole": self.is_whole}
        return {**told, "usage": usage, "thinking": thinking}


def processes(pattern: str) -> list[int]:
    """Their ids."""
    found = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False)
    return sorted(int(each) for each in found.stdout.split())


def parent_of(process: int) -> int:
    """The id of the process that started it."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def engines_of(servers: list[int]) -> list[int]:
    """Of the servers' own processes: their ids."""
    every = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
    return [each for each in every if is_there(each) and parent_of(each) in servers]


def is_there(process: int) -> bool:
    """Whether it runs."""
    return Path(f"/proc/{process}/stat").exists()


def until(condition: Any) -> bool:
    """Whether it came to hold in time."""
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.5)
    return False


def is_running() -> bool:
    """Whether all replicas are up, by Ray Serve's own word."""
    app = serve.status().applications["default"]
    states = app.deployments["Replica"].replica_states
    return app.status == "RUNNING" and dict(states) == {"RUNNING": 2}


def main() -> None:
    """Everything in turn."""
    folder, command = sys.argv[1:]
    name = os.environ["MODEL_NAME"]
    flags = f"--served-model-name s1-nano {name}"
    sys.path.insert(0, folder)
    app = import_module("s1_replicas").app
    ray.init(num_cpus=3, runtime_env={"env_vars": {"PYTHONPATH": folder}}, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    told: dict[str, Any] = {}
    serve.run(app({"replicas": 2, "cpus": 0.5, "command": command, "flags": flags}))
    told["stream"] = Stream(391, thinking_budget={"num_waits": 1}, temperature=0).told()
    unknown: dict[str, Any] = {"messages": [{"role": "user", "content": "?"}]}
    told["refused"] = httpx.post(CHAT, json={**unknown, "model": "none"}, timeout=60).status_code
    odd = httpx.post(f"{URL}//v1%0A/chat?a=%3F&b=1", headers=[(b"x-title", b"Caf\xe9")], timeout=60)
    told["unknown path"] = [odd.status_code, odd.json()]
    told["types"] = httpx.get(f"{URL}/metrics", timeout=60).headers.get_list("content-type")

    servers = processes(name)
    killed, engines = servers[0], engines_of(servers[:1])
    long: dict[str, Any] = {"ignore_eos": True, "max_tokens": 1200}
    streams = [Stream(1001 + 2 * n, **long) for n in range(8)]
    until(lambda: all(each.events for each in streams))
    os.kill(parent_of(killed), signal.SIGKILL)
    told["killed"] = [each.told() for each in streams]
    told["engines"] = len(engines)
    told["server of it gone"] = until(lambda: not any(map(is_there, (killed, *engines))))
    told["replaced"] = until(lambda: len(processes(name)) == len(servers) == 2 and is_running())

    streams = [Stream(2001 + 2 * n, **long) for n in range(4)]
    until(lambda: all(each.events for each in streams))
    engines = engines_of(processes(name))
    serve.delete("default")
    told["drained"] = [each.told() for each in streams]
    told["ended"] = until(lambda: not processes(name) and not any(map(is_there, engines)))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
