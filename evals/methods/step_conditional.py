"""Step-conditional control: the prompt names the steps. For Control a step is 100 tokens, as in the paper.

Forced, the server counts the steps down as well ("64 steps left") and closes thinking behind the last one:
for a model that was trained to count.
"""

from evals.methods.arm import Arm, Budget, Method, Promise, whole
from server.reasoning.conditions import step_words

TOKENS_PER_STEP = 100


def arm(value: str) -> Arm:
    steps = whole("think-steps", value, 1)
    return Arm("step", f"step={steps}", words=step_words(steps), promise=_promise(steps))


def forced(value: str) -> Arm:
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


STEP_CONDITIONAL = Method("think-steps", 'the prompt says "Think for up to N steps."', arm)
STEP_CONDITIONAL_FORCED = Method(
    "think-steps-forced", "the same, and thinking counts down and is closed behind N steps", forced
)
