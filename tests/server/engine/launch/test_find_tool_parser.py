"""The parser of a model's tool calls is the one that reads what its real template writes."""

import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from server.engine.launch.arguments import make_parser, parse
from server.engine.launch.find_tool_parser import calls_of, parser_of, tool_flags
from server.reasoning.families import FAMILIES
from server.settings import EMBEDDED_MODEL_PATH
from tests.server.reasoning.chat_templates import sources

MARKS = re.compile(r"<[^<>\s'\"{}()%=]{2,60}>|\[/?[A-Z_]{3,}\]")


def tokenizer_with(template: str) -> Any:
    """s1-nano's, with this template and its marks as tokens."""
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED_MODEL_PATH)
    tokenizer.add_tokens(sorted(set(MARKS.findall(template))))
    tokenizer.chat_template = template
    return tokenizer


# By what vLLM 0.32's documentation of tool calling names for each model.
@pytest.mark.parametrize(
    ("name", "parser"),
    [
        ("C10X-Qwen2.5-0.5B-Instruct", "hermes"),
        ("Qwen-QwQ-32B", "hermes"),
        ("Qwen-Qwen3-4B-Thinking-2507", "hermes"),
        ("NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "qwen3_coder"),
        ("deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "deepseek_v3"),
        ("deepseek-ai-DeepSeek-V3.1", "deepseek_v31"),
        ("deepseek-ai-DeepSeek-V4", "deepseek_v4"),
        ("moonshotai-Kimi-K2", "kimi_k2"),
        ("moonshotai-Kimi-K2-Instruct", "kimi_k2"),
        ("Salesforce-xLAM-2-32b-fc-r", "xlam"),
        ("MiniMax-M2", "minimax_m2"),
        ("GLM-4.6", "glm45"),
        ("Gryphe-Gemma-4-31B-StyleTune", "gemma4"),
        ("LFM2.5-8B-A1B", "lfm2"),
        ("mistralai-Mistral-7B-Instruct-v0.3", "mistral"),
        ("mistralai-Ministral-3-14B-Reasoning-2512", "mistral"),
        ("allenai-Olmo-3-7B-Instruct", "olmo3"),
        ("NVIDIA-Nemotron-Nano-v2", None),  # no parser of vLLM's reads <TOOLCALL>
    ],
)
def test_parser_reads_what_the_template_writes(name: str, parser: str | None) -> None:
    tokenizer = tokenizer_with(sources()[name])
    calls = list(calls_of(tokenizer))
    assert calls
    assert parser_of(calls, tokenizer) == parser


def given(*flags: str) -> Namespace:
    return parse(make_parser("test", default_model=str(EMBEDDED_MODEL_PATH)), flags)


def test_model_whose_template_writes_no_call_gets_no_parser() -> None:
    assert not tool_flags(FAMILIES["think"], given())[1]


def test_users_own_parser_is_kept_and_switched_on() -> None:
    assert tool_flags(None, given("--enable-auto-tool-choice", "--tool-call-parser", "xlam")) == ([], True)
    flags = ["--enable-auto-tool-choice", "--tool-call-parser", "xlam"]
    assert tool_flags(None, given("--tool-call-parser", "xlam")) == (flags, True)


def test_model_without_a_tokenizer_is_served_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((EMBEDDED_MODEL_PATH / "config.json").read_text())
    for flags in ([], ["--skip-tokenizer-init"]):
        assert not tool_flags(None, given("--model", str(tmp_path), *flags))[1]


def test_start_is_not_told_what_other_parsers_make_of_a_call(caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = tokenizer_with(sources()["GLM-4.6"])
    assert parser_of(list(calls_of(tokenizer)), tokenizer) == "glm45"
    assert caplog.records == []


def test_parser_is_switched_on_by_vllms_flags(tmp_path: Path) -> None:
    template = tmp_path / "calls.jinja"
    template.write_text(sources()["Qwen-QwQ-32B"])
    flags, is_read = tool_flags(FAMILIES["think"], given("--chat-template", str(template)))
    assert (flags, is_read) == (["--enable-auto-tool-choice", "--tool-call-parser", "hermes"], True)
    assert tool_flags(FAMILIES["gpt-oss"], given())[0][-1] == "openai"
