"""The recipes: which model is trained, on how much data, with which hyperparameters. One row per run.

The numbers are the paper's (arXiv 2501.19393; simplescaling/s1, train/sft.py and sft.sh): full fine-tuning,
AdamW 0.9/0.95, weight decay 1e-4, learning rate 1e-5, 5% warm-up, cosine to 0, 16 samples per step, 5 epochs,
loss on thinking and answer only. The rest are the trainer's defaults at that time: gradients clipped at 1.0,
seed 42.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

OverLong = Literal["refuse", "drop", "cut"]
NANO = Path(__file__).parents[1] / "server" / "models" / "nano"


def _help(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """One run. Every field with a help text is a flag of `s1-train sft`."""

    name: str
    model: str = field(metadata=_help("base model: a Hugging Face id or a directory"))
    family: str = field(metadata=_help("thinking marks that the model learns"))
    max_tokens: int = field(
        default=32_768, metadata=_help("maximum number of tokens of a sample, or of a packed row")
    )
    over_long: OverLong = field(
        default="refuse",
        metadata=_help("for a sample above --max-tokens: refuse the run, drop the sample, or cut it"),
    )
    learning_rate: float = field(default=1e-5, metadata=_help("peak learning rate"))
    warm_up: float = field(default=0.05, metadata=_help("fraction of the steps with a rising learning rate"))
    weight_decay: float = field(default=1e-4, metadata=_help("weight decay of AdamW"))
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = field(default=1.0, metadata=_help("maximum norm of the gradient"))
    batch: int = field(default=16, metadata=_help("samples per step, over all devices"))
    micro_batch: int = field(default=1, metadata=_help("samples per device and forward pass"))
    epochs: int = field(default=5, metadata=_help("passes over the data"))
    steps: int | None = field(default=None, metadata=_help("number of steps, in place of --epochs"))
    seed: int = field(default=42, metadata=_help("seed of the data's order and of the adapters"))
    packing: bool = field(
        default=False,
        metadata=_help(
            "pack whole samples into rows of --max-tokens, without attention across them; fewer steps"
        ),
    )
    recompute: bool = field(default=True, metadata=_help("recompute activations in the backward pass"))
    rank: int = field(
        default=0, metadata=_help("rank of LoRA adapters on every linear layer; 0: train all weights")
    )
    save_every: int = field(default=63, metadata=_help("steps between checkpoints; the last two are kept"))


def s1_32b() -> TrainingRecipe:
    """The paper's run: 1,000 samples, 315 steps, 26 minutes on 16 H100."""
    return TrainingRecipe("s1-32b", "Qwen/Qwen2.5-32B-Instruct", "s1")


def s11_32b() -> TrainingRecipe:
    """s1.1: R1's traces, and a block size of 20,000 tokens, at which longer ones were cut."""
    return replace(s1_32b(), name="s1.1-32b", max_tokens=20_000, over_long="cut")


def qwen25_7b() -> TrainingRecipe:
    """The same with the 7B model, as for s1.1-7B."""
    return replace(s1_32b(), name="qwen2.5-7b-s1k", model="Qwen/Qwen2.5-7B-Instruct")


def qwen25_15b() -> TrainingRecipe:
    """The same with the 1.5B model."""
    return replace(s1_32b(), name="qwen2.5-1.5b-s1k", model="Qwen/Qwen2.5-1.5B-Instruct")


def smollm2_135m() -> TrainingRecipe:
    """The smallest real model. Its context is 8,192 tokens, which some traces of s1K exceed."""
    model = "HuggingFaceTB/SmolLM2-135M-Instruct"
    return replace(s1_32b(), name="smollm2-135m", model=model, max_tokens=8192, over_long="drop")


def nano() -> TrainingRecipe:
    """s1-nano, or a base of its size (`s1-train nano --stage base`), on a laptop."""
    return TrainingRecipe(
        "nano",
        str(NANO),
        "think",
        max_tokens=1024,
        learning_rate=5e-4,
        micro_batch=4,
        recompute=False,
    )


def lora(full: TrainingRecipe) -> TrainingRecipe:
    """Rank-16 adapters, which vLLM loads without a flag, at ten times the learning rate.

    LoRA Without Regret, Thinking Machines, 2025.
    """
    return replace(full, name=f"{full.name}-lora", rank=16, learning_rate=10 * full.learning_rate)


_FULL: tuple[Callable[[], TrainingRecipe], ...] = (s1_32b, s11_32b, qwen25_7b, qwen25_15b, smollm2_135m, nano)
RECIPES: dict[str, TrainingRecipe] = {
    recipe.name: recipe for full in _FULL for recipe in (full(), lora(full()))
}
