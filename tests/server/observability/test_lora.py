"""A loaded LoRA is a model of its own in the metrics; a name that is not served is none."""

from pathlib import Path

import httpx
import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from server.settings import EMBEDDED_MODEL_PATH
from tests.conftest import ServerProcess

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def test_lora_has_series_of_its_own(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(EMBEDDED_MODEL_PATH)
    get_peft_model(model, LoraConfig(r=8, target_modules=["q_proj"])).save_pretrained(str(tmp_path / "lora"))
    flags = ["--enable-lora", "--max-lora-rank", "8", "--lora-modules", f"mine={tmp_path / 'lora'}"]
    server = ServerProcess(tmp_path / "server.log", flags)
    try:
        server.wait_until_ready()
        # The LoRA first: vLLM 0.32 on a CPU dies of a base model's request before any LoRA was loaded.
        for name in ("mine", "mine:think=7", "nobody", "s1-nano"):
            body = {"model": name, "prompt": "<think>17", "max_tokens": 20}
            httpx.post(f"{server.url}/v1/completions", json=body, timeout=120)
        text = httpx.get(f"{server.url}/metrics").text
        counted = [line for line in text.splitlines() if line.startswith("s1_request_waits_count{")]
        assert counted == [
            's1_request_waits_count{family="think",model="s1-nano"} 1.0',
            's1_request_waits_count{family="think",model="mine"} 2.0',
        ]
    finally:
        server.stop()
