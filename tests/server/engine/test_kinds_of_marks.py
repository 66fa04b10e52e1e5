"""One engine for each kind of mark, s1-nano behind them: budgets hold to the token in all they report.

What is right is read off the text of the output's tokens, by nothing of the product's.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from transformers import AutoTokenizer

from server.reasoning.families import FAMILIES
from server.settings import EMBEDDED_MODEL_PATH
from tests.conftest import ServerProcess
from tests.server.engine.marked import FREE, Kind, kind_of, marked_folder, text_kind_of

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

KINDS = {
    "one token": kind_of(FAMILIES["seed"]),
    "several tokens": Kind(
        family="s1",
        start="<|im_start|>think",
        end="<|im_start|>answer",
        opening="",
        ordinary={FREE: "think", FREE + 1: "answer", FREE + 2: "so", FREE + 3: " vq"},
        pool=(1, FREE, FREE + 1, FREE + 2, FREE + 3),
        breaks_line=True,
    ),
    "text": text_kind_of(FAMILIES["think"]),
    "suffix": kind_of(FAMILIES["hy"].written_in(["<think:v2>"])),
    "harmony": kind_of(FAMILIES["gpt-oss"], opens=False),
}
OTHERS = {
    family.name: (
        text_kind_of(family) if family.is_plain_text else kind_of(family, opens=not family.transition)
    )
    for family in FAMILIES.values()
    if family.name not in {kind.family for kind in KINDS.values()} | {"think"}
} | {"think": kind_of(FAMILIES["think"])}
CHOICES = 24
BY_CHAT = pytest.mark.parametrize("served", [each for each in KINDS if each != "harmony"], indirect=True)
BY_MESSAGES = {family.name for family in FAMILIES.values() if family.transition}


@dataclass(frozen=True, slots=True)
class Served:
    """A server, and how its tokens are read."""

    kind: Kind
    url: str
    decode: Callable[[list[int]], str]

    def pieces(self, ids: list[int]) -> list[str]:
        """What each token adds to the text; a character of several tokens is the last one's."""
        texts = [self.decode(ids[:n]).rstrip("\ufffd") for n in range(len(ids) + 1)]
        return [after[len(before) :] for before, after in pairwise(texts)]

    @property
    def is_by_messages(self) -> bool:
        """vLLM's own parser reads its chat, and wants the real model; thinking may come in several blocks."""
        return self.kind.family in BY_MESSAGES

    def body(self, budget: dict[str, Any]) -> dict[str, Any]:
        """A request for choices of a model that samples from the kind's pool at random."""
        sampling = {"n": CHOICES, "temperature": 2, "seed": 7, "max_tokens": 120, "return_token_ids": True}
        messages = {"messages": [{"role": "user", "content": "391"}]}
        # As long as a chat's: vLLM 0.32's attention on the CPU has an illegal instruction for some batches of
        # very short prompts (cpu_attention_with_kv_cache, on a virtual machine with AMX).
        text = "<|im_start|>user\n391<|im_end|>\n<|im_start|>assistant\n"
        asked = {"prompt": text} if self.is_by_messages else messages
        what = {"model": "nano", "thinking_budget": budget, "allowed_token_ids": self.kind.pool}
        return {**sampling, **asked, **what}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A response that succeeded."""
        reply = httpx.post(f"{self.url}/v1/{path}", json=body, timeout=200)
        assert reply.status_code == 200, reply.text
        answer: dict[str, Any] = reply.json()
        return answer

    def spell(self, budget: dict[str, Any]) -> list[dict[str, Any]]:
        """All its choices."""
        path = "completions" if self.is_by_messages else "chat/completions"
        choices: list[dict[str, Any]] = self.post(path, self.body(budget))["choices"]
        assert len(choices) == CHOICES
        return choices


@pytest.fixture(
    scope="module",
    params=[*KINDS, *(pytest.param(each, marks=pytest.mark.slow) for each in OTHERS)],
)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for each kind, and, with the slow tests, for each family."""
    kind = (KINDS | OTHERS)[request.param]
    folder = marked_folder(kind, tmp_path_factory.mktemp("marked"))
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    flags = ["--model", str(folder), "--served-model-name", "nano", "--enforce-eager"]
    flags += ["--family", kind.family] if kind.opening == "" else []
    flags += ["--kv-cache-memory-bytes", str(1 << 28), "--max-num-seqs", "32", "--max-model-len", "1024"]
    process = ServerProcess(Path(folder) / "server.log", flags)
    process.wait_until_ready()
    assert f"family   {kind.family} " in process.log.read_text()
    yield Served(kind, process.url, tokenizer.decode)
    process.stop()


def thinking_of(served: Served, text: str) -> list[tuple[int, int]]:
    """The characters between the marks: a block's beginning and end, which is the text's if it has none.

    A family that writes no messages has one block, from the beginning or from a mark there: inside it
    another start mark is text like any other.
    """
    start, end = served.kind.start, served.kind.end
    if not served.is_by_messages:
        began = len(start) if text.startswith(start) else 0
        spelled = (text.find(each, began) for each in (end, *served.kind.also_end))
        return [(began, min((at for at in spelled if at >= 0), default=len(text)))]
    blocks, opened = [], text.find(start)
    while opened >= 0:
        began = opened + len(start)
        ends = text.find(end, began)
        blocks.append((began, len(text) if ends < 0 else ends))
        opened = text.find(start, ends) if ends >= 0 else -1
    return blocks


def text_of_first(count: int, pieces: list[str], began: int) -> str:
    """What this many tokens say from the character `began` on, from the first that says anything there."""
    places = list(accumulate(map(len, pieces)))
    first = next(n for n, ends in enumerate(places) if ends > began)
    return "".join(pieces[: first + count])[began:]


