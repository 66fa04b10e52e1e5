"""What both trainers are told alike: how a step is made of a recipe, what is kept, and that we report."""

from typing import Any

import torch

from training.plan import KEPT
from training.recipes import TrainingRecipe
from training.rl.recipes import RlRecipe
from training.run import TrainingRun


def shared_arguments(recipe: TrainingRecipe | RlRecipe, run: TrainingRun) -> dict[str, Any]:
    """Of transformers' TrainingArguments, which SFTConfig and GRPOConfig extend."""
    on_cpu = not torch.cuda.is_available()
    return {
        "output_dir": str(run.checkpoints),
        "per_device_train_batch_size": recipe.micro_batch,
        "learning_rate": recipe.learning_rate,
        "warmup_steps": recipe.warm_up,
        "weight_decay": recipe.weight_decay,
        "adam_beta1": recipe.betas[0],
        "adam_beta2": recipe.betas[1],
        "max_grad_norm": recipe.clip,
        "bf16": True,
        "seed": recipe.seed,
        "save_strategy": "steps",
        "save_steps": recipe.save_every,
        "save_total_limit": KEPT,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": on_cpu,
        "dataloader_pin_memory": not on_cpu,
    }
