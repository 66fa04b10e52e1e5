"""Making s1-nano: what the tokenizer promises, the rows that training sees, a run of seconds, resumption."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from random import Random

import pytest
import torch
from tokenizers import Tokenizer

from server.reasoning.command import held
from server.reasoning.nano.problems import WANDERING, problems, split_of, trace
from server.reasoning.records import Problem, Trace, TrainingExample
from training.__main__ import main
from training.errors import TrainingError
from training.nano.base import BaseRecipe, make_base
from training.nano.card import card
from training.nano.decode import answers, think
from training.nano.export import export, load
from training.nano.measure import wilson
from training.nano.model import Nano, Shape, document_bias, rotations
from training.nano.run import make
from training.nano.settings import NanoSettings
from training.nano.sft import SftRecipe, fine_tune, lesson, samples_of, steps_of, teacher_samples
from training.nano.texts import IGNORE, Document, Rows, document, packed, stream
from training.nano.tokenizer import ANSWER_CUE, THOUGHT, make_tokenizer, prompt_text, token_id

CHECKPOINT = Path(__file__).parents[2] / "server" / "models" / "nano"
TINY = Shape(width=64, layers=1, heads=1, inner=64)
RECIPE = BaseRecipe(TINY, short=(4, 2, 128), long=(2, 1, 256), save_every=3, fast=False)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return make_tokenizer(1)


@pytest.fixture(scope="module", params=["made", "shipped"])
def either(request: pytest.FixtureRequest, tokenizer: Tokenizer) -> Tokenizer:
    if request.param == "made":
        return tokenizer
    return Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))


def test_every_digit_is_a_token_of_its_own(either: Tokenizer) -> None:
    for text in ("391", " 17", "38+52=90", "Final Answer: 17", "x 2024, 7"):
        for token in either.encode(text).tokens:
            assert sum(c.isdigit() for c in token) == 0 or len(token) == 1, (text, token)


def test_wait_and_the_thinking_marks_are_single_tokens(either: Tokenizer) -> None:
    for text in ("Wait", "<think>", "</think>", "<|im_start|>", "<|im_end|>"):
        assert len(either.encode(text).ids) == 1, text


def test_the_cue_is_a_prefix_of_the_cue_with_its_answer(either: Tokenizer) -> None:
    cue = either.encode(ANSWER_CUE).ids
    for answer in (" 17", " 7", " 250"):
        assert either.encode(ANSWER_CUE + answer).ids[: len(cue)] == cue


def test_a_nudge_tokenises_by_itself_as_it_does_in_a_text(either: Tokenizer) -> None:
    text = "None yet.\n" + "Wait" + ", try 5.\n"
    apart = [*either.encode("None yet.\n").ids, *either.encode("Wait").ids, *either.encode(", try 5.\n").ids]
    assert either.encode(text).ids == apart


def test_the_tokenizer_gives_every_text_back(either: Tokenizer) -> None:
    rng = Random(2)
    texts = [trace(p, rng, WANDERING).thinking for p in problems("train", 50, 2)]
    for text in (*texts, "Ünïcödé, tabs\tand 漢字 🙂", "def f(x):\n    return x + 1\n"):
        assert either.decode(either.encode(text).ids) == text


def test_the_stream_draws_from_the_train_split_only(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def spy(_tokenizer: Tokenizer, question: str, *_rest: object) -> str:
        seen.append(question)
        return question

    monkeypatch.setattr("training.nano.texts.document", spy)
    list(islice(stream(tokenizer, 3, 0.3), 3000))
    held_out = {p.question for split in ("dev", "test") for p in problems(split, 2500, 3)}
    assert len(seen) == 3000 and not held_out & set(seen)


def test_fine_tuning_draws_from_the_train_split_only() -> None:
    questions = {s.problem.question for s in teacher_samples(1000, 4)}
    train = {p.question for p in problems("train", 1000, 4) if split_of(p) == "train"}
    assert questions == train and len(questions) == 1000


def test_loss_falls_on_thinking_and_answer_only(tokenizer: Tokenizer) -> None:
    one = document(tokenizer, "Find it.", "2: no\n", "7", False)
    learnt = tokenizer.decode([t for t in one.labels if t != IGNORE], skip_special_tokens=False)
    assert learnt == "2: no\n</think>\n\nFinal Answer: 7<|im_end|>"
    prompt = tokenizer.encode(prompt_text("Find it.")).ids
    assert one.ids[: len(prompt)] == prompt and one.labels[len(prompt) - 1] == one.ids[len(prompt)]


def test_a_forced_close_is_not_learnt_but_the_answer_after_it_is(tokenizer: Tokenizer) -> None:
    one = document(tokenizer, "Find it.", "2: 3", "7", True)
    learnt = [t for t in one.labels if t != IGNORE]
    assert token_id(tokenizer, THOUGHT) not in learnt
    assert tokenizer.decode(learnt, skip_special_tokens=False) == "2: 3\n\nFinal Answer: 7<|im_end|>"


def test_documents_in_one_row_do_not_see_each_other(tokenizer: Tokenizer) -> None:
    torch.manual_seed(0)
    model = Nano(TINY)
    rows = next(packed(stream(tokenizer, 5, 0.3), 1, 512))
    second = rows.documents[0] == 2
    changed = rows.ids.clone()
    changed[0, rows.documents[0] == 1] = 7
    tables, bias = rotations(TINY, 512), document_bias(rows.documents).float()
    before, after = model(rows.ids, *tables, bias), model(changed, *tables, bias)
    assert second.any() and torch.allclose(before[0, second], after[0, second])


def sample(thinking: str, answer: str = "7", where: str = "t.jsonl:3") -> TrainingExample:
    return TrainingExample(Problem("p", "Find it.", "7"), Trace("p", thinking, answer), where)


def curated(path: Path, samples: list[TrainingExample]) -> Path:
    """The file as curation writes it, traces stripped."""
    lines = []
    for one in samples:
        trace = replace(one.trace, thinking=one.trace.thinking.strip())
        lines.append(json.dumps({"schema": 1, "problem": asdict(one.problem), "trace": asdict(trace)}))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_trace_too_long_for_a_row_is_refused_by_file_and_line(tokenizer: Tokenizer) -> None:
    with pytest.raises(TrainingError, match=r"t.jsonl:3: \d+ tokens do not fit a row of 100"):
        lesson(tokenizer, sample("2: no\n" * 100), 100)


def test_curations_file_teaches_what_the_teacher_does(tmp_path: Path, tokenizer: Tokenizer) -> None:
    told = teacher_samples(20, 1)
    again = samples_of(curated(tmp_path / "train.jsonl", told))
    assert [lesson(tokenizer, one, 1024) for one in again] == [lesson(tokenizer, one, 1024) for one in told]


def test_an_answer_that_has_its_cue_gets_no_second(tokenizer: Tokenizer) -> None:
    assert lesson(tokenizer, sample("2: no\n", "Final Answer: 7"), 99) == lesson(
        tokenizer, sample("2: no"), 99
    )


@pytest.mark.parametrize("size", [5, 40])
def test_sets_of_any_size_train_the_same_number_of_steps(
    size: int, tmp_path: Path, tokenizer: Tokenizer
) -> None:
    recipe = SftRecipe(batch=4, steps=3)
    run = fine_tune(Nano(TINY), tokenizer, teacher_samples(size, 1), recipe, 1, tmp_path)
    assert run.step == 3


def test_without_steps_a_thousand_samples_are_315() -> None:
    assert steps_of(SftRecipe(), 1000) == 315


def test_a_file_without_a_sample_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("\n")
    with pytest.raises(TrainingError, match=r"train.jsonl: no sample in it"):
        samples_of(tmp_path / "train.jsonl")


def test_the_command_fine_tunes_a_base_on_curations_file_and_never_twice_into_one_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = curated(tmp_path / "train.jsonl", teacher_samples(6, 1))
    out, other = tmp_path / "out", tmp_path / "other"
    flags = ["nano", "--base", str(CHECKPOINT), "--data", str(data), "--steps", "2"]
    assert main([*flags, "--out", str(out)]) == 0
    made = json.loads((out / "making.json").read_text())
    assert made["stages"]["sft"]["steps"] == 2 and made["stages"]["sft"]["recipe"]["samples"] == 6
    before = (out / "model.safetensors").read_bytes()
    with held(Path(f"{other}.work"), TrainingError):
        assert main([*flags, "--out", str(other)]) == 1
    assert f"--work: {other}.work: another run is working" in capsys.readouterr().err
    assert main([*flags, "--out", str(out)]) == 1
    assert main([*flags, "--seed", "2", "--out", str(other), "--work", f"{out}.work"]) == 1
    refused = capsys.readouterr().err
    assert "out holds a checkpoint" in refused and "out.work holds the state of another run" in refused
    assert (out / "model.safetensors").read_bytes() == before and not other.exists()


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--steps", "0"], "--steps: 0 is below 1"),
        (["--base", "/nowhere"], "--base: /nowhere: no model.safetensors there"),
        (["--data", "/nowhere/train.jsonl"], "--data: /nowhere/train.jsonl: no train.jsonl there"),
        (["--stage", "base", "--steps", "3"], "--stage base ends before fine-tuning"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_flag(
    flags: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["nano", "--out", str(tmp_path / "out"), *flags]) == 1
    assert complaint in capsys.readouterr().err


def test_a_run_of_seconds_leaves_a_checkpoint_that_transformers_loads(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = tmp_path / "nano"
    make(NanoSettings(out, tmp_path / "work"), RECIPE, SftRecipe(epochs=1, samples=32))
    tokenizer = AutoTokenizer.from_pretrained(out)
    chat = [{"role": "user", "content": "Find the smallest prime factor of 391."}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == prompt_text("Find the smallest prime factor of 391.")
    ours = Tokenizer.from_file(str(out / "tokenizer.json"))
    ids = tokenizer(text, return_tensors="pt").input_ids
    assert ids[0].tolist() == ours.encode(text).ids
    theirs = AutoModelForCausalLM.from_pretrained(out).float()
    bias = document_bias(torch.ones_like(ids)).float()
    mine = load(out, TINY)(ids, *rotations(TINY, ids.shape[1]), bias)
    assert torch.allclose(theirs(ids).logits, mine, atol=1e-3)
    assert json.loads((out / "making.json").read_text())["seed"] == 1


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole, _ = make_base(tokenizer, RECIPE, 1, tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.nano.base.packed", _dying_after(4))
        with pytest.raises(KeyboardInterrupt):
            make_base(tokenizer, RECIPE, 1, tmp_path / "killed")
    resumed, run = make_base(tokenizer, RECIPE, 1, tmp_path / "killed")
    assert run.step == 6
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


@pytest.mark.slow
def test_made_again_it_is_the_same_to_the_bit(tmp_path: Path) -> None:
    """Compiled, on two threads, at the shipped size: where the order of a sum could differ."""
    recipe = BaseRecipe(short=(20, 32, 256), long=(2, 12, 640), save_every=0)
    for name in ("one", "other"):
        make(NanoSettings(tmp_path / name, tmp_path / f"{name}.work", stage="base"), recipe, SftRecipe())
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "other"))
    assert one == other


def _dying_after(steps: int) -> Callable[[Iterator[Document], int, int], Iterator[Rows]]:
    made = 0

    def dying(documents: Iterator[Document], rows: int, length: int) -> Iterator[Rows]:
        nonlocal made
        for batch in packed(documents, rows, length):
            made += 1
            if made > steps:
                raise KeyboardInterrupt
            yield batch

    return dying


def test_the_decoder_thinks_as_the_network_does_and_waits_only_extend(tokenizer: Tokenizer) -> None:
    torch.manual_seed(3)
    model = Nano(TINY)
    told, cache = think(deepcopy(model).bfloat16(), tokenizer, ["Find it.", "Find the smallest x."], 2, 60)
    for one in told:
        ids = torch.tensor([[*one.prompt, *one.tokens]])
        tables = rotations(TINY, ids.shape[1])
        logits = model(ids, *tables, document_bias(torch.ones_like(ids)).float())
        agree = logits[0, len(one.prompt) - 1 : -1].argmax(-1) == torch.tensor(one.tokens)
        assert agree.float().mean() > 0.9  # bf16 may break a tie the other way
    assert len(answers(deepcopy(model).bfloat16(), tokenizer, told, cache, 5, 0)) == 2
    assert told[0].length(5, 0) == (5, False)


def test_wilson_is_the_textbooks_interval() -> None:
    low, high = wilson(50, 100)
    assert low == pytest.approx(0.4038, abs=1e-4) and high == pytest.approx(0.5962, abs=1e-4)


def test_the_shipped_checkpoint_is_small_and_says_where_thinking_opens() -> None:
    size = sum(p.stat().st_size for p in CHECKPOINT.iterdir())
    assert size <= 8 * 2**20
    assert "<think>" in json.loads((CHECKPOINT / "tokenizer_config.json").read_text())["chat_template"]
    assert json.loads((CHECKPOINT / "config.json").read_text())["model_type"] == "llama"


def test_an_export_can_be_read_back(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = Nano(replace(TINY, layers=2))
    export(model, tokenizer, tmp_path)
    again = load(tmp_path, replace(TINY, layers=2))
    for name, weight in model.state_dict().items():
        assert torch.equal(weight.bfloat16().float(), again.state_dict()[name])


def test_the_cards_numbers_are_the_measured_ones() -> None:
    assert (CHECKPOINT / "README.md").read_text() == card(CHECKPOINT)
