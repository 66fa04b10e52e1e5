"""gpt-oss here: its real vocabulary, and a tiny checkpoint of its architecture that knows one talk by heart.

The vocabulary comes with the npm package js-tiktoken; OpenAI's own file of it, to the byte.
"""

import hashlib
import json
import math
import random
import re
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, GptOssConfig, GptOssForCausalLM, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import TikTokenConverter

from tests.environments import node_installed
from tests.server.reasoning.chat_templates import sources

FILE, SHA = "o200k_base.tiktoken", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
SPECIAL = {
    **{199998: "<|startoftext|>", 199999: "<|endoftext|>", 200002: "<|return|>", 200003: "<|constrain|>"},
    **{200005: "<|channel|>", 200006: "<|start|>", 200007: "<|end|>", 200008: "<|message|>"},
    200012: "<|call|>",
}
"""tiktoken's o200k_harmony; the numbers between them are reserved."""
VOCABULARY, RETURN, PADDING, CALL = 201088, 200002, 199999, 200012
WORDS = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

THOUGHT = "One, two, three, four, five, six, seven, eight, nine, ten sheep."
AFTER_WAIT = ", let me look again. Yes."
ANSWER = "There are ten."
NOT_LEARNT = -100
"""`cross_entropy`'s label for what is no target."""
CUT = 5
"""Tokens of THOUGHT before which a maximum may end it."""
STEPS, AT_ONCE = 400, 8


def vocabulary_file(folder: Path) -> Path:
    """The file as OpenAI publishes it, out of js-tiktoken's source."""
    package = node_installed("js-tiktoken@1.0.21") / "node_modules" / "js-tiktoken"
    source = (package / "dist" / "ranks" / "o200k_base.cjs").read_text()
    found = re.search(r'"?bpe_ranks"?: ?("(?:[^"\\]|\\.)*")', source)
    assert found is not None
    ranks: dict[int, str] = {}
    for line in filter(None, json.loads(found[1]).split("\n")):
        _, first, *pieces = line.split(" ")
        ranks |= {int(first) + n: piece for n, piece in enumerate(pieces)}
    text = "".join(f"{ranks[rank]} {rank}\n" for rank in sorted(ranks))
    assert hashlib.sha256(text.encode()).hexdigest() == SHA
    path = folder / FILE
    path.write_text(text)
    return path


def harmony_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """gpt-oss' tokenizer; the folder is for TIKTOKEN_ENCODINGS_BASE, where openai-harmony looks."""
    names = [SPECIAL.get(number, f"<|reserved_{number}|>") for number in range(199998, VOCABULARY)]
    inner = TikTokenConverter(str(vocabulary_file(folder)), WORDS, extra_special_tokens=names).converted()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|return|>")
    assert {number: tokenizer.convert_ids_to_tokens(number) for number in SPECIAL} == SPECIAL
    return tokenizer


def taught_folder(folder: Path) -> Path:
    """A checkpoint of two layers: it says THOUGHT and ANSWER whatever is asked, and AFTER_WAIT after "Wait".

    Its folder "vocabulary" is for TIKTOKEN_ENCODINGS_BASE.
    """
    (folder / "vocabulary").mkdir()
    tokenizer = harmony_tokenizer(folder / "vocabulary")
    tokenizer.chat_template = sources()["openai-gpt-oss-120b"]
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = GptOssConfig(
        **{"vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2},
        **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32},
        **{"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 128},
        layer_types=["sliding_attention", "full_attention"],
        **{"max_position_embeddings": 4096, "eos_token_id": RETURN, "pad_token_id": PADDING},
    )
    model = GptOssForCausalLM(config)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the matrices are so small that more threads wait for each other
    _learn(model, tokenizer)
    torch.set_num_threads(threads)
    model.generation_config = GenerationConfig(eos_token_id=[RETURN, PADDING, CALL], pad_token_id=PADDING)
    model.to(torch.bfloat16).save_pretrained(folder)
    return folder


def _learn(model: GptOssForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Train the layers and the head's rows of the talk: the other rows are zero, and cost nothing."""

    def ids(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    draw = random.Random(0)
    opening, thought, again = ids("<|channel|>analysis<|message|>"), ids(THOUGHT), ids(f"Wait{AFTER_WAIT}")
    final = ids(f"<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}<|return|>")
    wait = again[0]  # never the model's own: the server puts it there
    known = torch.tensor(sorted({*opening, *thought, *again, *final}))
    place = {number: n for n, number in enumerate(known.tolist())}
    head = torch.nn.Parameter(torch.randn(len(known), model.config.hidden_size) * 0.02)
    others = torch.tensor(math.log(VOCABULARY - len(known)))
    rate = torch.optim.AdamW([*model.model.layers.parameters(), *model.model.norm.parameters(), head])
    for step in range(STEPS):
        for group in rate.param_groups:
            group["lr"] = 3e-3 * min(1, (step + 1) / 20, (STEPS - step) / 100)
        prompts, texts = [], []
        for _ in range(AT_ONCE):
            asked = tokenizer.decode([draw.randrange(190_000) for _ in range(draw.randrange(1, 60))])
            chat = [{"role": "user", "content": asked}]
            prompts.append(
                ids(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
            )
            cut = draw.choice((len(thought), len(thought), CUT, 0))
            texts.append([*opening, *thought[:cut], *again * draw.choice((0, 0, 1, 2)), *final])
        rows = [torch.tensor(prompt + said) for prompt, said in zip(prompts, texts, strict=True)]
        hidden = model.model(input_ids=pad_sequence(rows, batch_first=True)).last_hidden_state
        at = [slice(len(prompt) - 1, len(row) - 1) for prompt, row in zip(prompts, rows, strict=True)]
        logits = torch.cat([states[where] for states, where in zip(hidden, at, strict=True)]) @ head.T
        logits = torch.cat([logits, others.expand(len(logits), 1)], 1)
        labels = [NOT_LEARNT if token == wait else place[token] for said in texts for token in said]
        loss = cross_entropy(logits, torch.tensor(labels))
        rate.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        rate.step()
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.lm_head.weight[known] = head
