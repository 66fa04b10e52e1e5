"""Small plans for tests: a vocabulary of sixteen tokens, in which every rule applies within a few steps."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from server.budget.budget import NEVER
from server.budget.loops import LoopRule
from server.budget.plan import Opening, Plan
from server.budget.steering import Steering
from server.budget.text_marks import TextMark, TextMarks

VOCABULARY = 16
START, END, STOP, TOOL = 10, 11, 12, 13
CUE = (7, 8)
NUDGE = (9,)
BLANK = 3


def plan(**changes: Any) -> Plan:
    """A plan without limits; thinking is open, and "</think>" and the end of turn are one token each."""
    room = changes.get("room", 1000)
    given = {
        "opening": Opening.OPEN,
        "start": (START,),
        "end": (END,),
        "end_is_distinct": True,
        "end_of_turn": (STOP,),
        "cue": CUE,
        "nudges": (NUDGE,),
        "blanks": frozenset({BLANK}),
        "room": room,
        "close_at": room - 10,
    }
    return Plan(**{**given, **changes})


def ids(*allowed: int) -> Sequence[int]:
    """Ordinary tokens, and the given ones."""
    return [*range(7), *allowed]


PARTS = ("grace", "loop", "suppress", "alpha", "steps")


@st.composite
def plans(draw: st.DrawFn, on: str = "") -> Plan:
    """Any plan with a distinct delimiter and with this part of the steering enabled."""
    room = draw(st.one_of(st.integers(1, 12), st.integers(20, 60)))
    end = draw(st.sampled_from([(END,), (END, 5)]))
    cue = draw(st.sampled_from([(), CUE]))
    breaks = draw(st.sampled_from([frozenset[int](), frozenset({3})]))
    minimum = draw(st.integers(0, 12))
    limited = st.one_of(st.integers(minimum, 30), st.integers(0, 3))
    maximum = draw(limited if on == "grace" else st.one_of(st.just(-1), limited))
    if on == "steps":
        return draw(counting(plan(cue=cue, max_tokens=maximum, room=room, close_at=max(0, room - 10))))
    return plan(
        opening=draw(st.sampled_from([Opening.OPEN, Opening.FORCE, *Opening])),
        start=draw(st.sampled_from([(START,), (START, 4)])),
        end=end,
        tool_call=draw(st.sampled_from([(), (TOOL,)])),
        cue=cue,
        line_breaks=breaks,
        line_break=(3,) if breaks else (),
        nudges=draw(st.sampled_from([(NUDGE,), ((9, 5),), ((9,), (6, 9, 2))])),  # the second ends a paragraph
        max_tokens=maximum,
        min_tokens=minimum,
        num_waits=draw(st.integers(0, 4)),
        room=room,
        close_at=max(0, room - draw(st.integers(0, 8)) - len(end) - len(cue) - bool(breaks)),
        steering=draw(steerings(maximum, minimum, on)),
    )


LOOP_NUDGE = (14, 9)


@st.composite
def steerings(draw: st.DrawFn, maximum: int, minimum: int, on: str) -> Steering:
    """Any part enabled or not, with limits that a few tokens reach."""
    is_on = {part: part == on or draw(st.booleans()) for part in PARTS}
    grace = draw(st.integers(1, 12))
    rule = st.builds(
        LoopRule,
        stride=st.integers(1, 4),
        fewest_copies=st.integers(2, 3),
        fewest_tokens=st.integers(2, 8),
        longest_copy=st.integers(3, 9),
        longest_period=st.integers(2, 8),
        tail=st.integers(1, 3),
    )
    return Steering(
        land_from=max(maximum - grace, minimum) if is_on["grace"] and maximum != -1 else NEVER,
        sentence_ends=draw(st.sampled_from([frozenset({2, 3}), frozenset({2})])),
        points=frozenset({2}),
        digits=frozenset({0, 1}),
        loop_rule=draw(rule) if is_on["loop"] else None,
        loop_nudge=LOOP_NUDGE,
        suppressed=draw(st.sampled_from([(1,), (6, 9)])) if is_on["suppress"] else (),
        alpha_tokens=draw(st.integers(0, 20)) if is_on["alpha"] else None,
        paragraph_ends=frozenset({3, 5}),
        slow_words=(9, 15),
        seed=draw(st.integers(0, 9)),
    )


@st.composite
def counting(draw: st.DrawFn, given: Plan) -> Plan:
    """Plans with steps that are counted down from at most four."""
    steps = draw(st.integers(1, 4))
    marks = [(END, 14, left) for left in range(1, steps + 1)]
    steering = draw(steerings(given.max_tokens, 0, ""))
    return replace(
        given,
        opening=draw(st.sampled_from([Opening.FORCE, Opening.FORCE, Opening.CLOSED])),
        start=marks[-1],
        end=(END, 5),
        end_is_distinct=False,
        steering=replace(steering, max_steps=steps, step_marks=tuple(marks[:-1])),
    )


TEXT = ("a", "</t", ".", "\n", ".</", "t", ">\n", "C", "D", "W", "<t", "</", "", "[tool]", ">", ">a")
"""What each token writes where the marks are the text "<t>" and "</t>", in any of these pieces."""
_PIECES = {token: text.encode() for token, text in enumerate(TEXT)}
ONE_SPELLING = TextMarks(TextMark.of_vocabulary("<t>", _PIECES), TextMark.of_vocabulary("</t>", _PIECES))
TWO_SPELLINGS = TextMarks(
    TextMark.of_vocabulary("<t>", _PIECES, ("WC>",)), TextMark.of_vocabulary("</t>", _PIECES, ("CD>",))
)
TEXT_START, TEXT_END = (10, 14), (11, 5, 14)
"""As they are forced."""


def spellings(the_plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(those of the start mark, those of the delimiter) of a plan whose marks are ordinary text."""
    marks = the_plan.text
    assert marks is not None
    start, end = (tuple(map(bytes.decode, mark.spellings)) for mark in (marks.start, marks.end))
    return start, end


@st.composite
def text_plans(draw: st.DrawFn) -> Plan:
    """Any plan without steering whose marks are ordinary text."""
    given = draw(plans())
    return replace(
        given,
        opening=draw(st.sampled_from(list(Opening))),
        start=TEXT_START,
        end=TEXT_END,
        end_is_distinct=False,
        text=draw(st.sampled_from([ONE_SPELLING, TWO_SPELLINGS])),
        before=draw(st.sampled_from([(), (), (4,), (1,), (10,)])),
        ends_bare=draw(st.booleans()),
        line_breaks=frozenset(),
        line_break=(),
        nudges=draw(st.sampled_from([(NUDGE,), ((9, 6),), ((9,), (2, 9, 11))])),
        close_at=max(0, given.close_at - 2),
        steering=Steering(),
    )


TOKEN_PLANS = st.sampled_from(("", *PARTS)).flatmap(lambda part: plans(on=part))
ANY_PLAN = st.one_of(TOKEN_PLANS, text_plans())
