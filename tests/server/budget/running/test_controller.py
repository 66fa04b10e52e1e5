"""The rules of budget forcing, each by its name, and all of them at once against the obvious way."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.budget.budget import NEVER
from server.budget.plan import Opening, Plan
from server.budget.running.action import NONE, ForcedKind, Phase
from server.budget.running.controller import Controller
from server.budget.running.tracker import ThinkingTracker
from server.reasoning.ends import End
from tests.examples import examples
from tests.server.budget.driving import MODELS, Model, drive, says
from tests.server.budget.obvious import obvious
from tests.server.budget.plans import ANY_PLAN, BLANK, CUE, END, NUDGE, START, STOP, TOOL, plan

# -- maximum -----------------------------------------------------------------------------------------


def test_maximum_forces_the_delimiter_and_the_cue_at_the_token() -> None:
    out, controller = drive(plan(max_tokens=3), says([1, 2, 3, 4, 5, 6, 0]))
    assert out[:6] == [1, 2, 3, END, *CUE]
    assert (controller.tokens, controller.end) == (3, End.MAX_TOKENS)


def test_maximum_forces_every_token_of_a_long_delimiter() -> None:
    out, _ = drive(plan(max_tokens=1, end=(END, 5, 6)), says([1, 2, 3, 4, 4]))
    assert out[:6] == [1, END, 5, 6, *CUE]


def test_maximum_of_zero_closes_at_once() -> None:
    out, controller = drive(plan(max_tokens=0), says([1, 2]))
    assert out[:3] == [END, *CUE]
    assert (controller.tokens, controller.end) == (0, End.MAX_TOKENS)


def test_maximum_of_minus_one_is_unlimited() -> None:
    out, controller = drive(plan(max_tokens=-1), says([1] * 500 + [END, 2]))
    assert controller.tokens == 500
    assert (out[500:502], controller.end) == ([END, 2], End.NATURAL)


def test_natural_end_gets_no_cue() -> None:
    out, controller = drive(plan(max_tokens=9), says([1, END, 2]))
    assert out == [1, END, 2, STOP]
    assert (controller.end, dict(controller.forced)) == (End.NATURAL, {})


def test_natural_end_completes_a_long_delimiter() -> None:
    out, controller = drive(plan(end=(END, 5)), says([1, END, 2, 3]))
    assert out[:3] == [1, END, 5]
    assert controller.forced == {2: ForcedKind.END}


def test_forced_close_puts_a_line_break_first_only_where_there_is_none() -> None:
    broken = {"line_breaks": frozenset({3}), "line_break": (3,), "max_tokens": 2}
    assert drive(plan(**broken), says([1, 2, 0]))[0][:4] == [1, 2, 3, END]
    assert drive(plan(**broken), says([1, 3, 0]))[0][:3] == [1, 3, END]


# -- waits -------------------------------------------------------------------------------------------


def test_waits_replace_the_first_ends_by_the_nudge() -> None:
    out, controller = drive(plan(num_waits=2), says([1, END, 2, END, END, 3]))
    assert out == [1, *NUDGE, 2, *NUDGE, END, 3, STOP]
    assert (controller.waits_at, controller.tokens, controller.end) == ([1, 3], 4, End.NATURAL)


def test_waits_cycle_through_a_list_of_nudges() -> None:
    out, _ = drive(plan(num_waits=3, nudges=((9,), (6, 2))), says([END] * 9))
    assert out[:5] == [9, 6, 2, 9, END]


def test_nudges_that_the_model_says_itself_are_none_of_ours() -> None:
    _, controller = drive(plan(num_waits=1), says([NUDGE[0], END, 2, END]))
    assert controller.waits_at == [1]
    assert controller.forced == {1: ForcedKind.NUDGE}


def test_maximum_holds_inside_a_nudge() -> None:
    out, controller = drive(plan(max_tokens=2, num_waits=1, nudges=((6, 9, 2),)), says([1, END, 4, 4, 4]))
    assert out[:3] == [1, 6, END]
    assert controller.tokens == 2


# -- minimum -----------------------------------------------------------------------------------------


def test_minimum_replaces_ends_whatever_num_waits_says() -> None:
    out, controller = drive(plan(min_tokens=4, num_waits=0), says([1, END, END, 2, END]))
    assert out == [1, *NUDGE, *NUDGE, 2, END, STOP]
    assert (controller.tokens, controller.waits_at) == (4, [1, 2])


def test_minimum_uses_up_the_waits() -> None:
    _, controller = drive(plan(min_tokens=3, num_waits=2), says([END, END, END, END, END]))
    assert len(controller.waits_at) == 3


# -- the end of a sequence, tools ----------------------------------------------------------------------


def test_end_of_turn_inside_thinking_is_an_end() -> None:
    out, controller = drive(plan(), says([1, STOP, 2]))
    assert out == [1, END, 2, STOP]
    assert (controller.end, controller.forced) == (End.END_OF_SEQUENCE, {1: ForcedKind.END})


def test_end_of_turn_inside_thinking_is_replaced_by_a_wait() -> None:
    assert drive(plan(num_waits=1), says([1, STOP, 2, END]))[0] == [1, *NUDGE, 2, END, STOP]


def test_tool_call_inside_thinking_is_an_end_and_moves_behind_it() -> None:
    out, controller = drive(plan(tool_call=(TOOL,)), says([1, TOOL, 2, 3]))
    assert out == [1, END, TOOL, 2, 3, STOP]
    assert controller.end is End.NATURAL


def test_nothing_is_forced_inside_an_answer() -> None:
    _, controller = drive(plan(max_tokens=50, num_waits=0, tool_call=(TOOL,)), says([1, END, *[2] * 80]))
    assert all(at <= 1 for at in controller.forced)


# -- context, answer -----------------------------------------------------------------------------------


def test_context_closes_thinking_so_that_the_answer_fits() -> None:
    out, controller = drive(plan(room=20, close_at=12), says([1] * 100))
    assert out[12:15] == [END, *CUE]
    assert (len(out), controller.end) == (20, End.CONTEXT)


def test_context_without_room_for_the_delimiter_lets_thinking_run() -> None:
    out, controller = drive(plan(room=1, close_at=0), says([1, 1]))
    assert (out, controller.end) == ([1], None)


def test_answer_cannot_enter_thinking_again() -> None:
    out, _ = drive(plan(), says([1, END, START, END, 2]))
    assert out == [1, END, 0, 0, 2, STOP]


# -- a control request ---------------------------------------------------------------------------------


def test_request_closes_thinking_at_its_token_with_the_cue() -> None:
    out, controller = drive(plan(), says([1, 2, 3, 4, 4]), requested_at=2)
    assert out[:5] == [1, 2, END, *CUE]
    assert (controller.tokens, controller.end) == (2, End.REQUESTED)


def test_request_beats_waits_minimum_and_the_rest_of_a_nudge() -> None:
    asked = plan(num_waits=3, min_tokens=50, nudges=((6, 9, 2),))
    out, controller = drive(asked, says([1, END, 4, 4]), requested_at=3)
    assert out[:4] == [1, 6, 9, END]
    assert (controller.tokens, controller.end) == (3, End.REQUESTED)


def test_limit_that_is_reached_with_the_request_keeps_its_name() -> None:
    assert drive(plan(max_tokens=2), says([1] * 9), requested_at=2)[1].end is End.MAX_TOKENS
    assert drive(plan(room=20, close_at=2), says([1] * 9), requested_at=2)[1].end is End.CONTEXT


def test_request_changes_nothing_in_an_answer() -> None:
    out, controller = drive(plan(), says([1, END, 2, 3]), requested_at=2)
    assert (out, controller.end) == ([1, END, 2, 3, STOP], End.NATURAL)


def test_request_before_thinking_opens_closes_it_as_it_opens() -> None:
    out, controller = drive(plan(opening=Opening.AWAIT), says([3, START, 1, 1]), requested_at=0)
    assert out[:3] == [3, START, END]
    assert (controller.tokens, controller.end) == (0, End.REQUESTED)


def test_white_space_that_ends_the_start_mark_may_be_any() -> None:
    """Gemma 4's "<|channel>thought\\n", where the model breaks the line twice, in one token."""
    awaited = plan(opening=Opening.AWAIT, start=(START, 4, BLANK), blanks=frozenset({BLANK, 6}), max_tokens=2)
    out, controller = drive(awaited, says([START, 4, 6, 1, 1, 1]))
    assert out[:6] == [START, 4, 6, 1, 1, END]
    tracker = ThinkingTracker(awaited)
    tracker.feed_all(out)
    assert tracker.tokens == controller.tokens == 2


