"""Auto: stops when the answer has settled, and not before; probes are in the usage; Waits act while it has
not."""

from collections.abc import Sequence

import pytest

from server.budget.budget import ThinkingBudget
from server.scaling.method import MethodResult
from server.scaling.methods.auto import AutoFields, auto
from server.scaling.probes import entropy
from server.scaling.samples import Ask, AskKind
from tests.server.scaling.scripted import END, ScriptedSampler, Told, context, decode, encode

FLAT = (-1.6094,) * 5
SURE = (-0.0001,)


def by_token(logprobs: Sequence[float]) -> dict[int, float]:
    return dict(enumerate(logprobs))


def script(
    steps: Sequence[str], trials: Sequence[str] = (), values: Sequence[tuple[float, ...]] = ()
) -> ScriptedSampler:
    """Steps of thinking in order, the last one its natural end; trial answers or first tokens in order."""
    count = {AskKind.STEP: 0, AskKind.PROBE: 0}

    def tell(ask: Ask, _: int) -> Told:
        if ask.kind is AskKind.ANSWER:
            return Told(f"Final Answer: {len(ask.prefix)}")
        at = count[ask.kind]
        count[ask.kind] += 1
        if ask.kind is AskKind.STEP:
            assert ask.step is not None
            text = steps[min(at, len(steps) - 1)]
            return Told(thinking=text, is_ended=text.endswith("!"))
        if values:
            return Told(thinking=" 7", alternatives=tuple(map(by_token, (SURE, values[at]))))
        return Told(f" {trials[at]}" if trials[at] else "")

    return ScriptedSampler(tell)


async def run(source: ScriptedSampler, **fields: object) -> MethodResult:
    return await auto(AutoFields.model_validate({"every": 1, **fields}), context(source))


async def test_it_stops_when_the_same_trial_answer_came_often_enough_in_a_row() -> None:
    source = script(["a\n", "b\n", "c\n", "d\n", "e\n", "f!"], trials=["3", "5", "5", "3", "5", "5", "5"])
    outcome = await run(source, patience=2)
    assert outcome.chosen.thinking == "a\nb\nc\n"
    assert outcome.chosen.end == "settled"
    assert outcome.report == {"probe": "trial", "probes": 3}


async def test_silence_in_between_starts_the_count_again() -> None:
    source = script(["a\n", "b\n", "c\n", "d\n", "e!"], trials=["5", "", "5", "5"])
    assert (await run(source, patience=2)).report["probes"] == 4


async def test_a_natural_end_stands_and_is_not_probed() -> None:
    source = script(["a\n", "b!"], trials=["1", "2"])
    outcome = await run(source, patience=2)
    assert outcome.chosen.thinking == "a\nb!"
    assert outcome.chosen.end == "natural"
    assert outcome.report["probes"] == 1


async def test_a_probe_sees_the_thinking_so_far_closed_with_its_cue() -> None:
    source = script(["a\n", "b!"], trials=["1"])
    await run(source)
    (probe,) = [ask for ask in source.asks if ask.kind is AskKind.PROBE]
    assert decode(probe.prefix) == "a\n</think>\n\nFinal Answer:"
    assert probe.temperature == 0
    answer = source.asks[-1]
    assert decode(answer.prefix) == "a\nb!</think>"


async def test_probes_are_on_the_bill_and_are_no_thinking() -> None:
    source = script(["a\n", "b\n", "c!"], trials=["1", "1"])
    outcome = await run(source, patience=2)
    tokens = source.usage.by_kind()
    assert tokens["probe"]["asks"] == 2
    assert tokens["step"]["thinking_tokens"] == 4 == outcome.chosen.thinking_tokens
    assert source.usage.totals()["completion_tokens"] == sum(each["tokens"] for each in tokens.values())


async def test_entropy_that_stands_still_ends_it_but_not_before_the_fourth_probe() -> None:
    steps = ["a\n"] * 9 + ["z!"]
    settled = await run(script(steps, values=[SURE] * 9), probe="entropy")
    assert settled.report["probes"] == 4
    assert settled.chosen.end == "settled"
    moving = await run(script(steps, values=[SURE, FLAT, SURE, FLAT] * 3), probe="entropy")
    assert moving.chosen.end == "natural"
    assert moving.report["probes"] == 9


async def test_entropy_is_that_of_the_first_token_that_shows_something() -> None:
    source = script(["a\n", "b!"], values=[SURE])
    await run(source, probe="entropy")
    (probe,) = [ask for ask in source.asks if ask.kind is AskKind.PROBE]
    assert (probe.max_completion_tokens, probe.logprobs) == (3, 20)


@pytest.mark.parametrize(
    ("logprobs", "nats"), [((0.0,), 0.0), ((-0.6931, -0.6931), 0.6931), ((-0.6931,), 0.6931), (FLAT, 1.6094)]
)
def test_the_entropy_of_a_distribution(logprobs: tuple[float, ...], nats: float) -> None:
    assert entropy(logprobs) == pytest.approx(nats, abs=1e-3)


