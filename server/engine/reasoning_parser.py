"""Splits output text into thinking and answer for vLLM's serving layer: one parser class a family.

vLLM loads this module by name (`reasoning_parser_plugin`) in the API process, where it splits text, and
in the engine core, where it tells the grammar of a structured answer when thinking is over.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from transformers import PreTrainedTokenizerBase
from vllm.entrypoints.generate.base.protocol import DeltaMessage
from vllm.reasoning import ReasoningParser, ReasoningParserManager

from server.budget.plan import FamilyTokens, Opening, Plan
from server.budget.running.tracker import ThinkingTracker
from server.budget.text_marks import MarkMatch, TextMark
from server.engine.client.call import CALL
from server.engine.family_tokens import declared_by, family_tokens
from server.reasoning.declared import DECLARED
from server.reasoning.families import FAMILIES
from server.reasoning.family import Family, cut_at


def parser_name(family: Family) -> str:
    """The value of vLLM's --reasoning-parser for a family."""
    return f"s1-{family.name}"


@lru_cache(maxsize=8)
def _tokens(family: Family, tokenizer: PreTrainedTokenizerBase) -> FamilyTokens:
    return family_tokens(
        family, tokenizer, [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
    )


@lru_cache(maxsize=8)
def _written(family: Family, tokenizer: PreTrainedTokenizerBase) -> Family:
    if family.name == DECLARED:
        return declared_by(tokenizer) or family
    return family.written_in(tokenizer.get_vocab())


class FamilyParser(ReasoningParser):
    """Splits text at a family's marks.

    The opening (does the prompt end inside thinking?) comes from the prompt where vLLM passes it, and from
    the call's plan where it does not.
    """

    row: ClassVar[Family]
    """In the table; `family` has its marks as this tokenizer writes them."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *args: Any, **kwargs: Any) -> None:
        super().__init__(tokenizer, *args, **kwargs)
        self.family = _written(self.row, tokenizer)
        self._tokens = _tokens(self.family, tokenizer)
        text = self._tokens.text
        self._end = text.end if text is not None else TextMark.of_tokens(self._tokens.end)
        self._end_ids = frozenset(self._end.pieces)
        self._from_prompt: Opening | None = None
        self._sent_thinking = 0
        self._sent_answer = 0
        self._is_answer = False
        self._is_thinking = False
        """In a stream: thinking is open, and all of its text so far was sent."""

    @property
    def reasoning_start_str(self) -> str:
        """The family's start mark."""
        return self.family.start

    @property
    def reasoning_end_str(self) -> str:
        """The family's delimiter."""
        return self.family.end

    # -- on token ids ------------------------------------------------------------------------------

    def is_reasoning_end(self, input_ids: Sequence[int]) -> bool:
        """Whether thinking is closed in the last turn of these ids."""
        return self._tokens.opening_of(input_ids) is Opening.CLOSED

    def is_reasoning_end_streaming(self, input_ids: Sequence[int], delta_ids: Iterable[int]) -> bool:
        """Whether the delimiter is complete within the last `delta_ids` of `input_ids`.

        Also true once a stream has begun to answer without ever opening thinking.
        """
        delta_ids = list(delta_ids)
        if self._end_ids.isdisjoint(delta_ids):
            return self._is_answer
        new = len(delta_ids)
        since = max(0, len(input_ids) - new - self._end.longest)
        return any(at >= len(input_ids) - new for at in self._ends(input_ids, since)) or self._is_answer

    def extract_content_ids(self, input_ids: list[int]) -> list[int]:
        """The ids that follow the delimiter; all of them when thinking never opened."""
        at = next(self._ends(input_ids), None)
        if at is not None:
            return input_ids[at + 1 :]
        return input_ids if self._is_answer else []

    def count_reasoning_tokens(self, token_ids: Sequence[int]) -> int:
        """The number of thinking tokens in a complete output: nudges count, marks do not."""
        marks, call = self._tokens, CALL.get()
        tracker = ThinkingTracker(
            Plan(
                opening=self._opening(),
                start=marks.start,
                end=marks.end,
                end_is_distinct=marks.end_is_distinct,
                end_of_turn=marks.end_of_turn,
                text=marks.text,
                blanks=marks.blanks,
                before=() if call is None else call.before,
            )
        )
        tracker.feed_all(token_ids)
        return tracker.tokens

    def _ends(self, ids: Sequence[int], since: int = 0) -> Iterator[int]:
        """Where the delimiter is complete: the positions of its last tokens, from `since` on."""
        match = MarkMatch(self._end)
        return (at for at in range(since, len(ids)) if match.take(ids[at]))

    # -- on text -----------------------------------------------------------------------------------

    def extract_reasoning(self, model_output: str, request: Any) -> tuple[str | None, str | None]:
        """(thinking, answer) of a complete output; None where there is none."""
        thinking, answer = self._split(model_output)
        return thinking, answer or None

    def extract_reasoning_streaming(
        self,
        previous_text: str,
        current_text: str,
        delta_text: str,
        previous_token_ids: Sequence[int],
        current_token_ids: Sequence[int],
        delta_token_ids: Sequence[int],
    ) -> DeltaMessage | None:
        """The new text of thinking and answer; None where there is none.

        The first tokens of a delimiter are held back until it is certain that they are not part of one.
        """
        if self._is_thinking and self._goes_on(current_text, delta_text, delta_token_ids):
            self._sent_thinking += len(delta_text)
            return DeltaMessage(reasoning=delta_text, content=None) if delta_text else None
        if self._may_still_open(current_text):
            return None
        thinking, answer = self._split(current_text)
        self._is_answer = thinking is None
        self._is_thinking = thinking is not None and answer is None and self._has_opened(current_text)
        if thinking is not None and answer is None and self._delimiter_begins(current_token_ids):
            held = min(len(thinking), _overlap(self._begun() + thinking, self.family.ends))
            thinking = thinking[: len(thinking) - held]
            self._is_thinking = self._is_thinking and self._tokens.text is not None and not held
        new_thinking = (thinking or "")[self._sent_thinking :]
        new_answer = (answer or "")[self._sent_answer :]
        self._sent_thinking += len(new_thinking)
        self._sent_answer += len(new_answer)
        if not new_thinking and not new_answer:
            return None
        return DeltaMessage(reasoning=new_thinking or None, content=new_answer or None)

    def _goes_on(self, text: str, delta: str, ids: Sequence[int]) -> bool:
        """Whether the delta is thinking, all of it: no part of a delimiter stands in it."""
        ends = self.family.ends
        tail = text[max(0, len(text) - len(delta) - max(map(len, ends)) + 1) :]
        if any(end in tail for end in ends):
            return False
        return self._end_ids.isdisjoint(ids) if self._tokens.text is None else not _overlap(tail, ends)

    def _has_opened(self, text: str) -> bool:
        """Whether no more text can make a start mark of what stands at the beginning."""
        return not self._is_part_of_start(text.lstrip())

    def adjust_initial_state_from_prompt(self, prompt_token_ids: Sequence[int]) -> None:
        """Called once per stream with the token ids of the rendered prompt."""
        self._from_prompt = self._tokens.opening_of(prompt_token_ids)

    def _delimiter_begins(self, ids: Sequence[int]) -> bool:
        if self._tokens.text is not None:
            return True
        end = self._tokens.end
        return any(tuple(ids[len(ids) - n :]) == end[:n] for n in range(1, min(len(end), len(ids) + 1)))

    def _opening(self) -> Opening:
        call = CALL.get()
        if call is not None and call.opening is not None:
            return call.opening
        return self._from_prompt or Opening.AWAIT

    def _begun(self) -> str:
        call = CALL.get()
        return call.begun if call is not None else ""

    def _starts(self) -> list[str]:
        call = CALL.get()
        starts = self.family.starts if call is None or call.start is None else (call.start,)
        return [start.lstrip() for start in starts]

    def _is_part_of_start(self, begun: str) -> bool:
        return any(len(begun) < len(start) and start.startswith(begun) for start in self._starts())

    def _may_still_open(self, text: str) -> bool:
        if self._opening() in (Opening.OPEN, Opening.CLOSED):
            return False
        return self._is_part_of_start(text.lstrip())

    def _split(self, text: str) -> tuple[str | None, str | None]:
        opening = self._opening()
        if opening is Opening.CLOSED:
            return None, text
        begun = text.lstrip()
        start = next((start for start in self._starts() if begun.startswith(start)), None)
        if start is not None:
            text = begun.removeprefix(start)
        elif opening is not Opening.OPEN:
            return None, text
        begun = self._begun() if start is None else ""
        thinking, delimiter, answer = cut_at(begun + text, self.family.ends)
        return thinking[len(begun) :], answer if delimiter else None


def _overlap(text: str, marks: Iterable[str]) -> int:
    """The length of the longest proper prefix of a mark that `text` ends with."""
    return max(
        next((n for n in range(min(len(text), len(mark) - 1), 0, -1) if text.endswith(mark[:n])), 0)
        for mark in marks
    )


def _register() -> None:
    for family in (*FAMILIES.values(), Family(name=DECLARED, start="", end="")):
        parser = type(f"{family.name.title()}Parser", (FamilyParser,), {"row": family})
        ReasoningParserManager.register_module(parser_name(family), force=True, module=parser)


_register()  # vLLM's plugin contract: importing the module registers its parsers
