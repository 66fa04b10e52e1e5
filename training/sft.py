"""`s1-train sft`: plan, check, train, publish. TRL's trainer does the work; the recipe configures it."""

import logging
import sys
from collections import Counter
from contextlib import nullcontext
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase, PrinterCallback
from transformers.utils.logging import disable_progress_bar
from trl import SFTConfig, pack_dataset

from server.reasoning.families import FAMILIES, detect_family
from training.base import describe, load_tokenizer
from training.data import Data, read_data
from training.lesson import Writer
from training.machine import Machine, is_first, world_size
from training.metrics import Record
from training.plan import TrainingPlan, make_plan
from training.recipes import TrainingRecipe
from training.run import MarkWhole, TrainingRun, step_of
from training.settings import SftSettings
from training.trainer import Trainer
from training.trainer_arguments import shared_arguments
from training.weights import set_bf16, weights_of


def sft(settings: SftSettings) -> None:
    """Run the fine-tuning.

    Raises:
        TrainingError: The run cannot be done as asked; raised before training wherever possible.
        RecordError: A line of the data cannot be read.
    """
    recipe = settings.recipe
    tokenizer = load_tokenizer(recipe.model)
    base = describe(recipe.model)
    writer = Writer(tokenizer, FAMILIES[recipe.family], recipe.model)
    data = read_data(settings.data, writer, recipe.max_tokens, recipe.over_long, settings.strict)
    rows, lengths = rows_of(data, recipe)
    plan = make_plan(recipe, base, data, settings.machine, len(rows), max(lengths))
    if is_first():
        print(plan.text(), *_too_long(data), *_rejected(data), sep="\n", flush=True)
    plan.check(settings.out)
    if settings.only_plan or settings.out is None:
        return
    run = TrainingRun(settings.out)
    with run.held() if is_first() else nullcontext():
        train(plan, run, tokenizer, rows, lengths)
    if is_first():
        print(_serve_command(settings.out, recipe, tokenizer, settings.machine))


def rows_of(data: Data, recipe: TrainingRecipe) -> tuple[Dataset, list[int]]:
    """The rows of the data loader, and the length of each in tokens."""
    columns = {
        "input_ids": [np.asarray(one.ids) for one in data.lessons],
        "labels": [np.asarray(one.labels) for one in data.lessons],
    }
    rows = Dataset.from_dict(columns)
    if recipe.packing:
        rows = pack_dataset(rows, recipe.max_tokens, "bfd")
    return rows, [len(row) for row in rows["input_ids"]]


def _too_long(data: Data) -> list[str]:
    """One line per sample that is not trained on as a whole."""
    return [f"  {where}: {tokens:,} tokens, {data.handled}" for where, tokens in data.over_long]


def _rejected(data: Data) -> list[str]:
    """How many rows were dropped for each reason, with the first of them."""
    counts = Counter(one.reason for one in data.rejected)
    first = {one.reason: one for one in reversed(data.rejected)}
    return [f"  dropped, {reason}: {count:,}, as {first[reason]}" for reason, count in counts.most_common()]


def train(
    plan: TrainingPlan,
    run: TrainingRun,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    lengths: list[int],
) -> None:
    """Train from the last checkpoint, or from the start, and publish the model."""
    disable_progress_bar()
    logging.getLogger("transformers.trainer_utils").addFilter(_is_no_false_alarm)
    config = config_of(plan, run)  # initialises the process group, if there is one
    if is_first():
        run.claim(identity_of(plan))
        run.sweep()
    PartialState().wait_for_everyone()
    latest = run.latest()
    resumed = step_of(latest) if latest else 0
    record = Record(run.folder, plan, resumed, sys.stderr.isatty()) if is_first() else None
    trainer = trainer_of(plan, config, tokenizer, rows, lengths, record)
    trainer.train(resume_from_checkpoint=str(latest) if latest else None)
    if record:
        record.close()
    publish(trainer, plan, run, record)


def _is_no_false_alarm(record: logging.LogRecord) -> bool:
    """False for checkpoints within a second: they are then sorted by their steps, as is right."""
    return "mtime may not be reliable" not in record.getMessage()


