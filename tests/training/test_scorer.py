"""The scorer: its measure, its rows, its checkpoint in other people's hands, and one made from nothing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import httpx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from server.reasoning.nano.problems import problems, split_of
from tests.conftest import ServerProcess
from training.__main__ import main, parser
from training.errors import TrainingError
from training.nano.model import Shape
from training.nano.texts import IGNORE
from training.nano.tokenizer import THOUGHT, prompt_text
from training.recipes import NANO
from training.scorer import run
from training.scorer.export import export
from training.scorer.measure import auc, chances, measure
from training.scorer.model import RIGHT, WRONG, ScorerNet, from_nano
from training.scorer.rows import document, marked
from training.scorer.run import claim, make_scorer, sampled
from training.scorer.settings import NanoScorerSettings, ScorerRecipe, settings_of
from training.scorer.traces import OwnTrace

QUESTION = "Find the smallest prime factor of 391."
TRACE = OwnTrace("p", QUESTION, "3: 391>1 no\nNone yet.\n", "\n\nFinal Answer: 5", False)
SMALL = ScorerRecipe(problems=6, held_out=6, steps=2, rows=2, length=128, save_every=1, fast=False)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(NANO / "tokenizer.json"))


@pytest.fixture(scope="module")
def net() -> ScorerNet:
    """s1-nano with a random head."""
    torch.manual_seed(1)
    found = from_nano(NANO, Shape())
    torch.nn.init.normal_(found.score.weight, std=0.3)
    return found


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_the_auc_is_the_share_of_pairs_in_order(scored: list[tuple[int, bool]]) -> None:
    scores, right = [float(score) for score, _ in scored], [is_right for _, is_right in scored]
    pairs = [
        1.0 if good > bad else 0.5 if good == bad else 0.0
        for good, is_good in zip(scores, right, strict=True)
        if is_good
        for bad, is_other in zip(scores, right, strict=True)
        if not is_other
    ]
    if pairs:
        assert auc(scores, right) == pytest.approx(sum(pairs) / len(pairs))
    else:
        with pytest.raises(ValueError, match="right and wrong"):
            auc(scores, right)


def test_every_token_of_a_line_is_told_how_it_ended(tokenizer: Tokenizer) -> None:
    prompt = len(tokenizer.encode(prompt_text(QUESTION)).ids)
    for trace, label in ((TRACE, WRONG), (replace(TRACE, right=True), RIGHT)):
        one = document(tokenizer, trace)
        assert one.labels[: prompt - 1] == [IGNORE] * (prompt - 1)
        assert set(one.labels[prompt - 1 :]) == {label}
        assert len(one.ids) == len(one.labels)
        assert tokenizer.decode(one.ids[prompt:]) == "3: 391>1 no\nNone yet.\n</think>\n\nFinal Answer: 5"


def test_the_net_before_training_is_s1_nano_and_has_no_opinion(tokenizer: Tokenizer) -> None:
    fresh = from_nano(NANO, Shape())
    assert scores_of(fresh, tokenizer, [(QUESTION, ""), (QUESTION, marked(TRACE))]) == [0.5, 0.5]


def test_the_checkpoint_is_one_that_transformers_reads_with_the_same_scores(
    net: ScorerNet, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    export(net, tokenizer, tmp_path)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float32)
    own = AutoTokenizer.from_pretrained(tmp_path)
    texts = ["", "3: 391>1 no\n", TRACE.thinking + THOUGHT, marked(TRACE)]
    ours = scores_of(net, tokenizer, [(QUESTION, text) for text in texts])
    assert max(ours) - min(ours) > 0.02
    for roles in (("user", "assistant"), ("query", "document")):
        for text, score in zip(texts, ours, strict=True):
            chat = [
                {"role": role, "content": said} for role, said in zip(roles, (QUESTION, text), strict=True)
            ]
            shown = own.apply_chat_template(chat, tokenize=False)
            assert shown == prompt_text(QUESTION) + text
            with torch.inference_mode():
                logit = theirs(**own(shown, return_tensors="pt")).logits[0, 0]
            assert float(logit.sigmoid()) == pytest.approx(score, abs=0.03)  # ours in bf16, exported in bf16


def test_padding_changes_no_score(net: ScorerNet, tokenizer: Tokenizer) -> None:
    lines = [(QUESTION, ""), (QUESTION, marked(TRACE) * 3)]
    together = scores_of(net, tokenizer, lines)
    assert together == pytest.approx([scores_of(net, tokenizer, [line])[0] for line in lines], abs=0.01)


def scores_of(net: ScorerNet, tokenizer: Tokenizer, lines: list[tuple[str, str]]) -> list[float]:
    """The scores of lines at their ends."""
    return [scores[-1] for scores in chances(net, tokenizer, lines)]


def settings(folder: Path, recipe: ScorerRecipe = SMALL) -> NanoScorerSettings:
    return NanoScorerSettings(folder / "out", folder / "out.work", recipe)


def keep(folder: Path, name: str, traces: list[OwnTrace]) -> None:
    folder.mkdir(exist_ok=True)
    lines = [json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in traces]
    (folder / name).write_text("".join(lines), encoding="utf-8")


def test_traces_that_are_there_are_not_sampled_again_and_one_class_alone_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def no_server(*_: object) -> Iterator[str]:
        raise AssertionError("a server was started")
        yield

    monkeypatch.setattr(run, "serving", no_server)
    asked = settings(tmp_path)
    keep(asked.work, "train.jsonl", [TRACE, TRACE, TRACE, replace(TRACE, right=True)])
    keep(asked.work, "dev.jsonl", [TRACE, TRACE, replace(TRACE, answer="a\u2028b\u0085c")])
    assert [len(some) for some in sampled(asked)] == [4, 3]
    with pytest.raises(TrainingError, match="--held-out: all 3 traces are wrong"):
        make_scorer(asked)


def test_a_run_never_takes_anothers_folders(tmp_path: Path) -> None:
    asked = settings(tmp_path)
    asked.work.mkdir()
    claim(asked)
    claim(asked)
    with pytest.raises(TrainingError, match=r"--work: .* holds the state of another run"):
        claim(replace(asked, seed=2))
    asked.out.mkdir()
    (asked.out / "making.json").touch()
    with pytest.raises(TrainingError, match=r"--out: .* holds a checkpoint"):
        claim(asked)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--problems", "0"], "--problems: 0 is below 1"),
        (["--held-out", "-3"], "--held-out: -3 is below 1"),
        (["--steps", "0"], "--steps: 0 is below 1"),
        (["--threads", "0"], "--threads: 0 is below 1"),
        (["--model", "/nowhere"], "--model /nowhere: not an s1-nano: no config.json in it"),
    ],
)
def test_a_wrong_flag_is_named(flags: list[str], why: str) -> None:
    with pytest.raises(TrainingError, match=why):
        settings_of(parser().parse_args(["scorer", "--out", "out", *flags]))


def test_the_plan_is_printed_and_nothing_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scorer", "--out", str(tmp_path / "out"), "--plan"]) == 0
    assert "train problems" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.engine
def test_from_nothing_to_a_scorer_that_the_server_serves(tmp_path: Path, tokenizer: Tokenizer) -> None:
    asked = settings(tmp_path)
    make_scorer(asked)
    for split, name in (("train", "train.jsonl"), ("dev", "dev.jsonl")):
        kept = [json.loads(line) for line in (asked.work / name).read_text().splitlines()]
        assert len(kept) == 4 * 6
        drawn = {one.id: one for one in problems("train" if split == "train" else "dev", 6, asked.seed)}
        assert {one["problem"] for one in kept} == drawn.keys()
        assert {split_of(one) for one in drawn.values()} == {split}
    made = json.loads((asked.out / "making.json").read_text())
    assert made["held_out"]["auc"].keys() == {
        "question",
        "half of the thinking",
        "thinking",
        "thinking and answer",
    }
    learned, _ = sampled(asked)
    net, _ = run.trained(asked, tokenizer, learned)  # of a finished run: loaded, not trained again
    torch.nn.init.normal_(net.score.weight, std=0.3)
    export(net, tokenizer, asked.out)
    texts = [learned[0].thinking[:20], learned[0].thinking + THOUGHT, marked(learned[0])]
    ours = scores_of(net, tokenizer, [(learned[0].question, text) for text in texts])
    flags = [
        "--model",
        str(asked.out),
        "--runner",
        "pooling",
        "--enforce-eager",
        "--kv-cache-memory-bytes",
        str(2**28),
    ]
    served = ServerProcess(tmp_path / "scorer.log", flags)
    try:
        served.wait_until_ready()
        for text, score in zip(texts, ours, strict=True):
            chat = [
                {"role": "user", "content": learned[0].question},
                {"role": "assistant", "content": text},
            ]
            whole = httpx.post(f"{served.url}/classify", json={"messages": chat}, timeout=60).json()
            assert whole["data"][0]["probs"] == pytest.approx([score], abs=0.03)
            raw = httpx.post(f"{served.url}/pooling", json={"messages": chat}, timeout=60).json()
            assert raw["data"][0]["data"] == pytest.approx([score], abs=0.03)
    finally:
        served.stop()


def test_measuring_is_of_four_points_of_each_line(net: ScorerNet, tokenizer: Tokenizer) -> None:
    found = measure(net, tokenizer, [TRACE, replace(TRACE, answer="\n\nFinal Answer: 17", right=True)])
    assert found["question"] == found["thinking"] == 0.5
    assert found["thinking and answer"] in (0.0, 1.0)
