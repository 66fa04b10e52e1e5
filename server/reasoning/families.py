"""A family: the thinking marks of a model line. One row each; token ids are computed elsewhere."""

from collections.abc import Container
from dataclasses import dataclass

FINAL_ANSWER_CUE = "\n\nFinal Answer:"


@dataclass(frozen=True, slots=True)
class Family:
    """The texts around thinking, as the models of one line write them."""

    name: str
    start: str
    """Opens thinking."""
    end: str
    """Closes thinking."""
    cue: str = FINAL_ANSWER_CUE
    """Follows a forced close (never a natural one), unless a request sets `end_message`."""
    nudge: str = "Wait"
    """Appended instead of an end. Tokenised separately, without a space or line break before it: thinking
    ends with a line break in all of these families, so the text reads "...\\nWait" (as in s1's code)."""
    end_of_turn: tuple[str, ...] = ("<|im_end|>",)
    """Further marks that end the message; inside thinking they count as an end."""
    tool_call: tuple[str, ...] = ("<tool_call>",)
    """Marks that open a tool call; inside thinking they count as an end and are moved after it."""
    always_opens: bool = False
    """Thinking is part of the format: `start` is forced if the prompt does not open thinking."""
    line_break_before_end: bool = False
    """A forced close begins with a line break unless thinking ends with one."""
    step_mark: str | None = None
    """Opens each step, on models trained to count steps down; `{steps}` is the number left."""
    model_prefixes: tuple[str, ...] = ()
    """Lower-case prefixes of model ids whose tokenizer and template do not show the marks."""
    is_detectable: bool = True
    """Whether the marks identify the family; False if they consist of general chat marks."""
    is_plain_text: bool = False
    """Whether the marks are ordinary text of several tokens to these models' tokenizers."""
    answer_prefix: str | None = None
    """The beginning of an answer in training texts; None: the cue and a space."""

    @property
    def marks(self) -> tuple[str, ...]:
        """The texts around thinking: start, end, and the beginning of a step's mark."""
        step = (self.step_mark.partition("{")[0],) if self.step_mark else ()
        return (self.start, self.end, *step)


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        # s1 and s1.1 re-use the chat's turn mark: Qwen2.5's tokenizer and template don't show it.
        # simplescaling/s1, vllm_causllms.py: the newline and "Final Answer:" of a forced end.
        Family(
            name="s1",
            start="<|im_start|>think",
            end="<|im_start|>answer",
            cue="\nFinal Answer:",
            tool_call=(),
            always_opens=True,
            line_break_before_end=True,
            step_mark="<|im_start|>{steps} steps left",
            is_detectable=False,
            answer_prefix="Answer: ",  # simplescaling/s1, data/tokenization.py
            model_prefixes=(
                *("simplescaling/s1-", "simplescaling/s1.1-"),
                *("simplescaling/token-conditional-control", "simplescaling/step-conditional-control"),
            ),
        ),
        # Seed-OSS
        Family(name="seed", start="<seed:think>", end="</seed:think>", end_of_turn=("<seed:eos>",)),
        # Magistral
        Family(
            name="magistral",
            start="[THINK]",
            end="[/THINK]",
            end_of_turn=("</s>",),
            tool_call=("[TOOL_CALLS]",),
        ),
        # Kimi-VL-Thinking and Kimi-K1.5: ordinary text to most tokenizers
        Family(name="kimi", start="◁think▷", end="◁/think▷", is_plain_text=True),
        # Sky-T1: ordinary text to Qwen2.5's tokenizer, several tokens
        Family(name="sky-t1", start="<|begin_of_thought|>", end="<|end_of_thought|>", is_plain_text=True),
        # DeepSeek-R1 and its distillations, Qwen3, QwQ, s1-nano, and most since
        Family(name="think", start="<think>", end="</think>"),
    )
}


def detect_family(
    model: str, chat_template: str | None, vocabulary: Container[str]
) -> tuple[Family | None, str]:
    """The family of a model and how it was found, in words; (None, reason) if nothing identifies it.

    Only marks that are single tokens or occur in the template count: any tokenizer can encode a text like
    "<think>".
    """
    for family in FAMILIES.values():
        if model.lower().startswith(family.model_prefixes or ("\0",)):
            return family, f"the model's name {model!r}"
    for family in FAMILIES.values():
        if family.is_detectable and family.start in vocabulary and family.end in vocabulary:
            return family, f"{family.start} and {family.end} in the tokenizer"
    for family in FAMILIES.values():
        if chat_template and family.start in chat_template and family.end in chat_template:
            return family, f"{family.start} and {family.end} in the chat template"
    return None, "no known thinking marks in the tokenizer or the chat template"