# -- openings ------------------------------------------------------------------------------------------


def test_forced_opening_stands_first() -> None:
    out, controller = drive(plan(opening=Opening.FORCE, start=(START, 4), max_tokens=1), says([1] * 9))
    assert out[:4] == [START, 4, 1, END]
    assert controller.tokens == 1


def test_awaited_opening_counts_from_the_mark() -> None:
    out, controller = drive(plan(opening=Opening.AWAIT, max_tokens=2), says([3, START, 1, 1, 1, 1, 1]))
    assert out[:5] == [3, START, 1, 1, END]
    assert controller.tokens == 2


def test_model_that_does_not_think_is_left_alone() -> None:
    out, controller = drive(plan(opening=Opening.AWAIT, max_tokens=2), says([1] * 12 + [END, START]))
    assert out == [*[1] * 12, 0, 0, STOP]  # nor can it open thinking later, where nobody would count it
    assert (controller.phase, controller.tokens, controller.end) == (Phase.ANSWER, 0, End.NATURAL)


def test_closed_thinking_stays_closed() -> None:
    out, controller = drive(plan(opening=Opening.CLOSED, num_waits=3), says([START, 1]))
    assert (out, controller.end, controller.forced) == ([0, 1, STOP], End.NATURAL, {})


# -- delimiters of several ordinary tokens ---------------------------------------------------------------

