"""s1-nano's own traces of its generator's problems, right and wrong, sampled through the real server.

Half of them stop by themselves, half were pushed on by Waits: a search grows lines that go on where most
samples stop, and a scorer that has never seen such a line cannot tell what it is worth.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from server.reasoning.nano.problems import NanoProblem, Split, problems
from training.errors import TrainingError
from training.nano.tokenizer import ANSWER_CUE
from training.scorer.settings import SAMPLES

AT_ONCE = 48
MAX_WAITS = 3
MAX_TOKENS = 900
"""Of thinking and answer: s1-nano's longest lines have half of that."""
TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class OwnTrace:
    """One trace of s1-nano, with whether its answer is right."""

    problem: str
    question: str
    thinking: str
    answer: str
    right: bool


def traces_of(url: str, name: str, split: Split, n: int, seed: int, kept: Path) -> list[OwnTrace]:
    """The traces of `n` problems of the split, from the server at `url`; `kept` has them if it exists.

    Raises:
        TrainingError: The server refuses a request or is gone.
    """
    if not kept.exists():
        asked = list(problems(split, n, seed))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(lambda each: _ask(url, name, *each), _asks(asked, seed)))
        partial = kept.with_suffix(".part")
        lines = (json.dumps(asdict(one), ensure_ascii=False) for some in found for one in some)
        partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        partial.rename(kept)
    # Of bytes: a text may hold line breaks of Unicode, at which str.splitlines would tear a line.
    return [OwnTrace(**json.loads(line)) for line in kept.read_bytes().splitlines()]


def _asks(asked: list[NanoProblem], seed: int) -> Iterator[tuple[NanoProblem, int, int]]:
    """Each problem with its number of Waits and a seed, twice."""
    for at, problem in enumerate(asked):
        yield problem, 0, seed + SAMPLES * at
        yield problem, 1 + at % MAX_WAITS, seed + SAMPLES * at + SAMPLES // 2


def _ask(url: str, name: str, problem: NanoProblem, waits: int, seed: int) -> list[OwnTrace]:
    body = {
        "model": name,
        "messages": [{"role": "user", "content": problem.question}],
        "n": SAMPLES // 2,
        "temperature": 1.0,
        "seed": seed,
        "max_completion_tokens": MAX_TOKENS,
        "thinking_budget": {"num_waits": waits},
    }
    request = Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urlopen(request, timeout=TIMEOUT_S) as reply:
            choices = json.load(reply)["choices"]
    except (URLError, OSError) as error:
        raise TrainingError(f"the server at {url} did not answer {problem.id}: {error}") from error
    return [_trace(problem, choice["message"]) for choice in choices]


def _trace(problem: NanoProblem, message: dict[str, Any]) -> OwnTrace:
    thinking, answer = message.get("reasoning_content") or "", message.get("content") or ""
    said = answer.partition(ANSWER_CUE.strip())[2].strip()
    return OwnTrace(problem.id, problem.question, thinking, answer, said == problem.answer)
