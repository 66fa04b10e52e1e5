"""The base that a run trains: is it there, what is its shape, how many parameters. No weight is read here."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from training.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Base:
    """Counts of a base. `adapters(rank)` are the parameters that LoRA adds on every linear layer."""

    model: str
    parameters: int
    """All of them, tied ones once."""
    largest_unit: int
    """Parameters of the largest piece that is gathered at once when the weights are sharded."""
    layers: int
    width: int
    attention_width: int
    inner: int
    positions: int
    linear_sides: int
    """The sum of inputs and outputs over all linear layers but the head."""
    layer_class: str

    def adapters(self, rank: int) -> int:
        return rank * self.linear_sides


def load_tokenizer(model: str) -> PreTrainedTokenizerBase:
    _check_directory(model)
    # It retries for half a minute when there is no network, and would print each try.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise TrainingError(f"--model {model}: no tokenizer: {_first_line(error)}{_remedy(model)}") from error
    return tokenizer


def describe(model: str) -> Base:
    """From the configuration alone, on no device."""
    _check_directory(model)
    try:
        config = AutoConfig.from_pretrained(model)
        with torch.device("meta"):
            net = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"--model {model}: no model of a known kind: {_first_line(error)}{_remedy(model)}"
        ) from error
    text = config.get_text_config()
    heads = text.num_attention_heads
    head = getattr(text, "head_dim", None) or text.hidden_size // heads
    layers = net.base_model.layers
    head_weight = net.get_output_embeddings()
    linear = [m for m in net.modules() if isinstance(m, torch.nn.Linear) and m is not head_weight]
    embedding = net.get_input_embeddings().weight.numel()
    return Base(
        model=model,
        parameters=sum(p.numel() for p in net.parameters()),
        largest_unit=max(embedding, sum(p.numel() for p in layers[0].parameters())),
        layers=text.num_hidden_layers,
        width=text.hidden_size,
        attention_width=heads * head,
        inner=getattr(text, "intermediate_size", 4 * text.hidden_size),
        positions=text.max_position_embeddings,
        linear_sides=sum(m.in_features + m.out_features for m in linear),
        layer_class=type(layers[0]).__name__,
    )


def _check_directory(model: str) -> None:
    """A name that looks like a path, or is one, must be a directory with a model in it."""
    path = Path(model)
    if not path.exists() and not model.startswith((".", "/", "~")) and model.count("/") <= 1:
        return  # a Hugging Face id
    if not path.is_dir():
        raise TrainingError(f"--model {model}: no such directory")
    if not (path / "config.json").is_file():
        raise TrainingError(f"--model {model}: not a model directory: no config.json in it")
    if not any((*path.glob("*.safetensors"), *path.glob("pytorch_model*.bin"))):
        raise TrainingError(f"--model {model}: not a model directory: no weights (*.safetensors) in it")


def _remedy(model: str) -> str:
    return "" if Path(model).is_dir() else " (give network, or a directory with the model: --model DIRECTORY)"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