async def test_waits_replace_an_end_only_while_the_answer_has_not_settled() -> None:
    source = script(["a\n", "b!", "c\n", "d!"], trials=["1", "2", "3", "3"])
    source.budget = ThinkingBudget(num_waits=2)
    outcome = await run(source, patience=2)
    # At the first end "2" is new: Wait. At "c" it is "3", at the second end "3" again: settled.
    assert outcome.chosen.thinking == "a\nb!Waitc\nd!"
    assert outcome.chosen.end == "natural"
    report = outcome.chosen.report
    assert report is not None
    assert (report.num_waits, report.waits_used) == (2, 1)
    assert report.tokens == len("a\nb!Waitc\nd!")


async def test_no_step_has_waits_of_its_own() -> None:
    source = script(["a\n", "b!"], trials=["1", "2"])
    source.budget = ThinkingBudget(num_waits=1, max_tokens=50)
    await run(source, patience=9)
    for ask in source.asks:
        if ask.kind is AskKind.STEP:
            assert ask.budget == ThinkingBudget(max_tokens=-1)


async def test_a_probe_waits_for_a_sentence_end_behind_so_many_tokens() -> None:
    source = script(["a\n", "b!"], trials=["1"])
    await run(source, every=40)
    step = source.asks[0].step
    assert step is not None
    assert step.min_tokens == 40
    assert step.max_tokens is not None
    assert step.max_tokens > 40
    assert "\n" in step.stops


async def test_waits_are_bounded() -> None:
    source = script(["a!"], trials=["1", "2", "3", "4", "5"])
    source.budget = ThinkingBudget(num_waits=2, nudge=("Hm", "So"))
    outcome = await run(source, patience=9)
    assert outcome.chosen.thinking == "a!Hma!Soa!"
    assert outcome.chosen.end == "natural"


async def test_the_maximum_holds_inside_a_nudge_too() -> None:
    source = script(["ab!"], trials=["1", "2"])
    source.budget = ThinkingBudget(num_waits=1, max_tokens=5)
    outcome = await run(source, patience=9)
    assert outcome.chosen.thinking == "ab!Wa"
    assert outcome.chosen.thinking_tokens == 5
    assert outcome.chosen.end == "max_tokens"


async def test_the_maximum_holds() -> None:
    source = script(["aaaa\n", "bbbb\n", "cccc\n"], trials=["1", "2", "3"])
    source.budget = ThinkingBudget(max_tokens=12)
    outcome = await run(source)
    steps = [ask.step.max_tokens for ask in source.asks if ask.step is not None]
    assert steps[:3] == [12, 7, 2]
    assert outcome.chosen.end == "max_tokens"
    report = outcome.chosen.report
    assert report is not None
    assert report.max_tokens == 12


async def test_no_thinking_at_all_is_answered_at_once() -> None:
    source = script(["a\n"])
    source.budget = ThinkingBudget(max_tokens=0)
    outcome = await run(source)
    assert [ask.kind for ask in source.asks] == [AskKind.ANSWER]
    assert outcome.chosen.end == "max_tokens"
    assert encode("") == ()


def obviously_settled(alternatives: dict[int, float], margin: float) -> bool:
    """ThinkBrake's rule, word by word."""
    [likeliest] = sorted(alternatives.values())[-1:]
    if END not in alternatives:
        return False
    return likeliest - alternatives[END] <= margin


def brakes(steps: Sequence[str], ends: Sequence[dict[int, float]]) -> ScriptedSampler:
    """Steps in order, the last one its natural end, and at each sentence end these alternatives."""
    left = iter(steps)
    next_tokens = iter(ends)

    def tell(ask: Ask, _: int) -> Told:
        if ask.kind is AskKind.STEP:
            text = next(left)
            return Told(thinking=text, is_ended=text.endswith("!"))
        if ask.kind is AskKind.PROBE:
            return Told(thinking="n", alternatives=(next(next_tokens),))
        return Told(f"Final Answer: {len(ask.prefix)}")

    return ScriptedSampler(tell)


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0, 2.5])
async def test_margin_ends_thinking_where_its_end_is_near_the_likeliest_token(margin: float) -> None:
    ends = [{1: -0.1, 2: -3.0}, {1: -0.2, END: -2.0}, {1: -0.5, END: -1.5}, {1: -0.7, END: -0.7}]
    outcome = await run(
        brakes(["a.\n", "b.\n", "c.\n", "d.\n", "e!"], ends), probe="margin", every=None, margin=margin
    )
    first = next((at for at, each in enumerate(ends) if obviously_settled(each, margin)), len(ends))
    assert outcome.report["probes"] == first + 1
    assert outcome.chosen.thinking == "".join(["a.\n", "b.\n", "c.\n", "d.\n"][: first + 1])
    assert outcome.chosen.end == "settled"


async def test_margin_is_asked_at_every_sentence_end_for_one_token_of_open_thinking() -> None:
    source = brakes(["a.\n", "b!"], [{1: -0.1}])
    outcome = await run(source, probe="margin", every=None)
    assert outcome.chosen.end == "natural"
    (step, *_) = [ask.step for ask in source.asks if ask.kind is AskKind.STEP]
    assert step is not None
    assert step.min_tokens == 1
    (probe,) = [ask for ask in source.asks if ask.kind is AskKind.PROBE]
    assert decode(probe.prefix) == "a.\n"
    assert probe.step is not None
    assert (probe.step.max_tokens, probe.logprobs) == (1, 20)
