"""Exports a scorer as a Llama for sequence classification with one class, which vLLM serves by pooling.

Softmax over wrong and right is the sigmoid of their difference, so one row of weights is enough.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from training.nano.export import config, tokenizer_config
from training.scorer.model import RIGHT, WRONG, ScorerNet

CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{%- if message['role'] in ('assistant', 'document') %}"
    "{{- '<|im_start|>assistant\\n<think>\\n' + message['content'] }}"
    "{%- else %}"
    "{{- '<|im_start|>' + ('user' if message['role'] == 'query' else message['role']) + '\\n'"
    " + message['content'] + '<|im_end|>\\n' }}"
    "{%- endif %}"
    "{%- endfor %}"
)
"""A line of thinking stays open at its end, where it is scored; the roles of vLLM's /score are read, too."""


def export(net: ScorerNet, tokenizer: Tokenizer, out: Path) -> None:
    """Write all files of the directory, each atomically; the weights in bf16."""
    out.mkdir(parents=True, exist_ok=True)
    described = {
        **config(net.shape, tokenizer),
        "architectures": ["LlamaForSequenceClassification"],
        "id2label": {"0": "right"},
        "label2id": {"right": 0},
    }
    told = {**tokenizer_config(net.shape), "chat_template": CHAT_TEMPLATE}
    for name, value in (("config", described), ("tokenizer_config", told)):
        _write(out / f"{name}.json", json.dumps(value, indent=2) + "\n")
    _write(out / "tokenizer.json", tokenizer.to_str(pretty=True) + "\n")
    kept = net.state_dict()
    head = kept.pop("score.weight")
    weights = {f"model.{name}": weight for name, weight in kept.items()}
    weights["score.weight"] = (head[RIGHT] - head[WRONG])[None]
    partial = out / "model.safetensors.part"
    save_file(
        {name: weight.detach().to(torch.bfloat16).contiguous() for name, weight in weights.items()},
        partial,
        metadata={"format": "pt"},
    )
    partial.chmod(0o644)  # safetensors creates files readable by the owner only
    partial.replace(out / "model.safetensors")


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
