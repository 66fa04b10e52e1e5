"""Where forced tokens stand: in characters, in the right part, and no more than what came."""

from random import Random
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from server.budget.plan import Opening, Plan
from server.budget.running.action import ForcedKind
from server.budget.running.controller import Controller
from server.budget.running.forced_spans import ANSWER, THINKING, Span, forceable, forced_spans
from server.budget.running.tracker import ThinkingTracker
from server.budget.steering import Steering
from tests.examples import examples
from tests.server.budget.plans import (
    CUE,
    END,
    NUDGE,
    START,
    STOP,
    TEXT,
    TEXT_END,
    TEXT_START,
    TOKEN_PLANS,
    TOOL,
    TWO_SPELLINGS,
    VOCABULARY,
    plan,
    spellings,
    text_plans,
)

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


def run(the_plan: Plan, seed: int) -> tuple[list[int], dict[int, ForcedKind]]:
    """The output of a model that chooses at random, and the forced record of it."""
    chance, controller, output = Random(seed), Controller(the_plan), list[int]()
    while len(output) < the_plan.room and not (output and output[-1] == STOP):
        action = controller.next_action()
        sampled = chance.choice([t for t in range(VOCABULARY) if t not in action.forbidden])
        ended = sampled in (*action.watched, *action.completing)
        token = action.substitute if ended else sampled
        is_forced = action.force != -1 and sampled != action.spare
        token, ended = (action.force, False) if is_forced else (token, ended)
        controller.observe(token, sampled if ended else -1)
        output.append(token)
    return output, dict(controller.forced)


def follow(the_plan: Plan, output: list[int]) -> tuple[ThinkingTracker, list[int]]:
    """What the API process knows of this output: the tracker, and the text's length behind each token."""
    texts = TEXTS if the_plan.text is None else TEXT
    tracker, ends, text = ThinkingTracker(the_plan), list[int](), ""
    for token in output:
        tracker.feed(token)
        text += texts[token]
        ends.append(len(text))
    return tracker, ends


@settings(max_examples=examples(400))
@given(TOKEN_PLANS, st.integers(0, 1 << 30))
def test_every_forced_character_is_in_a_span_and_no_other(the_plan: Plan, seed: int) -> None:
    output, forced = run(the_plan, seed)
    tracker, ends = follow(the_plan, output)
    begins = len(output) if tracker.thinking_at is None else tracker.thinking_at
    answers = len(output) if tracker.answer_at is None else tracker.answer_at
    marks = range(answers - len(the_plan.end), answers) if tracker.answer_at else range(0)
    expected: dict[str, list[tuple[str, str | None]]] = {THINKING: [], ANSWER: []}
    for at, token in enumerate(output):
        kind = forced.get(at)
        if at in marks or at < min(begins, answers):
            continue
        if kind is ForcedKind.END and tracker.answer_at is None:
            continue  # not to be told from a delimiter's token yet
        shown = None if kind in (None, ForcedKind.TOOL_CALL) else str(kind)
        expected[THINKING if at < answers else ANSWER] += [(letter, shown) for letter in TEXTS[token]]
    spans = forced_spans(forced, tracker, ends)
    for part, letters in expected.items():
        painted: list[str | None] = [None] * len(letters)
        for span in spans:
            if span.part == part:
                assert span.start < span.end
                painted[span.start : span.end] = [span.kind] * (span.end - span.start)
        assert painted == [kind for _, kind in letters]


@settings(max_examples=examples(400))
@given(text_plans(), st.integers(0, 1 << 30))
def test_forced_spans_end_where_a_mark_of_text_begins(the_plan: Plan, seed: int) -> None:
    """The mark may begin and end within tokens of other text; of the prompt it may have its beginning."""
    output, forced = run(the_plan, seed)
    tracker, ends = follow(the_plan, output)
    assume(tracker.thinking_at is not None)
    before = "".join(TEXT[token] for token in the_plan.before)
    text = before + "".join(TEXT[token] for token in output)
    kinds: list[ForcedKind | None] = [None] * len(before)
    for at, token in enumerate(output):
        kind = forced.get(at)
        is_none = kind is ForcedKind.TOOL_CALL or (kind is ForcedKind.END and tracker.answer_at is None)
        kinds += [None if is_none else kind] * len(TEXT[token])
    starts, ends_of_text = spellings(the_plan)
    began = len(before)
    if the_plan.opening is not Opening.OPEN:
        began = min(text.index(start) + len(start) for start in starts if start in text)
    found = [(text.index(end), end) for end in ends_of_text if end in text]
    ended, delimiter = min(found) if tracker.answer_at is not None else (len(text), "")
    parts = {THINKING: kinds[began:ended], ANSWER: kinds[ended + len(delimiter) :]}
    for part, expected in parts.items():
        painted: list[str | None] = [None] * len(expected)
        for span in forced_spans(forced, tracker, ends):
            if span.part == part:
                assert 0 <= span.start < span.end <= len(expected)
                painted[span.start : span.end] = [span.kind] * (span.end - span.start)
        assert painted == expected


def test_neighbours_of_a_kind_are_one_span_and_marks_are_none() -> None:
    closed = plan(opening=Opening.FORCE, max_tokens=2)
    output = [START, 0, 1, END, *CUE, 6, STOP]
    forced = {0: ForcedKind.START, 3: ForcedKind.END, 4: ForcedKind.CUE, 5: ForcedKind.CUE}
    assert forced_spans(forced, *follow(closed, output)) == (Span("cue", ANSWER, 0, 8),)


def test_nudge_stands_in_the_thinking() -> None:
    tracker, ends = follow(plan(num_waits=1), [0, 1, *NUDGE, 0])
    assert forced_spans({2: ForcedKind.NUDGE}, tracker, ends) == (Span("nudge", THINKING, 3, 7),)


def test_nudge_is_whole_before_a_delimiter_in_another_spelling() -> None:
    marks: dict[str, Any] = {"start": TEXT_START, "end": TEXT_END, "end_is_distinct": False}
    tracker, ends = follow(plan(num_waits=1, text=TWO_SPELLINGS, **marks), [0, *NUDGE, 7, 8, 14, 0])
    assert tracker.answer_at == 5
    assert forced_spans({1: ForcedKind.NUDGE}, tracker, ends) == (Span("nudge", THINKING, 1, 2),)


def test_what_has_not_come_yet_and_what_a_stop_cut_off_is_in_no_span() -> None:
    tracker, _ = follow(plan(max_tokens=1), [0, END, *CUE])
    forced = {1: ForcedKind.END, 2: ForcedKind.CUE, 3: ForcedKind.CUE}
    assert forced_spans(forced, tracker, [1, 9, 13]) == (Span("cue", ANSWER, 0, 4),)
    assert forced_spans(forced, tracker, [1, 9, 13, 11]) == (Span("cue", ANSWER, 0, 2),)
    assert forced_spans(forced, tracker, []) == ()


def test_forceable_is_every_token_of_the_plan() -> None:
    assert forceable(plan(tool_call=(TOOL,))) == {START, END, *CUE, *NUDGE, TOOL}
    counting = plan(steering=Steering(max_steps=2, step_marks=((END, 14, 1),)))
    assert forceable(counting) == {START, END, *CUE, *NUDGE, 14, 1}
