"""Where forced tokens stand: in characters, in the right part, and no more than what came."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from server.budget.plan import Opening, Plan
from server.budget.running.controller import Controller, Kind
from server.budget.running.forced_spans import ANSWER, THINKING, Span, forceable, forced_spans
from server.budget.running.tracker import Follower
from server.budget.steering import Steering
from tests.server.budget.plans import ANY_PLAN, CUE, END, NUDGE, START, STOP, TOOL, VOCABULARY, plan

TEXTS = [
    "a",
    "bc",
    "",
    "d ",
    "\n",
    "é😀",
    "fgh",
    "<cue",
    "cue>",
    "Wait",
    "[think]",
    "[/think]",
    "",
    "[tool]",
    "n",
    "o",
]
"""Of each token; one that shows nothing (half a character) is among them."""


def run(the_plan: Plan, seed: int) -> tuple[list[int], dict[int, Kind]]:
    """The output of a model that chooses at random, and the ledger of it."""
    chance, controller, output = Random(seed), Controller(the_plan), list[int]()
    while len(output) < the_plan.room and not (output and output[-1] == STOP):
        action = controller.next_action()
        sampled = chance.choice([t for t in range(VOCABULARY) if t not in action.forbidden])
        ended = sampled in action.watched
        token = action.substitute if ended and sampled != action.keep else sampled
        is_forced = action.force != -1 and sampled != action.spare
        token, ended = (action.force, False) if is_forced else (token, ended)
        controller.observe(token, sampled if ended else -1)
        output.append(token)
    return output, dict(controller.forced)


def follow(the_plan: Plan, output: list[int]) -> tuple[Follower, list[int]]:
    """What the API process knows of this output: the follower, and the text's length behind each token."""
    follower, ends, text = Follower(the_plan), list[int](), ""
    for token in output:
        follower.feed(token)
        text += TEXTS[token]
        ends.append(len(text))
    return follower, ends


@settings(max_examples=400, deadline=None)
@given(ANY_PLAN, st.integers(0, 1 << 30))
def test_every_forced_character_is_in_a_span_and_no_other(the_plan: Plan, seed: int) -> None:
    output, forced = run(the_plan, seed)
    follower, ends = follow(the_plan, output)
    begins = len(output) if follower.thinking_at is None else follower.thinking_at
    answers = len(output) if follower.answer_at is None else follower.answer_at
    marks = range(answers - len(the_plan.end), answers) if follower.answer_at else range(0)
    expected: dict[str, list[tuple[str, str | None]]] = {THINKING: [], ANSWER: []}
    for at, token in enumerate(output):
        kind = forced.get(at)
        if at in marks or at < min(begins, answers):
            continue
        if kind is Kind.END and follower.answer_at is None:
            continue  # not to be told from a delimiter's token yet
        shown = None if kind in (None, Kind.TOOL_CALL) else str(kind)
        expected[THINKING if at < answers else ANSWER] += [(letter, shown) for letter in TEXTS[token]]
    spans = forced_spans(forced, follower, ends)
    for part, letters in expected.items():
        painted: list[str | None] = [None] * len(letters)
        for span in spans:
            if span.part == part:
                assert span.start < span.end
                painted[span.start : span.end] = [span.kind] * (span.end - span.start)
        assert painted == [kind for _, kind in letters]


def test_neighbours_of_a_kind_are_one_span_and_marks_are_none() -> None:
    closed = plan(opening=Opening.FORCE, max_tokens=2)
    output = [START, 0, 1, END, *CUE, 6, STOP]
    forced = {0: Kind.START, 3: Kind.END, 4: Kind.CUE, 5: Kind.CUE}
    assert forced_spans(forced, *follow(closed, output)) == (Span("cue", ANSWER, 0, 8),)


def test_nudge_stands_in_the_thinking() -> None:
    follower, ends = follow(plan(num_waits=1), [0, 1, *NUDGE, 0])
    assert forced_spans({2: Kind.NUDGE}, follower, ends) == (Span("nudge", THINKING, 3, 7),)


def test_what_has_not_come_yet_and_what_a_stop_cut_off_is_in_no_span() -> None:
    follower, _ = follow(plan(max_tokens=1), [0, END, *CUE])
    forced = {1: Kind.END, 2: Kind.CUE, 3: Kind.CUE}
    assert forced_spans(forced, follower, [1, 9, 13]) == (Span("cue", ANSWER, 0, 4),)
    assert forced_spans(forced, follower, [1, 9, 13, 11]) == (Span("cue", ANSWER, 0, 2),)
    assert forced_spans(forced, follower, []) == ()


def test_forceable_is_every_token_of_the_plan() -> None:
    assert forceable(plan(tool_call=(TOOL,))) == {START, END, *CUE, *NUDGE, TOOL}
    counting = plan(steering=Steering(max_steps=2, step_marks=((END, 14, 1),)))
    assert forceable(counting) == {START, END, *CUE, *NUDGE, 14, 1}
