"""Decides how thinking is steered in one request; each function says what its method does, and why."""

import re
from collections.abc import Container, Sequence
from typing import Any, NoReturn

from server.budget.budget import NOWAIT_WORDS, TENTH, UNLIMITED, BudgetError, Encode, ThinkingBudget
from server.budget.loops import LoopRule
from server.budget.planning.vocabulary import Vocabulary
from server.budget.steering import Steering

SMALL_BUDGET_TOKENS = 1000
"""A maximum up to this needs no loop breaker: it ends a loop soon enough."""


LOOP_NUDGE = "Alternatively"


_OTHER_LOOP_NUDGE = "Wait"


def make_steering(
    budget: ThinkingBudget,
    nudges: Sequence[str],
    encode: Encode,
    vocabulary: Vocabulary,
    marks: Container[int] = (),
    step_mark: str | None = None,
) -> Steering:
    """The steering of one request.

    Args:
        budget: What holds for the request.
        nudges: Its nudge strings.
        encode: Text to token ids.
        vocabulary: The tokenizer's tables.
        marks: The token ids without which thinking could not end.
        step_mark: The family's.

    Raises:
        BudgetError: This tokenizer has no token for a word, or the words include one of `marks`.
    """
    return Steering(
        **_landing(budget, vocabulary),
        **_loop_breaker(budget, nudges, encode),
        **_countdown(budget, step_mark, encode),
        **_no_wait(budget, vocabulary, marks),
        **_alpha_one(budget, nudges, vocabulary),
    )


def _landing(budget: ThinkingBudget, vocabulary: Vocabulary) -> dict[str, Any]:
    """Soft landing: in the last tokens below the maximum thinking closes where a sentence or line ends.

    It also closes where an end is likely; remaining Waits are not used there. The hard cut at the maximum
    remains.

    Off unless asked for: the hard cut is what the paper measured, and a landing spends fewer tokens than
    the maximum, so that results with and without it are not of the same budget.
    """
    maximum = _maximum(budget)
    if not budget.grace_tokens or maximum == UNLIMITED:
        return {}
    grace = maximum // 10 if budget.grace_tokens == TENTH else budget.grace_tokens
    return {
        "land_from": max(maximum - grace, budget.min_tokens or 0),
        "sentence_ends": vocabulary.sentence_ends,
        "points": vocabulary.points,
        "digits": vocabulary.digits,
    }


def _loop_breaker(budget: ThinkingBudget, nudges: Sequence[str], encode: Encode) -> dict[str, Any]:
    """Loop breaker: thinking that repeats itself (by the rule of budget/loops.py) is closed and answered.

    While Waits are left it is nudged on instead, by another nudge than the ones that led there.

    On where there is no maximum or one above 1,000 tokens, a request that asks for no budget included: else
    one sentence can fill the window and no answer comes. A smaller maximum ends a loop soon enough.
    """
    is_small = 0 <= _maximum(budget) <= SMALL_BUDGET_TOKENS
    if budget.breaks_loops is False or (budget.breaks_loops is None and is_small):
        return {}
    nudge = LOOP_NUDGE if set(nudges) != {LOOP_NUDGE} else _OTHER_LOOP_NUDGE
    return {"loop_rule": LoopRule(), "loop_nudge": encode(nudge)}


def _countdown(budget: ThinkingBudget, step_mark: str | None, encode: Encode) -> dict[str, Any]:
    """Step-conditional control with budget forcing (s1, section 5.1): thinking counts its steps down.

    The first mark says how many steps are left; after the last step thinking ends, without a cue, as in the
    paper. Where the model begins another step, the mark with the next lower number replaces whatever number
    the model would sample. It is sound only for models trained on such marks; s1-nano is not.
    """
    if budget.max_steps is None or step_mark is None:
        return {}
    marks = tuple(encode(step_mark.format(steps=left)) for left in range(1, budget.max_steps))
    return {"max_steps": budget.max_steps, "step_marks": marks}


def _no_wait(budget: ThinkingBudget, vocabulary: Vocabulary, marks: Container[int]) -> dict[str, Any]:
    """The tokens that say certain words are never sampled inside thinking (arXiv 2506.08343).

    As in the paper a word is one token, case and marks around it aside; of its own words those count that
    the tokenizer has. A nudge of ours may say them all the same.
    """
    if not budget.suppress:
        return {}
    found = {word: vocabulary.saying_in_any_case(word) for word in budget.suppress}
    missing = [word for word, tokens in found.items() if not tokens]
    if missing and (budget.suppress != NOWAIT_WORDS or len(missing) == len(NOWAIT_WORDS)):
        _refuse("suppress", f"{missing[0]!r} is not a single token of this model's vocabulary")
    suppressed = sorted({token for tokens in found.values() for token in tokens})
    if any(token in marks for token in suppressed):
        _refuse("suppress", "these words are part of the end-of-thinking mark: thinking could never end")
    return {"suppressed": tuple(suppressed)}


def _alpha_one(budget: ThinkingBudget, nudges: Sequence[str], vocabulary: Vocabulary) -> dict[str, Any]:
    """AlphaOne: until `alpha_tokens` the nudge is inserted after paragraphs, ever less often.

    Its probability falls from 1 at the beginning to 0 at that moment; from then on the model's own nudge word
    ends thinking, without a cue.

    arXiv 2505.24863 with linear annealing, as its code does it (NewlineWait). The paper's alpha is a factor;
    `alpha_tokens` is the product, alpha times the model's usual thinking.
    """
    if budget.alpha_tokens is None:
        return {}
    words = dict.fromkeys(found[0] for nudge in nudges if (found := re.search(r"\w+", nudge)))
    slow_words = [token for word in words for token in vocabulary.saying(word)]
    if not slow_words:
        said = ", ".join(words) or "no word"
        _refuse(
            "alpha_tokens",
            f"no nudge ({said}) begins with a word that is a single token of this model's vocabulary",
        )
    return {
        "alpha_tokens": budget.alpha_tokens,
        "paragraph_ends": vocabulary.paragraph_ends,
        "slow_words": tuple(slow_words),
    }


def _maximum(budget: ThinkingBudget) -> int:
    return UNLIMITED if budget.max_tokens is None else budget.max_tokens


def _refuse(field: str, message: str) -> NoReturn:
    raise BudgetError(f"thinking_budget.{field}", message)
