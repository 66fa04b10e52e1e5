"""Step-conditional control: the prompt names the steps. For Control a step is 100 tokens, as in the paper.

The forced variant is not here: it needs a family whose marks count the steps down ("64 steps left").
"""

from evals.methods.arm import Arm, Method, Promise, whole
from server.reasoning.conditions import step_words

TOKENS_PER_STEP = 100


def arm(value: str) -> Arm:
    steps = whole("think-steps", value, 1)
    promise = Promise(at_most=TOKENS_PER_STEP * steps)
    return Arm("step", f"step={steps}", words=step_words(steps), promise=promise)


STEP_CONDITIONAL = Method("think-steps", 'the prompt says "Think for up to N steps."', arm)
