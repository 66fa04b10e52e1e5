"""What guides thinking on its way, each part by its name: alone, and among all others the obvious way."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.budget.budget import NEVER, NOWAIT_WORDS, TENTH, BudgetError, ThinkingBudget
from server.budget.loops import LoopRule
from server.budget.plan import Opening, Plan
from server.budget.planning.make_steering import make_steering
from server.budget.planning.vocabulary import Vocabulary
from server.budget.running.action import ForcedKind
from server.budget.running.controller import Controller
from server.budget.running.report import ForcedRecord, ThinkingReport
from server.budget.running.tracker import ThinkingTracker
from server.budget.steering import Steering
from server.reasoning.ends import End
from tests.examples import examples
from tests.server.budget.driving import MODELS, Model, drive, says
from tests.server.budget.obvious import obvious
from tests.server.budget.plans import CUE, END, LOOP_NUDGE, NUDGE, PARTS, STOP, plan, plans

LANDING = {"sentence_ends": frozenset({2, 3}), "points": frozenset({2}), "digits": frozenset({1})}
QUICK = LoopRule(stride=2, fewest_copies=3, fewest_tokens=6, longest_copy=8, longest_period=20, tail=2)


def steered(**changes: Any) -> Plan:
    """A plan with this steering, and what else is named."""
    names = Steering.__dataclass_fields__
    steering = Steering(**{name: changes.pop(name) for name in list(changes) if name in names})
    return plan(steering=steering, **changes)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_does_what_the_obvious_way_does(part: str) -> None:
    @settings(max_examples=examples(300))
    @given(plans(on=part), MODELS, st.one_of(st.just(NEVER), st.integers(0, 40)))
    def check(the_plan: Plan, model: Model, requested_at: int) -> None:
        out, _ = drive(the_plan, model.sample, requested_at, model.is_likely)
        assert out == obvious(the_plan, model.sample, requested_at, model.is_likely)

    check()


# -- soft landing --------------------------------------------------------------------------------------


def test_landing_waits_for_the_end_of_a_sentence_and_closes_with_the_cue() -> None:
    out, controller = drive(steered(max_tokens=9, land_from=4, **LANDING), says([5, 3, 5, 5, 6, 3, 5, 5, 5]))
    assert out[:9] == [5, 3, 5, 5, 6, 3, END, *CUE]
    assert (controller.tokens, controller.end) == (6, End.MAX_TOKENS)


def test_landing_takes_the_sentence_that_has_just_ended() -> None:
    assert drive(steered(max_tokens=9, land_from=2, **LANDING), says([5, 3, 5]))[0][:3] == [5, 3, END]


def test_landing_never_goes_beyond_the_maximum() -> None:
    out, controller = drive(steered(max_tokens=4, land_from=2, **LANDING), says([5] * 9))
    assert (out[:5], controller.tokens) == ([5, 5, 5, 5, END], 4)


def test_landing_takes_no_decimal_point_for_the_end_of_a_sentence() -> None:
    asked = steered(max_tokens=9, land_from=1, **LANDING)
    assert drive(asked, says([5, 1, 2, 5, 2, 5, 5]))[0][:6] == [5, 1, 2, 5, 2, END]


def test_landing_ends_where_the_end_is_likely_without_a_cue() -> None:
    asked = steered(max_tokens=9, land_from=2, **LANDING)
    out, controller = drive(asked, says([5, 5, 5, 4, 4]), is_likely=lambda out, _: len(out) in (1, 3))
    assert out == [5, 5, 5, END, 4, STOP]
    assert (controller.tokens, controller.end, controller.forced) == (3, End.MAX_TOKENS, {3: ForcedKind.END})


def test_landing_leaves_the_models_own_end_its_own() -> None:
    asked = steered(max_tokens=9, land_from=1, **LANDING)
    out, controller = drive(asked, says([5, END, 4]), is_likely=lambda out, _: len(out) == 1)
    assert (out, controller.end, controller.forced) == ([5, END, 4, STOP], End.NATURAL, {})


def test_landing_uses_no_waits() -> None:
    asked = steered(max_tokens=9, land_from=2, num_waits=5, **LANDING)
    out, controller = drive(asked, says([5, 5, END, 4]))
    assert (out, controller.end, controller.waits_at) == ([5, 5, END, 4, STOP], End.NATURAL, [])


def test_landing_reads_as_one_in_the_report_though_the_tokens_look_natural() -> None:
    asked = steered(max_tokens=9, land_from=2, **LANDING)
    out, controller = drive(asked, says([5, 5, 5, 4, 4]), is_likely=lambda out, _: len(out) == 3)
    tracker = ThinkingTracker(asked)
    for token in out:
        tracker.feed(token)
    assert tracker.end is End.NATURAL
    record = ForcedRecord(controller.forced, (), controller.end)
    assert ThinkingReport.of(tracker, record).end == "max_tokens"


# -- loop breaker --------------------------------------------------------------------------------------


def test_loop_is_closed_and_answered() -> None:
    out, controller = drive(steered(loop_rule=QUICK, loop_nudge=LOOP_NUDGE), says([1, 2, 5, 6] + [5, 6] * 9))
    assert out[:11] == [1, 2, 5, 6, 5, 6, 5, 6, END, *CUE]
    assert controller.end is End.LOOP


def test_loop_is_nudged_on_by_another_nudge_while_waits_are_left() -> None:
    asked = steered(loop_rule=QUICK, loop_nudge=LOOP_NUDGE, num_waits=1)
    out, controller = drive(asked, says([5, 6] * 30))
    first = [5, 6] * 3
    assert out[:8] == [*first, *LOOP_NUDGE]
    assert controller.waits_at == [6]
    assert controller.end is End.LOOP
    assert out[8:17] == [*first, END, *CUE]  # and it loops for as long again


def test_loop_is_none_before_it_has_gone_on_for_long_enough() -> None:
    asked = steered(loop_rule=QUICK, loop_nudge=LOOP_NUDGE)
    _, controller = drive(asked, says([1, 5, 6, 5, 6, 1, 5, 6, 5, 6, 1, 4, END]))
    assert controller.end is End.NATURAL


def test_long_copy_is_a_loop_whatever_its_period() -> None:
    unit = [1, 2, 3, 4, 5, 6, 0, 1, 4, 2]
    out, controller = drive(steered(loop_rule=QUICK, loop_nudge=LOOP_NUDGE), says(unit * 9))
    assert controller.end is End.LOOP
    assert out.index(END) == len(unit) + QUICK.longest_copy


def test_loop_under_the_minimum_goes_on_and_under_a_request_ends() -> None:
    asked = steered(loop_rule=QUICK, loop_nudge=LOOP_NUDGE, min_tokens=20)
    _, controller = drive(asked, says([5] * 90))
    assert controller.end is End.LOOP
    assert controller.tokens >= 20
    assert drive(asked, says([5] * 90), requested_at=3)[1].end is End.REQUESTED


# -- counted steps -------------------------------------------------------------------------------------

COUNTING: dict[str, Any] = {
    "opening": Opening.FORCE,
    "start": (END, 14, 3),
    "end": (END, 5),
    "end_is_distinct": False,
    "max_steps": 3,
    "step_marks": ((END, 14, 1), (END, 14, 2)),
}


def test_steps_are_counted_down_and_the_last_one_ends_thinking_without_a_cue() -> None:
    out, controller = drive(steered(**COUNTING), says([1, END, 0, 1, 1, END, 0, 2, END, 0, 4]))
    three, two, one = [END, 14, 3], [END, 14, 2], [END, 14, 1]
    assert out == [*three, 1, *two, 1, 1, *one, 2, END, 5, 0, 4, STOP][: len(out)]
    assert (controller.end, controller.tokens) == (End.STEPS, 1 + 3 + 2 + 3 + 1)


def test_steps_that_are_left_are_the_models_to_leave() -> None:
    out, controller = drive(steered(**COUNTING), says([1, END, 0, 2, END, 5, 4]))
    assert out == [END, 14, 3, 1, END, 14, 2, 2, END, 5, 4, STOP]
    assert (controller.end, controller.tokens) == (End.NATURAL, 1 + 3 + 1)


def test_no_step_begins_in_the_answer() -> None:
    out, _ = drive(steered(**COUNTING), says([1, END, 5, 4, END, 4]))
    assert out == [END, 14, 3, 1, END, 5, 4, 0, 4, STOP]


def test_turn_that_ends_inside_the_last_step_is_the_models_end() -> None:
    the_plan = steered(**{**COUNTING, "max_steps": 1, "start": (END, 14, 1), "step_marks": ()})
    out, controller = drive(the_plan, says([1, STOP, 4]))
    tracker = ThinkingTracker(the_plan)
    for token in out:
        tracker.feed(token)
    assert out == [END, 14, 1, 1, END, 5, 4, STOP]
    assert ThinkingReport.of(tracker, ForcedRecord(end=controller.end)).end == "end_of_sequence"


def test_maximum_holds_inside_a_steps_mark() -> None:
    out, controller = drive(steered(**COUNTING, max_tokens=3), says([1, END, 0, 2, 2, 2]))
    assert out[:9] == [END, 14, 3, 1, END, 14, END, 5, *CUE][:9]
    assert (controller.end, controller.tokens) == (End.MAX_TOKENS, 3)


# -- NoWait --------------------------------------------------------------------------------------------


def test_suppressed_words_are_not_said_in_thinking_and_are_in_the_answer() -> None:
    out, _ = drive(steered(suppressed=(6,)), says([1, 6, 2, END, 6]))
    assert out == [1, 0, 2, END, 6, STOP]


def test_suppressed_words_can_still_be_nudges() -> None:
    out, _ = drive(steered(suppressed=NUDGE, num_waits=1), says([1, *NUDGE, END, 2, END]))
    assert out == [1, 0, *NUDGE, 2, END, STOP]


# -- AlphaOne ------------------------------------------------------------------------------------------

ALPHA = {"alpha_tokens": 8, "paragraph_ends": frozenset({3}), "slow_words": NUDGE}


def test_alpha_ends_thinking_at_the_models_own_slow_word_from_its_moment_on() -> None:
    out, controller = drive(steered(**ALPHA), says([1, *NUDGE, 1, 1, 1, 1, 1, 1, 1, *NUDGE, 2]))
    assert out == [1, *NUDGE, 1, 1, 1, 1, 1, 1, 1, END, 2, STOP]
    assert (controller.tokens, controller.end, controller.forced) == (9, End.ALPHA, {9: ForcedKind.END})


def test_alpha_puts_nudges_in_behind_paragraphs_less_and_less_until_its_moment() -> None:
    """400 paragraphs of three tokens under 400 seeds: the share of each place is 1 - tokens / alpha."""
    asked = [steered(**{**ALPHA, "alpha_tokens": 40}, seed=seed, room=60, close_at=50) for seed in range(400)]
    nudged: dict[int, list[bool]] = {}
    for each in asked:
        controller, tokens = Controller(each), 0
        while tokens < 45:
            action = controller.next_action()
            at_end = tokens > 0 and tokens % 3 == 0 and controller.phase == "thinking"
            if at_end or action.force != -1:
                nudged.setdefault(tokens, []).append(action.force == NUDGE[0])
            token = action.force if action.force != -1 else (3 if tokens % 3 == 2 else 1)
            controller.observe(token)
            tokens += 1
    for tokens, drawn in nudged.items():
        if len(drawn) > 50:
            expected = max(0.0, 1 - tokens / 40)
            assert abs(sum(drawn) / len(drawn) - expected) < 0.15


def test_alpha_draws_the_same_for_whoever_asks() -> None:
    asked = steered(**{**ALPHA, "alpha_tokens": 40}, seed=3)
    once = drive(asked, says([1, 3] * 10))
    assert once[0] == drive(asked, says([1, 3] * 10))[0]
    other = steered(**{**ALPHA, "alpha_tokens": 40}, seed=4)
    assert once[0] != drive(other, says([1, 3] * 10))[0]


# -- what a request makes of it ------------------------------------------------------------------------

TEXTS = [
    "",
    "Wait",
    " wait",
    "Waiting",
    ".\n",
    ".",
    "3",
    "?”",
    " \n\n",
    " Alternatively",
    "a.b",
    "Hmm",
    " any",
]
LEXICON = Vocabulary(lambda: TEXTS)


def made(nudges: tuple[str, ...] = ("Wait",), marks: tuple[int, ...] = (), **budget: Any) -> Steering:
    """The steering of a budget, in a tokenizer of these thirteen tokens."""
    return make_steering(ThinkingBudget(**budget), nudges, lambda text: (len(text),), LEXICON, marks)


def test_nothing_is_on_unless_asked_for_but_the_loop_breaker() -> None:
    assert made(max_tokens=1000) == Steering()
    assert (
        made(max_tokens=1001) == made() == Steering(loop_rule=LoopRule(), loop_nudge=(len("Alternatively"),))
    )


def test_loop_breaker_can_be_switched_on_and_off() -> None:
    assert made(max_tokens=50, breaks_loops=True).loop_rule == LoopRule()
    assert made(breaks_loops=False).loop_rule is None


def test_nudge_behind_a_loop_is_another_than_those_before() -> None:
    assert made(("Alternatively",)).loop_nudge == (len("Wait"),)
    assert made(("Hmm", "Alternatively")).loop_nudge == (len("Alternatively"),)


def test_grace_is_a_tenth_or_what_was_asked_and_gives_way_to_the_minimum() -> None:
    assert made(max_tokens=400, grace_tokens=TENTH).land_from == 360
    assert made(max_tokens=400, grace_tokens=100).land_from == 300
    assert made(max_tokens=400, grace_tokens=100, min_tokens=350).land_from == 350
    assert made(grace_tokens=100).land_from == NEVER


def test_sentence_ends_are_known_by_their_tokens() -> None:
    landing = made(max_tokens=400, grace_tokens=1)
    assert [TEXTS[token] for token in sorted(landing.sentence_ends)] == [".\n", ".", "?”", " \n\n"]
    assert not landing.ends_sentence(TEXTS.index("."), TEXTS.index("3"))
    assert landing.ends_sentence(TEXTS.index("."), TEXTS.index("Hmm"))
    assert landing.ends_sentence(TEXTS.index("?”"), TEXTS.index("3"))


def test_suppressed_word_is_every_token_that_says_it_and_no_longer_word() -> None:
    assert [TEXTS[token] for token in made(suppress=("Wait",)).suppressed] == ["Wait", " wait"]
    assert [TEXTS[token] for token in made(suppress=NOWAIT_WORDS).suppressed] == [
        *("Wait", " wait", " Alternatively", "Hmm", " any")
    ]


def test_suppressed_word_without_a_token_is_refused_unless_the_list_is_the_papers() -> None:
    with pytest.raises(BudgetError, match="'verify' is not a single token") as caught:
        made(suppress=("Wait", "verify"))
    assert caught.value.field == "thinking_budget.suppress"
    bare = Vocabulary(lambda: ["a", "b"])
    with pytest.raises(BudgetError, match="not a single token"):
        make_steering(ThinkingBudget(suppress=NOWAIT_WORDS), ["Wait"], lambda _: (1,), bare, ())


def test_suppressing_the_delimiters_own_tokens_is_refused() -> None:
    with pytest.raises(BudgetError, match="could never end"):
        made(marks=(11,), suppress=("hmm",))


def test_steps_are_marked_as_the_family_does() -> None:
    made = make_steering(
        ThinkingBudget(max_steps=3), ["Wait"], lambda text: tuple(text.encode()), LEXICON, (), "<{steps}>"
    )
    assert (made.max_steps, made.step_marks) == (3, (tuple(b"<1>"), tuple(b"<2>")))


def test_alpha_knows_the_nudges_word_by_case_and_its_paragraphs() -> None:
    alpha = made(("Wait, what", "Hmm"), alpha_tokens=50)
    assert [TEXTS[token] for token in alpha.slow_words] == ["Wait", "Hmm"]
    assert [TEXTS[token] for token in alpha.paragraph_ends] == [" \n\n"]


def test_alpha_in_a_tokenizer_without_empty_lines_goes_by_lines() -> None:
    assert Vocabulary(lambda: ["a", "b\n", "."]).paragraph_ends == {1}


def test_alpha_with_a_nudge_that_cannot_be_recognised_is_refused() -> None:
    with pytest.raises(BudgetError, match="Think") as caught:
        made(("Think again",), alpha_tokens=50)
    assert caught.value.field == "thinking_budget.alpha_tokens"