TEXT = {"end": (4, 5, 6), "end_is_distinct": False}


def test_text_delimiter_is_known_when_it_is_complete() -> None:
    out, controller = drive(plan(**TEXT), says([1, 4, 5, 2, 4, 5, 6, 3]))
    assert out == [1, 4, 5, 2, 4, 5, 6, 3, STOP]
    assert (controller.tokens, controller.end) == (4, End.NATURAL)


def test_text_delimiter_gives_its_last_token_to_the_nudge() -> None:
    out, controller = drive(plan(num_waits=1, **TEXT), says([1, 4, 5, 6, 2, 4, 5, 6]))
    assert out == [1, 4, 5, *NUDGE, 2, 4, 5, 6, STOP]
    assert controller.tokens == 5


def test_text_delimiter_is_forced_at_an_end_of_turn_as_far_as_it_does_not_stand() -> None:
    assert drive(plan(**TEXT), says([1, STOP, 2]))[0] == [1, 4, 5, 6, 2, STOP]
    assert drive(plan(**TEXT), says([1, 4, STOP, 2]))[0] == [1, 4, 5, 6, 2, STOP]
    assert drive(plan(**TEXT), says([1, 4, 4, 5, STOP, 2]))[0] == [1, 4, 4, 5, 6, 2, STOP]


def test_text_delimiter_cannot_come_again_in_the_answer() -> None:
    assert drive(plan(**TEXT), says([4, 5, 6, 4, 5, 6, 1]))[0] == [4, 5, 6, 4, 5, 0, 1, STOP]


# -- everything ----------------------------------------------------------------------------------------

REQUESTED_AT = st.one_of(st.just(NEVER), st.integers(0, 40))


@settings(max_examples=examples(600))
@given(ANY_PLAN, MODELS, REQUESTED_AT)
def test_controller_equals_the_obvious_way(the_plan: Plan, model: Model, requested_at: int) -> None:
    out, _ = drive(the_plan, model.sample, requested_at, model.is_likely)
    assert out == obvious(the_plan, model.sample, requested_at, model.is_likely)


@settings(max_examples=examples(600))
@given(ANY_PLAN, MODELS, st.integers(0, 40))
def test_request_that_comes_behind_the_decision_is_obeyed_all_the_same(
    the_plan: Plan, model: Model, anywhere: int
) -> None:
    _, alone = drive(the_plan, model.sample, is_likely=model.is_likely)
    closes = [at for at, kind in alone.forced.items() if kind is ForcedKind.END]
    for requested_at in {anywhere, *closes[:1]}:
        in_time, late = (
            drive(the_plan, model.sample, requested_at, model.is_likely, is_late) for is_late in (False, True)
        )
        assert late[0] == in_time[0]
        for what in ("end", "forced", "waits_at", "sampled_ends", "tokens"):
            assert getattr(late[1], what) == getattr(in_time[1], what), what


