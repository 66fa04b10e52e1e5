"""A family: the thinking marks of a model line. families.py has the rows; token ids come later."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from server.reasoning.conditions import TOKEN_WORDS

FINAL_ANSWER_CUE = "\n\nFinal Answer:"

# What chat templates write before an assistant's words; of these those count that are tokens. As in vLLM's
# poolside_v1 parser (`turn_boundary_tokens`), which tells the bug.
ASSISTANT_HEADERS = (
    *("<|im_start|>", "<|im_assistant|>", "<|assistant|>", "<assistant>", "<｜Assistant｜>", "<|Assistant|>"),
    *("[|assistant|]", "<seed:bos>", "]~b]", "<|start_of_role|>", "<|start_header_id|>", "<|turn>"),
    *("<|START_OF_TURN_TOKEN|>", "<start_of_turn>", "<|hy_Assistant|>", "<｜hy_Assistant｜>", "<SPECIAL_11>"),
    *("<|assistant_start|>", "<role>", "<|extra_0|>"),
    *("[/INST]", "[/TOOL_RESULTS]", "[/SYSTEM_PROMPT]", "[/AVAILABLE_TOOLS]"),
)


@dataclass(frozen=True, slots=True)
class Family:
    """The texts around thinking, as the models of one line write them."""

    name: str
    start: str
    """Opens thinking."""
    end: str
    """Closes thinking."""
    also_start: tuple[str, ...] = ()
    """What the model may write for `start`, too. Never forced."""
    also_end: tuple[str, ...] = ()
    """What the model may write for `end`, too."""
    transition: str = ""
    """Follows `end` in a forced close, not in the model's own: the way on to a plain answer. A family
    that has one writes its answers with tokens of its thinking marks."""
    reopens: bool = False
    """Thinking may come in several blocks of one turn, which end as every message does; all of them count."""
    vllm_parser: str | None = None
    """vLLM's own reasoning parser, where it must split the text; None: the one that is made of this row."""
    grammar_follows_end: bool = False
    """That parser has a structured answer begin right behind `end`: no transition may come between."""
    has_grammar: bool = True
    """Whether that parser tells where a structured answer begins at all; if not one is refused."""
    cue: str = FINAL_ANSWER_CUE
    """Follows a forced close (never a natural one), unless a request sets `end_message`."""
    nudge: str = "Wait"
    """Appended instead of an end. Tokenised separately, without a space or line break before it: thinking
    ends with a line break in all of these families, so the text reads "...\\nWait" (as in s1's code)."""
    announcement: str = TOKEN_WORDS
    """Tells the model its maximum, where a request wants it told: s1's token-conditional control."""
    assistant: tuple[str, ...] = ASSISTANT_HEADERS
    """Tokens after which an assistant's turn begins in a prompt: of thinking marks those say something that
    follow the last of them. What a user or a system prompt quotes stands before it."""
    end_of_turn: tuple[str, ...] = ("<|im_end|>",)
    """Further marks that end the message; inside thinking they count as an end."""
    tool_call: tuple[str, ...] = ("<tool_call>",)
    """Marks that open a tool call; inside thinking they count as an end and are moved after it.
    Of these those count that are tokens."""
    always_opens: bool = False
    """Thinking is part of the format: `start` is forced if the prompt does not open thinking."""
    line_break_before_end: bool = False
    """A forced close begins with a line break unless thinking ends with one."""
    step_mark: str | None = None
    """Opens each step, on models trained to count steps down; `{steps}` is the number left."""
    tells: tuple[str, ...] = ()
    """Tokens that tell the family where they are in a vocabulary; (): start and end."""
    model_prefixes: tuple[str, ...] = ()
    """Lower-case prefixes of model ids whose tokenizer and template do not show the marks."""
    suffix: str | None = None
    """The part of the marks that each checkpoint writes in its own way, as this row has it."""
    is_detectable: bool = True
    """Whether the marks identify the family; False if they consist of general chat marks."""
    efforts: tuple[str, ...] | None = None
    """The effort words that vLLM's renderer for the model takes, or under which its marks are these; None:
    those that its chat template tells."""
    may_be_spelled: bool = False
    """Whether the model may write marks out in pieces though its tokenizer has them as tokens."""
    is_plain_text: bool = False
    """Whether the marks are ordinary text of several tokens to these models' tokenizers."""
    answer_prefix: str | None = None
    """The beginning of an answer in training texts; None: the cue and a space."""

    def written_in(self, vocabulary: Iterable[object]) -> "Family":
        """The family with its marks as this vocabulary has them; itself, where they have no suffix.

        A suffix begins with a colon; the marks of a checkpoint without one are those of another family.
        """
        if self.suffix is None:
            return self
        before, _, after = self.start.partition(self.suffix)
        mark = re.compile(f"{re.escape(before)}(:[^\\s>]+){re.escape(after)}")
        found = next((match for each in vocabulary if (match := mark.fullmatch(str(each)))), None)
        return self if found is None or found[1] == self.suffix else self._with_suffix(found[1])

    def _with_suffix(self, suffix: str) -> "Family":
        def written(text: str) -> str:
            return text.replace(self.suffix or "", suffix)

        return replace(
            self,
            suffix=suffix,
            start=written(self.start),
            end=written(self.end),
            assistant=tuple(map(written, self.assistant)),
            end_of_turn=tuple(map(written, self.end_of_turn)),
            tool_call=tuple(map(written, self.tool_call)),
        )

    @property
    def starts(self) -> tuple[str, ...]:
        """Every spelling of the mark that opens thinking."""
        return (self.start, *self.also_start)

    @property
    def ends(self) -> tuple[str, ...]:
        """Every spelling of the delimiter."""
        return (self.end, *self.also_end)

    @property
    def is_spelled_in_many_ways(self) -> bool:
        """Whether no token identifies the marks, even where the tokenizer has one for each."""
        return self.may_be_spelled or bool(self.also_start or self.also_end)

    @property
    def marks(self) -> tuple[str, ...]:
        """The texts around thinking, which no answer has: start, end and the beginning of a step's mark.

        The end is not among them where every message of the family ends with it.
        """
        ends = () if self.reopens else self.ends
        step = (self.step_mark.partition("{")[0],) if self.step_mark else ()
        return (*(start.strip() for start in self.starts), *ends, *step)


def cut_at(text: str, marks: Iterable[str]) -> tuple[str, str, str]:
    """As `str.partition`, at the mark that comes first; of those that begin there, at the longest."""
    found = [(text.index(mark), -len(mark), mark) for mark in marks if mark in text]
    return text.partition(min(found)[2]) if found else (text, "", "")