def trainer_of(
    plan: TrainingPlan,
    config: SFTConfig,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    lengths: list[int],
    record: Record | None,
) -> Trainer:
    """The trainer of this plan."""
    trainer = Trainer(
        model=load_model(plan.recipe),
        args=config,
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=lora_of(plan.recipe),
        callbacks=[MarkWhole()],
        lengths=lengths,
        batch=plan.recipe.batch,
        record=record,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def config_of(plan: TrainingPlan, run: TrainingRun) -> SFTConfig:
    """The recipe as the trainer's configuration."""
    recipe, on_cpu = plan.recipe, not torch.cuda.is_available()
    sharded = plan.machine.shares
    return SFTConfig(
        **shared_arguments(recipe, run),
        gradient_accumulation_steps=plan.accumulate,
        num_train_epochs=recipe.epochs,
        max_steps=recipe.steps or -1,
        lr_scheduler_type="cosine",
        gradient_checkpointing=recipe.recompute and not sharded,  # FSDP has its own
        fsdp=True if sharded else None,
        fsdp_config=sharding(plan) if sharded else None,
        packing=recipe.packing,
        max_length=recipe.max_tokens if recipe.packing else None,
        dataset_kwargs={"skip_prepare_dataset": True},
        ddp_backend="gloo" if on_cpu and world_size() > 1 else None,
        ddp_find_unused_parameters=False if world_size() > 1 else None,
    )


def sharding(plan: TrainingPlan) -> dict[str, Any]:
    """FSDP2 by decoder layer, as in the paper's fsdp_config_qwen.json."""
    return {
        "version": 2,
        "transformer_layer_cls_to_wrap": [plan.base.layer_class],
        "cpu_ram_efficient_loading": True,
        "activation_checkpointing": plan.recipe.recompute,
        "state_dict_type": "SHARDED_STATE_DICT",
    }


def load_model(recipe: TrainingRecipe) -> Any:
    """The base: trained weights in float32, frozen ones in bf16; the computation is in bf16 either way."""
    dtype = torch.bfloat16 if recipe.rank else torch.float32
    return AutoModelForCausalLM.from_pretrained(recipe.model, dtype=dtype)


def lora_of(recipe: TrainingRecipe) -> Any:
    """The LoRA configuration, or None."""
    if not recipe.rank:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=recipe.rank, lora_alpha=2 * recipe.rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def identity_of(plan: TrainingPlan) -> dict[str, Any]:
    """What two runs must have in common for one to resume the other."""
    return {
        **asdict(plan.recipe),
        "data": plan.data.digest,
        "weights": weights_of(plan.base),
        "devices": plan.machine.devices,
    }


def publish(trainer: Trainer, plan: TrainingPlan, run: TrainingRun, record: Record | None) -> None:
    """Export the model in bf16 (or its adapters), the tokenizer, and making.json. Called in all processes."""
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if not record:
        return
    made = run.folder / "export.part"
    model = trainer.accelerator.unwrap_model(trainer.model_wrapped)
    if plan.recipe.rank:
        model.save_pretrained(made, state_dict=state)
    else:
        tied = getattr(model, "all_tied_weights_keys", {})  # the file stores tied weights once
        kept = {name: w.to(torch.bfloat16) for name, w in state.items() if name not in tied}
        model.save_pretrained(made, state_dict=kept)
        set_bf16(made / "config.json")
        tokenizer = trainer.processing_class
        tokenizer.chat_template = marked(tokenizer, plan.recipe)
        tokenizer.save_pretrained(made)
    run.publish(made, making_of(trainer, plan, record))


def marked(tokenizer: PreTrainedTokenizerBase, recipe: TrainingRecipe) -> str:
    """The chat template, with the marks in a comment if nothing else shows the server the family."""
    template, family = str(tokenizer.chat_template), FAMILIES[recipe.family]
    if detect_family("", template, tokenizer.get_vocab())[0] is family:
        return template
    return f"{{#- It thinks between {family.start} and {family.end}. -#}}{template}"


def _serve_command(
    out: Path, recipe: TrainingRecipe, tokenizer: PreTrainedTokenizerBase, machine: Machine
) -> str:
    """The command that serves the result."""
    # On a CPU vLLM otherwise reserves nine tenths of the memory, which must be free.
    room = " --kv-cache-memory-bytes 1G" if machine.is_cpu else ""
    if recipe.rank:
        return f"s1-serve --model {recipe.model} --enable-lora --lora-modules {out.name}={out}{room}"
    found = detect_family("", str(tokenizer.chat_template), tokenizer.get_vocab())[0]
    family = "" if found is FAMILIES[recipe.family] else f" --family {recipe.family}"
    return f"s1-serve --model {out}{family}{room}"


def making_of(trainer: Trainer, plan: TrainingPlan, record: Record) -> dict[str, Any]:
    """The contents of making.json."""
    return {
        "command": " ".join(["python", "-m", "training", *sys.argv[1:]]),
        **identity_of(plan),
        "samples": len(plan.data.lessons),
        "over_long": [f"{where}: {tokens} tokens" for where, tokens in plan.data.over_long],
        "dropped": [str(one) for one in plan.data.rejected],
        "steps": trainer.state.global_step,
        "tokens": record.tokens,
        "seconds": round(record.seconds, 1),
        "device": plan.machine.name,
        "versions": {name: version(name) for name in ("torch", "transformers", "trl", "accelerate", "peft")},
    }
