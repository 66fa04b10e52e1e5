"""The vocabulary: what a tokenizer's tokens say, as tables of ids: sentence ends, paragraph ends, words."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property

from server.budget.budget import TokenIds

_SENTENCE_END = re.compile(r"""[.!?。！？…]["'”’)\]}*$]*\s*\Z|\n[ \t]*\Z""")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n[ \t]*\Z")
_LINE_END = re.compile(r"\n[ \t]*\Z")
_POINT = re.compile(r"""\A[.!]["'”’)\]}*$]*[ \t]*\Z""")
_DIGIT_END = re.compile(r"\d\Z")
_AROUND_A_WORD = re.compile(r"\A\W+|\W+\Z")


class Vocabulary:
    """Tables over one tokenizer's vocabulary, made when they are first needed.

    `texts` returns [vocabulary size] the text of each token id, "" for marks and other tokens without text.
    """

    def __init__(self, texts: Callable[[], Sequence[str]]) -> None:
        self._read = texts

    @cached_property
    def _texts(self) -> Sequence[str]:
        return self._read()

    @cached_property
    def sentence_ends(self) -> frozenset[int]:
        """Tokens that end a sentence or a line."""
        return self._ending(_SENTENCE_END)

    @cached_property
    def digits(self) -> frozenset[int]:
        """Tokens that end in a digit: a point after one may be a decimal point, a "!" a factorial."""
        return self._ending(_DIGIT_END)

    @cached_property
    def points(self) -> frozenset[int]:
        """Sentence ends that are something else after a digit: "3.14", "5!"."""
        return self._ending(_POINT)

    @cached_property
    def paragraph_ends(self) -> frozenset[int]:
        """Tokens that end a paragraph; a line, where the tokenizer has no token for an empty line."""
        return self._ending(_PARAGRAPH_END) or self._ending(_LINE_END)

    def saying(self, word: str) -> TokenIds:
        """The ids of the tokens that are this word and no other, whatever marks are around it."""
        return tuple(self._words[word])

    def saying_in_any_case(self, word: str) -> TokenIds:
        """As `saying`, in lower or upper case."""
        return tuple(self._lower_words[word.lower()])

    def _ending(self, pattern: re.Pattern[str]) -> frozenset[int]:
        return frozenset(token for token, text in enumerate(self._texts) if pattern.search(text))

    @cached_property
    def _words(self) -> defaultdict[str, list[int]]:
        found: defaultdict[str, list[int]] = defaultdict(list)
        for token, text in enumerate(self._texts):
            found[_AROUND_A_WORD.sub("", text)].append(token)
        return found

    @cached_property
    def _lower_words(self) -> defaultdict[str, list[int]]:
        found: defaultdict[str, list[int]] = defaultdict(list)
        for word, tokens in self._words.items():
            found[word.lower()] += tokens
        return found