def check(served: Served, choice: dict[str, Any], budget: dict[str, Any]) -> dict[str, Any]:
    """That thinking and answer are parted at the marks, and counted to the token. Returns the report."""
    pieces = served.pieces(choice["token_ids"])
    text, start, end = "".join(pieces), served.kind.start, served.kind.end
    blocks = thinking_of(served, text)
    report: dict[str, Any] = choice["thinking"]
    at, count = 0, 0
    for piece in pieces:
        count += any(at < ends and at + len(piece) > began for began, ends in blocks)
        at += len(piece)
    [*_, (began, ends)] = blocks or [(0, 0)]
    if served.kind.breaks_line and text[:ends].endswith("\n"):
        count -= 1  # the forced line break, which nothing of the pool says
    assert report["tokens"] == count
    assert count <= budget.get("max_tokens", len(pieces))
    if report["end"] == "max_tokens" and served.is_by_messages:
        assert count == budget["max_tokens"]
    elif report["end"] == "max_tokens":
        cut = text_of_first(budget["max_tokens"], pieces, began)
        # The maximum may come when the model has begun to spell the mark: that is finished, and no thinking.
        spellings = (end, *served.kind.also_end)
        begun = max(
            next((n for n in range(len(each) - 1, 0, -1) if cut.endswith(each[:n])), 0) for each in spellings
        )
        if served.kind.breaks_line and not begun:
            cut += "\n"
        if not budget.get("min_tokens"):
            assert text[began:ends] == cut[: len(cut) - begun]
        assert begun or count == budget["max_tokens"]
    if report["end"] == "natural" and blocks:
        assert report["waits_used"] >= budget.get("num_waits", 0)
        assert count >= budget.get("min_tokens", 0)
    if not served.is_by_messages:
        message = choice["message"]
        spelled = next((each for each in served.kind.also_end if text.startswith(each, ends)), end)
        answer = text[ends + len(spelled) :]
        assert (message["reasoning_content"] or "", message["content"] or "") == (text[began:ends], answer)
        assert not any(each in answer for each in (end, *served.kind.also_end))
        assert start not in answer
    return report


BUDGETS: list[dict[str, Any]] = [
    {"max_tokens": 4},
    {"num_waits": 2, "max_tokens": 60},
    {"min_tokens": 20},
    {"num_waits": 1, "nudge": ["Wait", "So"]},
]


@pytest.mark.parametrize("budget", BUDGETS, ids=str)
def test_budget_holds_to_the_token_however_the_model_spells_its_marks(
    served: Served, budget: dict[str, Any]
) -> None:
    reports = [check(served, choice, budget) for choice in served.spell(budget)]
    ends = {report["end"] for report in reports}
    assert "natural" in ends  # the model did end its thinking by itself
    if budget.get("num_waits"):
        assert max(report["waits_used"] for report in reports) == budget["num_waits"]


def test_maximum_is_reached_where_the_minimum_forbids_an_earlier_end(served: Served) -> None:
    budget = {"min_tokens": 6, "max_tokens": 6}
    reports = [check(served, choice, budget) for choice in served.spell(budget)]
    assert {(report["end"], report["tokens"]) for report in reports} == {("max_tokens", 6)}


@BY_CHAT
def test_stream_says_what_the_whole_response_says(served: Served) -> None:
    """The same parts, as the stream's own tokens have them."""
    said = {n: ["", ""] for n in range(CHOICES)}
    tokens: dict[int, list[int]] = {n: [] for n in range(CHOICES)}
    reports: dict[int, Any] = {}
    budget = {"num_waits": 1, "max_tokens": 60}
    body = {**served.body(budget), "stream": True}
    with httpx.stream("POST", f"{served.url}/v1/chat/completions", json=body, timeout=200) as stream:
        for line in stream.iter_lines():
            if not line.startswith("data: {"):
                continue
            for choice in json.loads(line.removeprefix("data: "))["choices"]:
                index, delta = choice["index"], choice["delta"]
                said[index][0] += delta.get("reasoning_content") or ""
                said[index][1] += delta.get("content") or ""
                tokens[index] += choice.get("token_ids") or []
                reports[index] = choice.get("thinking") or reports.get(index)
    for index, (thinking, answer) in said.items():
        message = {"reasoning_content": thinking, "content": answer}
        whole = {"token_ids": tokens[index], "thinking": reports[index], "message": message}
        check(served, whole, budget)


@pytest.mark.parametrize("served", ["text"], indirect=True)
def test_s1_nano_is_governed_as_behind_its_own_marks(served: Served, server_url: str) -> None:
    """Its thinking, and the ends that it samples, are the same ids."""
    own = AutoTokenizer.from_pretrained(str(EMBEDDED_MODEL_PATH))
    asked = "<|im_start|>user\nFind the smallest prime factor of {}.<|im_end|>\n<|im_start|>assistant\n"
    for number in (391, 221, 1007):
        prompt = own.encode(f"{asked.format(number)}<think>\n", add_special_tokens=False)
        body = {"prompt": prompt, "temperature": 0, "max_tokens": 500, "return_token_ids": True}
        body |= {"thinking_budget": {"num_waits": 1}}
        mine = served.post("completions", {**body, "model": "nano"})["choices"][0]
        reply = httpx.post(f"{server_url}/v1/completions", json={"model": "s1-nano", **body}, timeout=120)
        theirs = reply.json()["choices"][0]
        assert mine["thinking"]["end"] == "natural"
        assert (mine["thinking"], mine["token_ids"]) == (theirs["thinking"], theirs["token_ids"])
