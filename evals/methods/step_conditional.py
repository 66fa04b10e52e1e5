"""Step-conditional control: the prompt names the number of steps.

Control counts 100 tokens per step, as the paper.

When forced, the server also counts the steps down ("64 steps left") and closes thinking after the last one;
this is for models trained to count steps.
"""

from evals.methods.arm import Arm, Budget, EvalMethod, Promise, whole
from server.reasoning.conditions import step_words

TOKENS_PER_STEP = 100


def arm(value: str) -> Arm:
    """The arm of one setting, such as "4".

    Raises:
        ArmError: The setting cannot be parsed.
    """
    steps = whole("think-steps", value, 1)
    return Arm("step", f"step={steps}", words=step_words(steps), promise=_promise(steps))


def forced(value: str) -> Arm:
    """The same arm, with thinking closed by the server.

    Raises:
        ArmError: The setting cannot be parsed.
    """
    steps = whole("think-steps-forced", value, 1)
    return Arm(
        "step+max",
        f"step+max={steps}",
        Budget(max_steps=steps),
        words=step_words(steps),
        promise=_promise(steps),
    )


def _promise(steps: int) -> Promise:
    return Promise(at_most=TOKENS_PER_STEP * steps)


STEP_CONDITIONAL = EvalMethod("think-steps", 'the prompt says "Think for up to N steps."', arm)
STEP_CONDITIONAL_FORCED = EvalMethod(
    "think-steps-forced", "the same, with steps counted down and thinking closed after N of them", forced
)
