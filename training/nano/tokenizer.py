"""The tokenizer of s1-nano: byte-level BPE over pieces fixed by one pattern; every digit is a token.

Also the chat template and the marks, on which texts and server must agree token by token.
"""

from collections.abc import Iterator
from random import Random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from server.reasoning.nano.problems import WANDERING, problems, trace

PAD, START, END, THINK, THOUGHT = "<|pad|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"
ANSWER_CUE = "\n\nFinal Answer:"
VOCABULARY = 512
# " Answer:" is the first alternative, so that the cue's tokens are a prefix of those of cue and answer.
PIECES = r" Answer:|\d|, |: |\.\n| ?\p{L}+|\s| ?[^\s\p{L}\d]"

CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '</think>' }}{%- endif %}"
    "{%- endif %}"
)


def prompt_text(question: str) -> str:
    """The chat template's output for one user message, with thinking opened."""
    return f"{START}user\n{question}{END}\n{START}assistant\n{THINK}\n"


def answer_text(answer: str) -> str:
    """The text after the thinking."""
    return f"{THOUGHT}{ANSWER_CUE} {answer}{END}"


def _texts(seed: int) -> Iterator[str]:
    rng = Random(seed)
    for problem in problems("train", 2000, seed):
        yield f"user\n{problem.question}"
        yield trace(problem, rng, WANDERING).thinking
        yield f"assistant\n{ANSWER_CUE} {problem.answer}"


def make_tokenizer(seed: int) -> Tokenizer:
    """Learn the merges from the generator's texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END, THINK, THOUGHT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(seed), trainer)
    # As in Qwen3, the thinking marks are single tokens but not "special": decoding keeps them.
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in (THINK, THOUGHT)])
    return tokenizer


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a token.

    Raises:
        ValueError: There is no such token.
    """
    found = tokenizer.token_to_id(token)
    if found is None:
        raise ValueError(f"the tokenizer has no token {token!r}")
    return int(found)
