"""The model without weights: Qwen3-8B's numbers and Qwen's own token ids."""

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from server.engine.bench.gpu import shapes
from server.engine.bench.gpu.shapes import QWEN3_8B, REDUCED, make_shape
from server.settings import EMBEDDED_MODEL_PATH


def test_shape_has_qwens_ids_and_thinking_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "gettempdir", lambda: str(tmp_path))
    shape = make_shape("test", QWEN3_8B)
    assert shape.tokenizer == "qwen"
    tokenizer = AutoTokenizer.from_pretrained(shape.folder)
    assert tokenizer.encode("<think>\nWait 123</think>") == [151667, 198, 14190, 220, 16, 17, 18, 151668]
    assert tokenizer.eos_token_id == 151645
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "x"}], add_generation_prompt=True, tokenize=False
    )
    assert prompt.endswith("<|im_start|>assistant\n<think>\n")
    before = (shape.folder / "tokenizer.json").stat().st_mtime_ns
    assert make_shape("test", QWEN3_8B) == shape
    assert (shape.folder / "tokenizer.json").stat().st_mtime_ns == before


def test_without_qwens_ranks_the_shape_says_that_it_has_s1_nanos_tokenizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(shapes, "find_spec", lambda _: None)
    shape = make_shape("test", REDUCED)
    assert shape.tokenizer == "s1-nano"
    nano = json.loads((EMBEDDED_MODEL_PATH / "config.json").read_text())
    assert json.loads((shape.folder / "config.json").read_text())["eos_token_id"] == nano["eos_token_id"]
