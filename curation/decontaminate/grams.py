"""Hashes the word n-grams of many texts at once to 64-bit numbers, so that overlap is an array comparison.

`words` are those of s1's decontaminate_util.py: lower case, split at white space, punctuation left as it is.
`bare_words` are letters and digits alone: neither punctuation nor how a formula is typed hides a copy.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]
Places = NDArray[np.int64]
Item = TypeVar("Item")

# Odd constants of splitmix and xxhash. No file depends on them, so they may change.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0xC2B2AE3D27D4EB4F)
_FOLD = np.uint64(29)


def words(text: str) -> list[str]:
    """The words of a text."""
    return text.lower().split()


# TeX's commands are how a formula is typed: \sqrt{2} and the sign are the same; Greek letters go with them.
_TYPED = re.compile(r"\\(?:begin|end)\s?\{\w{1,20}\*?\}|\\[a-zA-Z]+")
_BARE = re.compile(r"[^\W_\u0370-\u03ff]+")
_RAISED = re.compile("[⁰¹²³⁴-⁹₀-₉]+")


def bare_words(text: str) -> list[str]:
    """Runs of letters and digits, in lower case; no TeX commands, no Greek letters, no signs."""
    if "\\" in text:
        text = _TYPED.sub(" ", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKD", _RAISED.sub(r" \g<0> ", text))  # x² is x^2
    return _BARE.findall(text.lower())


def numbers_of(tokens: Iterable[str], count: int) -> Numbers:
    """A well-mixed hash per token, shape [count]."""
    crcs = (crc32(token.encode("utf-8", "surrogatepass")) for token in tokens)
    raw = np.fromiter(crcs, dtype=np.uint64, count=count)
    raw = (raw + np.uint64(1)) * _SPREAD
    return raw ^ (raw >> _FOLD)


def grams_of(texts: Sequence[Sequence[str]], n: int) -> tuple[Numbers, Places, Places]:
    """All n-grams of tokenised texts: number, index of the text, index of the first word, each [grams]."""
    return grams_from(*numbered(texts), n)


def numbered(texts: Sequence[Sequence[str]]) -> tuple[Numbers, Places]:
    """A number for each word of all texts, shape [words], and each text's count of words, shape [texts]."""
    lengths = np.fromiter((len(tokens) for tokens in texts), dtype=np.int64, count=len(texts))
    return numbers_of(chain.from_iterable(texts), int(lengths.sum())), lengths


def grams_from(flat: Numbers, lengths: Places, n: int) -> tuple[Numbers, Places, Places]:
    """The same as `grams_of`, each [grams], from words that are numbered already: [words] and [texts]."""
    counts = np.maximum(lengths - n + 1, 0)
    which = np.repeat(np.arange(len(lengths), dtype=np.int64), counts)
    starts, first = np.cumsum(lengths) - lengths, np.cumsum(counts) - counts
    within = np.arange(int(counts.sum()), dtype=np.int64) - first[which]
    return rolled(flat, starts[which] + within, n), which, within


def rolled(flat: Numbers, starts: Places, n: int) -> Numbers:
    """The hash of the `n` tokens from each start, shape [starts]: a polynomial modulo 2^64.

    `flat` holds the token hashes of all texts, shape [tokens]; `starts` are indices into it.
    """
    total = np.zeros(len(starts), dtype=np.uint64)
    for offset in range(n):
        total = total * _STEP + flat[starts + offset]
    return total ^ (total >> _FOLD)


def in_batches(items: Iterable[Item], size: int = 2000) -> Iterator[list[Item]]:
    """Yield lists of `size` items: large enough for numpy, and memory does not depend on the pool."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
