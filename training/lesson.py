"""A sample as token ids and labels, tokenised as the server will see it.

Prompt, start mark, thinking, end mark and answer are tokenised separately, as in the server: it tokenises the
prompt as a whole and inserts or finds the marks as token ids. Text tokenised in one piece can differ where a
mark is ordinary text ("|>" and the following line breaks become one token).
"""

from array import array
from dataclasses import dataclass

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from server.reasoning.families import FAMILIES
from server.reasoning.family import Family
from server.reasoning.messages import without_none
from server.reasoning.records import TrainingExample
from training.errors import TrainingError

IGNORE = -100


@dataclass(frozen=True, slots=True)
class Lesson:
    """Token ids and labels, of equal length. `cut`: number of tokens removed at the end.

    In arrays of 4 bytes a token: a list has 48, and every process holds all lessons.
    """

    ids: "array[int]"
    labels: "array[int]"
    where: str
    cut: int = 0

    @property
    def learnt(self) -> int:
        """Number of tokens under loss."""
        return sum(label != IGNORE for label in self.labels)


class SampleError(TrainingError):
    """A sample that cannot be learnt; `reason` is a short name to count by."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Writer:
    """Tokenises samples as conversations of a family.

    Raises:
        TrainingError: The tokenizer has no chat template, no token for a mark, or no end-of-turn token after
            an answer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, family: Family, model: str) -> None:
        self.tokenizer, self.family, self.model = tokenizer, family, model
        if not tokenizer.chat_template:
            raise TrainingError(f"--model {model}: its tokenizer has no chat template")
        self._check_marks()
        self.start, self.end = self._ids(family.start), self._ids(family.end)
        self.transition = self._ids(family.transition) if family.transition else []
        self.turn_end = self._turn_end()
        self._forbidden = self._marks_and_specials()

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def _check_marks(self) -> None:
        missing = _missing_marks(self.tokenizer, self.family)
        if missing and not self.family.is_plain_text:
            fit = [
                f.name for f in FAMILIES.values() if f.is_plain_text or not _missing_marks(self.tokenizer, f)
            ]
            raise TrainingError(
                f"--family {self.family.name}: the tokenizer of {self.model} has no token {missing[0]!r}; "
                f"it can learn {', '.join(fit)}"
            )

    def _turn_end(self) -> list[int]:
        """The tokens that the template puts after an answer.

        Raises:
            TrainingError: The first one does not end a turn.
        """
        chat = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "S1ANSWER"}]
        text = str(self.tokenizer.apply_chat_template(chat, tokenize=False))
        ids = self._ids(text.rpartition("S1ANSWER")[2])
        vocabulary = self.tokenizer.get_vocab()
        ends = {vocabulary.get(mark) for mark in self.family.end_of_turn} | {self.tokenizer.eos_token_id}
        if not ids or ids[0] not in ends - {None}:
            raise TrainingError(
                f"--model {self.model}: its chat template has no end mark after an answer, so the model"
                f" would never learn to stop; expected {self.tokenizer.eos_token} or"
                f" {' or '.join(self.family.end_of_turn)}"
            )
        return ids

    def _marks_and_specials(self) -> frozenset[int]:
        """Token ids that must not occur inside thinking or answer."""
        marks = {ids[0] for ids in (self.start, self.end, self.turn_end) if ids}
        added = set(self.tokenizer.get_added_vocab().values())
        special = {id for id, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        return frozenset(special | marks & added)

    def prompt(self, sample: TrainingExample) -> str:
        """The prompt as the server renders the chat: the question alone, or what stands before the reply.

        Raises:
            SampleError: The template refuses the chat.
        """
        chat = without_none(sample.messages or [{"role": "user", "content": sample.problem.question}])
        try:
            return str(self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
        except (TemplateError, TypeError, ValueError, KeyError, AttributeError) as error:
            # A template refuses what it does not know (a role, an order of roles) in its own words.
            raise SampleError(
                "refused_by_template", f"{sample.where}: the chat template of {self.model}: {error}"
            ) from error

    def write(self, sample: TrainingExample) -> Lesson:
        """Tokenise one sample.

        Raises:
            TrainingError: The template closes thinking in the prompt, or the trace contains a mark.
        """
        prompt = self.prompt(sample)
        if prompt.rstrip().endswith(self.family.end):
            raise TrainingError(f"--model {self.model}: its chat template closes thinking in the prompt")
        opened = prompt.rstrip().endswith(self.family.start.rstrip())
        prompt_ids = self._ids(prompt)
        lead = "" if (prompt if opened else self.family.start).endswith("\n") else "\n"
        thinking = self._body_ids(sample, "thinking", f"{lead}{sample.trace.thinking.strip()}\n")
        answer = self._body_ids(sample, "answer", self._answer_text(sample.trace.answer))
        closing = [*self.end, *self.transition]
        reply_ids = [*([] if opened else self.start), *thinking, *closing, *answer, *self.turn_end]
        ids, labels = prompt_ids + reply_ids, [IGNORE] * len(prompt_ids) + reply_ids
        return Lesson(array("i", ids), array("i", labels), sample.where)

    def _answer_text(self, answer: str) -> str:
        """The answer after the cue, including the line breaks that the server's cue begins with.

        A tool call has no cue before it, as in the server.
        """
        cue = self.family.cue.lstrip()
        breaks = self.family.cue[: len(self.family.cue) - len(cue)]
        prefix = (
            (f"{cue} " if cue else "") if self.family.answer_prefix is None else self.family.answer_prefix
        )
        calls_tool = answer.lstrip().startswith(self.family.tool_call)
        prefix = "" if "Answer:" in answer or calls_tool else prefix
        return f"{breaks}{prefix}{answer.strip()}"

    def _body_ids(self, sample: TrainingExample, name: str, text: str) -> list[int]:
        ids = self._ids(text)
        found = next((one for one in ids if one in self._forbidden), None)
        written_out = next((m for m in (self.family.start, self.family.end) if m in text), None)
        if found is not None or written_out:
            mark = written_out or self.tokenizer.convert_ids_to_tokens([found])[0]
            raise SampleError(
                "mark_inside", f"{sample.where}: field 'trace.{name}' has the mark {mark!r} inside"
            )
        return ids


def _missing_marks(tokenizer: PreTrainedTokenizerBase, family: Family) -> list[str]:
    """The family's marks whose first token is not a dedicated token of this tokenizer."""
    added = set(tokenizer.get_added_vocab().values())
    marks = (family.start, family.end)
    return [m for m in marks if tokenizer.encode(m, add_special_tokens=False)[0] not in added]
