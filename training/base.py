"""The base model of a run: whether it exists, its shape and its number of parameters. Reads no weights."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from training.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Base:
    """Sizes of a base model."""

    model: str
    parameters: int
    """Number of parameters; tied ones count once."""
    largest_unit: int
    """Parameters of the largest module gathered at once when the weights are sharded."""
    layers: int
    width: int
    attention_width: int
    inner: int
    positions: int
    linear_sides: int
    """The sum of input and output widths over all linear layers except the head."""
    layer_class: str

    def adapters(self, rank: int) -> int:
        """The number of parameters that LoRA of this rank adds to all linear layers."""
        return rank * self.linear_sides


def load_tokenizer(model: str) -> PreTrainedTokenizerBase:
    """The base's tokenizer.

    Raises:
        TrainingError: There is none.
    """
    _check_directory(model)
    # Without a network it retries for half a minute and would log each try.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise TrainingError(f"--model {model}: no tokenizer: {_first_line(error)}{_remedy(model)}") from error
    return tokenizer


def describe(model: str) -> Base:
    """The sizes of a base, from its configuration, without loading weights.

    Raises:
        TrainingError: There is no such model, or its architecture is unknown.
    """
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
    """Check that a model given as a path is a directory with a model in it.

    Raises:
        TrainingError: It is not.
    """
    path = Path(model)
    if not path.exists() and not model.startswith((".", "/", "~")) and model.count("/") <= 1:
        return  # a hub id
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
