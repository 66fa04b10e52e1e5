"""Class-conditional control: the prompt asks for a short or a long amount of thinking."""

from typing import Literal

from evals.methods.arm import Arm, ArmError, EvalMethod, Promise
from server.reasoning.conditions import CLASS_WORDS

PROMISES: dict[str, Literal["less", "more"]] = {"short": "less", "long": "more"}


def arm(value: str) -> Arm:
    """The arm of one setting, such as "short".

    Raises:
        ArmError: The setting cannot be parsed.
    """
    if value not in CLASS_WORDS:
        raise ArmError(f"--think-class: {value!r} is neither of {', '.join(CLASS_WORDS)}")
    return Arm(
        "class", f"class={value}", words=CLASS_WORDS[value], promise=Promise(than_natural=PROMISES[value])
    )


CLASS_CONDITIONAL = EvalMethod("think-class", "the prompt asks for short or long thinking: short,long", arm)
