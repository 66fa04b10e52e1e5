"""Real models with a few thousand weights and byte tokenizers, as directories; trained in seconds."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from server.reasoning.records import Problem, Trace

TURN_END = "<|im_end|>"
CHATML = (
    "{%- for message in messages %}{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] }}"
    "{{- '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def tiny_tokenizer(*marks: str, template: str = CHATML, turn_end: str = TURN_END) -> PreTrainedTokenizerFast:
    """A byte tokenizer with ChatML's turn marks, and these marks as whole tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(t, special=True) for t in ("<|pad|>", "<|im_start|>", turn_end)])
    inner.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in marks])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token=turn_end, pad_token="<|pad|>", chat_template=template
    )


def tiny_model(path: Path, *marks: str, width: int = 32, template: str = CHATML) -> Path:
    """A Llama with one layer and random weights."""
    tokenizer = tiny_tokenizer(*(marks or ("<think>", "</think>")), template=template)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=32_768,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def train_file(path: Path, samples: int, longest: int = 12) -> Path:
    """A train.jsonl like curation's: sums, with thinking of different lengths."""
    lines = []
    for n in range(samples):
        thinking = "\n".join(f"{n}+{k} is {n + k}" for k in range(1 + n % longest))
        problem = Problem(f"p{n}", f"What is {n}+1?", str(n + 1))
        lines.append(
            {"schema": 1, "problem": asdict(problem), "trace": asdict(Trace(f"p{n}", thinking, str(n + 1)))}
        )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
