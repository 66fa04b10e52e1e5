"""Exports a trained network to a Hugging Face directory, in bf16, with its own tokenizer.

vLLM and transformers load it as a Llama.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from training.nano.model import Nano, Shape
from training.nano.tokenizer import CHAT_TEMPLATE, END, PAD, token_id


def config(shape: Shape, tokenizer: Tokenizer) -> dict[str, object]:
    """The contents of config.json."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "bos_token_id": None,
        "eos_token_id": token_id(tokenizer, END),
        "pad_token_id": token_id(tokenizer, PAD),
        "head_dim": shape.head,
        "hidden_act": "silu",
        "hidden_size": shape.width,
        "initializer_range": 0.02,
        "intermediate_size": shape.inner,
        "max_position_embeddings": shape.positions,
        "mlp_bias": False,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.heads,
        "rms_norm_eps": shape.epsilon,
        "rope_theta": shape.theta,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "vocab_size": shape.vocabulary,
    }


def tokenizer_config(shape: Shape) -> dict[str, object]:
    """The contents of tokenizer_config.json."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": shape.positions,
        "pad_token": PAD,
        "eos_token": END,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }


def weights(model: Nano) -> dict[str, Tensor]:
    """The weights in bf16 by their names in transformers: matrices [out, in], norms [width]."""
    kept = model.state_dict()
    return {f"model.{name}": w.detach().to(torch.bfloat16).contiguous() for name, w in kept.items()}


def load(directory: Path, shape: Shape) -> Nano:
    """The network of an exported directory, in float32."""
    model = Nano(shape)
    kept = load_file(directory / "model.safetensors")
    model.load_state_dict({name.removeprefix("model."): w.float() for name, w in kept.items()})
    return model


def _write(path: Path, value: dict[str, object]) -> None:
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(value, indent=2) + "\n")
    partial.replace(path)


def export(model: Nano, tokenizer: Tokenizer, out: Path) -> None:
    """Write all files of the directory, each atomically."""
    out.mkdir(parents=True, exist_ok=True)
    end, pad = token_id(tokenizer, END), token_id(tokenizer, PAD)
    _write(out / "config.json", config(model.shape, tokenizer))
    _write(out / "tokenizer_config.json", tokenizer_config(model.shape))
    _write(out / "generation_config.json", {"eos_token_id": end, "pad_token_id": pad})
    _write(out / "tokenizer.json", json.loads(tokenizer.to_str()))
    partial = out / "model.safetensors.part"
    save_file(weights(model), partial, metadata={"format": "pt"})
    partial.chmod(0o644)  # safetensors creates files readable by the owner only
    partial.replace(out / "model.safetensors")
