"""Token rows of traces for the scorer: every token of thinking and answer is told how the line ended.

So the scorer rates a line cut anywhere, as tree search needs it: the value of a prefix is how often lines
that begin with it end right (token-level verifiers, Cobbe et al. 2021, arXiv 2110.14168).
"""

from collections.abc import Iterator
from random import Random

from tokenizers import Tokenizer

from training.nano.texts import IGNORE, Document
from training.nano.tokenizer import THOUGHT, prompt_text
from training.scorer.model import RIGHT, WRONG
from training.scorer.traces import OwnTrace


def marked(trace: OwnTrace) -> str:
    """The trace as the scorer is shown a finished line: thinking, its end mark, answer."""
    return f"{trace.thinking}{THOUGHT}{trace.answer}"


def document(tokenizer: Tokenizer, trace: OwnTrace) -> Document:
    """The token ids, labelled right or wrong from the last token of the prompt on."""
    prompt = tokenizer.encode(prompt_text(trace.question)).ids
    reply = tokenizer.encode(marked(trace)).ids
    label = RIGHT if trace.right else WRONG
    return Document(prompt + reply, [IGNORE] * (len(prompt) - 1) + [label] * (len(reply) + 1))


def endless(documents: list[Document], seed: int) -> Iterator[Document]:
    """Yield the documents without end, epoch after epoch, each in a new order."""
    rng = Random(seed)
    while True:
        yield from rng.sample(documents, len(documents))