@settings(max_examples=examples(300))
@given(ANY_PLAN, MODELS, REQUESTED_AT, st.data())
def test_replay_stands_where_the_controller_stood(
    the_plan: Plan, model: Model, requested_at: int, data: st.DataObject
) -> None:
    out, controller = drive(the_plan, model.sample, requested_at, model.is_likely)
    cut = data.draw(st.integers(0, len(out)))
    again = Controller.replay(the_plan, out[:cut], controller.sampled_ends, requested_at)
    assert again.position == cut
    assert again.forced == {at: kind for at, kind in controller.forced.items() if at < cut}
    assert again.waits_at == [at for at in controller.waits_at if at < cut]


@settings(max_examples=examples(600))
@given(ANY_PLAN, MODELS, REQUESTED_AT)
def test_plain_steps_at_once_equal_single_steps(the_plan: Plan, model: Model, requested_at: int) -> None:
    out, single = drive(the_plan, model.sample, requested_at, model.is_likely)
    controller = Controller(the_plan, requested_at)
    while controller.position < len(out):
        at = controller.position
        controller.next_action()
        begins = the_plan.text.beginning if the_plan.text is not None else frozenset()
        places = [i for i in range(at, len(out)) if i in single.sampled_ends or out[i] in begins]
        until = min([controller.steady_until(), len(out), *places])
        if until - at > 1:
            controller.observe_plain(out[at:until])
        else:
            controller.observe(out[at], single.sampled_ends.get(at, NONE))
    assert (controller.tokens, controller.waits_at, controller.forced) == (
        single.tokens,
        single.waits_at,
        single.forced,
    )


@given(ANY_PLAN)
def test_plan_survives_the_wire(the_plan: Plan) -> None:
    wire = msgspec.msgpack.decode(msgspec.msgpack.encode(the_plan.to_wire()))
    assert Plan.from_wire(wire, the_plan.text, the_plan.blanks) == the_plan


@pytest.mark.parametrize("opening", [Opening.OPEN, Opening.CLOSED, Opening.AWAIT, Opening.FORCE])
@pytest.mark.parametrize("start", [(START,), (START, 4), (4, START)])
def test_answer_cannot_open_thinking_again_whatever_its_mark_is_made_of(
    opening: Opening, start: tuple[int, ...]
) -> None:
    one = plan(opening=opening, start=start, end=(5, END), end_is_distinct=False, max_tokens=2, room=60)
    out, controller = drive(one, says([1] * 16 + [*start, 1, 1, *start, 1]))
    assert controller.phase is Phase.ANSWER
    answer = out[len(start) :] if opening is Opening.FORCE else out
    assert not any(tuple(answer[at : at + len(start)]) == start for at in range(len(answer)))


def test_delimiter_does_not_come_before_thinking_was_opened() -> None:
    out, controller = drive(plan(opening=Opening.AWAIT), says([BLANK, END, 1]))
    assert (out, controller.tokens) == ([BLANK, 0, 1, STOP], 0)


def test_thinking_opens_behind_white_space_only() -> None:
    """As the text is split: behind a word the mark would stand in the answer, and is none."""
    start = (START, 4)
    for said, opens in (
        ([*start], True),
        ([BLANK, BLANK, *start], True),
        ([BLANK] * 30 + [*start], True),
        ([1, *start], False),
        ([START, BLANK, *start], False),
        ([START, *start], False),
    ):
        awaited = plan(opening=Opening.AWAIT, start=start)
        out, controller = drive(awaited, says([*said, 2, END, 3]))
        tracker = ThinkingTracker(awaited)
        tracker.feed_all(out)
        assert controller.tokens == tracker.tokens == opens, said
        assert tracker.answer_at == (len(said) + 2 if opens else 0), said


def test_answer_may_have_other_marks_that_begin_as_the_start_mark_does() -> None:
    """PLaMo 3's tool calls: "<|plamo:begin_", which only what follows makes thinking."""
    begins, ends, think, tool, closes = START, END, 4, 5, 6
    call = [begins, tool, closes, 1, ends, tool, closes]
    given = plan(opening=Opening.AWAIT, start=(begins, think, closes), end=(ends, think, closes), forks_at=1)
    for thought in ([], [begins, think, closes, 2, ends, think, closes]):
        said = thought[:5]  # the rest of its end is put in
        out, controller = drive(given, says([*said, *call, begins, think, closes]))
        assert out[: len(thought + call)] == [*thought, *call]
        assert (controller.tokens, controller.phase) == (bool(thought), Phase.ANSWER)
        assert think not in out[len(thought + call) :]
