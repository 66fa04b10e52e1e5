"""Each method says to the endpoint what its paper says, and promises what the paper holds it to."""

import pytest

from evals.methods import METHODS, NATURAL, ArmError, Budget, Promise, arms_of


def test_the_natural_stop_sends_nothing_and_promises_nothing() -> None:
    assert NATURAL.budget.as_json() == {}
    assert Promise() == NATURAL.promise


@pytest.mark.parametrize(
    ("method", "value", "budget"),
    [
        ("max", "0", {"max_tokens": 0}),
        ("max", "128", {"max_tokens": 128}),
        ("grace", "128", {"max_tokens": 128, "grace_tokens": "auto"}),
        ("grace", "128:64", {"max_tokens": 128, "grace_tokens": 64}),
        ("no-wait", "none", {"suppress": "nowait"}),
        ("alpha", "64", {"alpha_tokens": 64}),
        ("step+max", "8", {"max_steps": 8}),
        ("no-wait", "64", {"max_tokens": 64, "suppress": "nowait"}),
        ("waits", "2", {"num_waits": 2}),
        ("waits", "2:Hmm", {"num_waits": 2, "nudge": "Hmm"}),
        ("min", "64", {"min_tokens": 64}),
        ("token", "1024", {}),
        ("token+max", "1024", {"max_tokens": 1024}),
        ("step", "16", {}),
        ("class", "short", {}),
        ("reject", "3500", {}),
        ("sample", "8", {}),
    ],
)
def test_each_method_sends_its_budget(method: str, value: str, budget: dict[str, object]) -> None:
    assert METHODS[method].arm(value).budget.as_json() == budget


@pytest.mark.parametrize(
    ("method", "value", "words"),
    [
        ("token", "1024", "Think for up to 1024 tokens."),
        ("token+max", "1024", "Think for up to 1024 tokens."),
        ("step", "16", "Think for up to 16 steps."),
        (
            "class",
            "short",
            "Answer after a short amount of thinking. Do not spend excessive time double-checking your work.",
        ),
        (
            "class",
            "long",
            "Answer after a long amount of thinking. If you feel like you are finished early, spend the "
            "extra time trying to double-check your work until you are absolutely sure that you have the "
            "correct answer.",
        ),
        ("max", "1024", ""),
    ],
)
def test_the_words_are_those_of_the_paper(method: str, value: str, words: str) -> None:
    assert METHODS[method].arm(value).words == words


@pytest.mark.parametrize(
    ("method", "value", "promise"),
    [
        ("max", "128", Promise(at_most=128)),
        ("grace", "128:64", Promise(at_most=128)),
        ("no-wait", "none", Promise(than_natural="less")),
        ("no-wait", "64", Promise(at_most=64)),
        ("waits", "2", Promise(than_natural="more")),
        ("min", "128", Promise(at_least=128)),
        ("token", "1024", Promise(at_most=1024)),
        ("step", "16", Promise(at_most=1600)),
        ("class", "short", Promise(than_natural="less")),
        ("class", "long", Promise(than_natural="more")),
        ("reject", "3500", Promise(at_most=3500)),
    ],
)
def test_each_method_is_held_to_its_limit(method: str, value: str, promise: Promise) -> None:
    assert METHODS[method].arm(value).promise == promise


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("max", "-1"),
        ("max", "x"),
        ("waits", ""),
        ("waits", "1.5"),
        ("grace", "0"),
        ("grace", "64:"),
        ("grace", "64:0"),
        ("no-wait", "all"),
        ("min", "0"),
        ("class", "medium"),
        ("max", "²"),
        ("scaling", ":8"),
        ("scaling", "majority:"),
        ("scaling", "majority:8:n=9"),
        ("scaling", "majority:n="),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_its_flag(method: str, value: str) -> None:
    with pytest.raises(ArmError, match=f"--{METHODS[method].flag}"):
        METHODS[method].arm(value)


def test_no_waits_and_no_samples_are_the_natural_stop_which_is_run_once() -> None:
    arms = arms_of({"max": "0, 64", "waits": "0,1", "sample": "0"})
    assert [arm.name for arm in arms] == ["none", "max=0", "max=64", "waits=1"]


@pytest.mark.parametrize(
    ("value", "scaling", "budget"),
    [
        ("majority:8", {"method": "majority", "n": 8}, {}),
        ("auto", {"method": "auto"}, {}),
        ("short_m:8:m=3", {"method": "short_m", "n": 8, "m": 3}, {}),
        ("rebase:width=4:temperature=0.2", {"method": "rebase", "width": 4, "temperature": 0.2}, {}),
        ("best_of_n:4:scorer=likelihood", {"method": "best_of_n", "n": 4, "scorer": "likelihood"}, {}),
        ("rebase:weighted=true", {"method": "rebase", "weighted": True}, {}),
        ("beam:width=2:step=.\\n", {"method": "beam", "width": 2, "step": ".\n"}, {}),
        ("majority:4:num_waits=2", {"method": "majority", "n": 4}, {"num_waits": 2}),
    ],
)
def test_an_arm_of_the_servers_own_methods(
    value: str, scaling: dict[str, object], budget: dict[str, object]
) -> None:
    arm = METHODS["scaling"].arm(value)
    assert arm.name == value
    assert arm.scaling == scaling
    assert arm.budget.as_json() == budget


def test_only_methods_of_one_line_are_greedy() -> None:
    assert METHODS["scaling"].arm("majority:8").sampled
    assert not METHODS["scaling"].arm("auto").sampled


def test_a_total_is_a_promise_about_all_samples_together() -> None:
    promise = METHODS["scaling"].arm("majority:total_tokens=600").promise
    assert promise == Promise(at_most=600, of_all=True)
    assert METHODS["scaling"].arm("rejection:accept_up_to=64").promise == Promise(at_most=64)


def test_rejection_is_bounded() -> None:
    arm = METHODS["reject"].arm("100")
    assert arm.accept_up_to == 100
    assert 1 < arm.tries < 1000
    assert arm.sampled


def test_every_methods_flag_is_its_own() -> None:
    assert len({method.flag for method in METHODS.values()}) == len(METHODS)


def test_what_is_not_asked_is_not_sent() -> None:
    assert Budget(max_tokens=0).as_json() == {"max_tokens": 0}
