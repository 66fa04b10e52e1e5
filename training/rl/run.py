"""`s1-train rl`: plan, check, serve, train, publish. TRL's GRPOTrainer does the work."""

import json
import os
import shutil
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase, PrinterCallback
from transformers.utils.logging import disable_progress_bar

from training.base import describe, load_tokenizer
from training.nano.claim import digest
from training.rl.client import RolloutServer
from training.rl.grpo import GRPOConfig
from training.rl.plan import RlPlan
from training.rl.prompts import Prompt, prompts_of
from training.rl.record import RlRecord
from training.rl.settings import RlSettings
from training.rl.trainer import RlTrainer, reward_distance, reward_right, rollout_func, served_weights
from training.run import MarkWhole, TrainingRun, step_of
from training.served import serving
from training.trainer_arguments import shared_arguments
from training.weights import set_bf16

NAME = "policy"


def rl(settings: RlSettings) -> None:
    """Run the reinforcement learning.

    Raises:
        TrainingError: The run cannot be done as asked, or the server fails.
    """
    recipe = settings.recipe
    tokenizer = load_tokenizer(recipe.model)
    plan = RlPlan(recipe, describe(recipe.model), settings.machine)
    print(plan.text(), flush=True)
    plan.check(settings.out)
    if settings.only_plan or settings.out is None:
        return
    run = TrainingRun(settings.out, "rl")
    with run.held():
        run.claim(identity_of(plan))
        run.sweep()
        torch.set_num_threads(settings.threads)
        folder = run.folder / "weights"  # on their way to the server
        folder.mkdir(exist_ok=True)
        # Compiling a model as small as s1-nano takes longer than it saves.
        flags = ["--weight-updates", str(folder), "--enforce-eager"]
        with serving(Path(recipe.model), NAME, run.folder / "server.log", *flags) as url:
            _train(plan, run, tokenizer, RolloutServer(url, NAME, folder, recipe))
        shutil.rmtree(folder)
    print(f"s1-serve --model {settings.out} --kv-cache-memory-bytes 1G")


def _train(plan: RlPlan, run: TrainingRun, tokenizer: PreTrainedTokenizerBase, server: RolloutServer) -> None:
    """Train from the last checkpoint, or from the start, and publish the model."""
    disable_progress_bar()
    recipe, latest = plan.recipe, run.latest()
    resumed = step_of(latest) if latest else 0
    prompts = list(prompts_of(recipe))
    record = RlRecord(run.folder, prompts, recipe.prompts, recipe.steps, resumed, sys.stderr.isatty())
    rewards = [reward_right, reward_distance] if recipe.told else [reward_right]
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"  # rollout_func may change: TRL is pinned (constraints.txt)
    trainer = RlTrainer(
        model=AutoModelForCausalLM.from_pretrained(recipe.model, dtype=torch.float32),
        args=config_of(plan, run),
        reward_funcs=rewards,
        train_dataset=rows_of(prompts),
        processing_class=tokenizer,
        rollout_func=rollout_func(server, recipe.samples, record.see),
        callbacks=[MarkWhole()],
        record=record,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(latest) if latest else None)
    record.close()
    publish(trainer, plan, run, record)


def rows_of(prompts: list[Prompt]) -> Dataset:
    """The rows of the data loader, in the order of the steps."""
    return Dataset.from_list(
        [
            {"prompt": [{"role": "user", "content": one.question}], "answer": one.answer, "told": one.told}
            for one in prompts
        ]
    )


def config_of(plan: RlPlan, run: TrainingRun) -> GRPOConfig:
    """The recipe as the trainer's configuration."""
    recipe = plan.recipe
    return GRPOConfig(
        **shared_arguments(recipe, run),
        gradient_accumulation_steps=recipe.batch // recipe.micro_batch,
        num_generations=recipe.samples,
        max_completion_length=recipe.max_thinking + recipe.answer_tokens,
        max_steps=recipe.steps,
        lr_scheduler_type="constant_with_warmup",
        reward_weights=[1.0, -recipe.distance] if recipe.told else None,
        temperature=1.0,
        shuffle_dataset=False,
        gradient_checkpointing=False,
    )


def identity_of(plan: RlPlan) -> dict[str, Any]:
    """What two runs must have in common for one to resume the other."""
    files = sorted(Path(plan.base.model).glob("*.safetensors"))
    return {**asdict(plan.recipe), "weights": {each.name: digest(each) for each in files}}


def publish(trainer: RlTrainer, plan: RlPlan, run: TrainingRun, record: RlRecord) -> None:
    """Export the model in bf16, the tokenizer, and making.json."""
    made = run.folder / "export.part"
    model = trainer.accelerator.unwrap_model(trainer.model)
    model.save_pretrained(made, state_dict=served_weights(model))
    set_bf16(made / "config.json")
    trainer.processing_class.save_pretrained(made)
    making = {
        "command": " ".join(["python", "-m", "training", *sys.argv[1:]]),
        **identity_of(plan),
        "rollouts": plan.recipe.steps * plan.recipe.batch,
        "tokens": record.tokens,
        "seconds": round(record.seconds, 1),
        "device": plan.machine.name,
        "versions": {name: version(name) for name in ("torch", "transformers", "trl", "accelerate")},
    }
    run.publish(made, json.loads(json.dumps(making)))
