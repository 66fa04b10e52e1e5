"""A sweep asks every problem of every cell once, survives being killed, and stops with a line that says
why.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from evals.endpoint import EndpointError
from evals.journal import FolderError
from evals.manifest import ManifestError
from evals.methods import ArmError
from evals.row import ResultRow, read_rows
from evals.settings import SweepSettings
from evals.solve import BudgetIgnoredError
from evals.sweep import sweep
from tests.evals.fake_endpoint import Answered, Body, FakeEndpoint, honest

ROOT = Path(__file__).parents[2]
REFUSED = Answered({"error": {"message": "no"}}, 400)


@pytest.fixture
def settings(fake: FakeEndpoint, tmp_path: Path) -> SweepSettings:
    return SweepSettings(
        out=tmp_path / "out",
        base_url=fake.url,
        problems=5,
        concurrency=4,
        tries=2,
        wanted={"max": "0,16", "waits": "0,1", "sample": "0"},
    )


def files(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}


def rows_of(out: Path, arm: str) -> list[ResultRow]:
    [path] = (out / "cells").glob(f"*~{arm}~*r0.jsonl")
    return read_rows(path)


def asked(fake: FakeEndpoint) -> Counter[str]:
    return Counter(json.dumps([r["messages"], r.get("thinking_budget"), r["seed"]]) for r in fake.requests)


async def test_every_problem_of_every_cell_is_asked_once(settings: SweepSettings, fake: FakeEndpoint) -> None:
    done = await sweep(settings)
    assert (done.asked, done.found) == (20, 0)
    assert set(asked(fake).values()) == {1}
    arms = ("none", "max=0", "max=16", "waits=1")
    assert files(settings.out) == {"manifest.json"} | {f"cells/nano~fake~{a}~t0-p1-s0~r0.jsonl" for a in arms}
    budgets = Counter(json.dumps(request.get("thinking_budget")) for request in fake.requests)
    assert budgets == {"null": 5, '{"max_tokens": 0}': 5, '{"max_tokens": 16}': 5, '{"num_waits": 1}': 5}


async def test_a_task_or_model_that_is_named_twice_is_asked_once(
    settings: SweepSettings, fake: FakeEndpoint
) -> None:
    twice = replace(settings, task="nano, nano", model="fake,fake, other", wanted={"sample": "0"})
    done = await sweep(twice)
    assert (done.asked, done.found) == (10, 0)
    assert set(asked(fake).values()) == {2}  # by each of the two models
    for path in (settings.out / "cells").iterdir():
        assert len({row.problem_id for row in read_rows(path)}) == len(read_rows(path)) == 5
    assert (await sweep(twice)).asked == 0


def test_a_grid_has_no_cell_twice(settings: SweepSettings) -> None:
    from evals.grid import cells_of
    from evals.tasks import TASKS

    once = cells_of(settings, [TASKS["nano"]], ["m"])
    assert cells_of(settings, [TASKS["nano"]] * 2, ["m", "m"]) == once


async def test_a_row_keeps_what_came_back(settings: SweepSettings) -> None:
    await sweep(settings)
    row = rows_of(settings.out, "max=16")[0]
    assert row.prompt.startswith("Find")
    assert (row.thinking, row.answer, row.extracted) == ("hm", "Final Answer: 7", "7")
    assert row.extracted_from == "Final Answer: 7"
    assert row.score in (0.0, 1.0)
    assert (row.thinking_tokens, row.answer_tokens, row.end) == (16, 6, "max_tokens")
    assert (row.waits_used, row.forced_tokens, row.finish_reason, row.tries) == (0, 5, "stop", 1)
    assert row.latency_s is not None
    assert row.echo is not None
    assert row.echo["max_tokens"] == 16


async def test_two_arms_have_the_same_problems_in_the_same_order_and_seeds(settings: SweepSettings) -> None:
    await sweep(settings)
    arms = [
        [(row.problem_id, row.seed) for row in rows_of(settings.out, arm)]
        for arm in ("none", "max=16", "waits=1")
    ]
    assert arms[0] == arms[1] == arms[2]
    assert len({seed for _, seed in arms[0]}) == 5


async def test_samples_are_repeats_with_seeds_of_their_own(
    settings: SweepSettings, fake: FakeEndpoint
) -> None:
    await sweep(replace(settings, wanted={"sample": "3"}, sample_temperature=0.7))
    hot = [request for request in fake.requests if request["temperature"] == 0.7]
    assert len(hot) == len({request["seed"] for request in hot}) == 15


async def test_the_same_command_again_asks_nothing(settings: SweepSettings, fake: FakeEndpoint) -> None:
    await sweep(settings)
    before = (files(settings.out), len(fake.requests))
    done = await sweep(settings)
    assert (done.asked, done.found) == (0, 20)
    assert (files(settings.out), len(fake.requests)) == before


async def test_more_budgets_later_ask_only_for_the_new_cells(settings: SweepSettings) -> None:
    await sweep(settings)
    done = await sweep(replace(settings, wanted={"max": "0,16,32", "sample": "0"}))
    assert (done.asked, done.found) == (5, 15)
    manifest = json.loads((settings.out / "manifest.json").read_text())
    assert len(manifest["cells"]) == 5
    assert [run["asked"] for run in manifest["runs"]] == [20, 5]


async def test_a_torn_line_is_dropped_and_asked_again(settings: SweepSettings, fake: FakeEndpoint) -> None:
    await sweep(settings)
    [sealed] = (settings.out / "cells").glob("*~none~*")
    lines = sealed.read_text().splitlines(keepends=True)
    sealed.with_name(sealed.name.replace(".jsonl", ".part.jsonl")).write_text(
        "".join(lines[:3]) + lines[3][:50]
    )
    sealed.unlink()
    fake.requests.clear()
    done = await sweep(settings)
    assert (done.asked, done.found) == (2, 18)
    assert [row.problem_id for row in rows_of(settings.out, "none")] == [
        json.loads(x)["problem_id"] for x in lines
    ]


def test_a_sweep_killed_at_any_moment_goes_on_and_ends_the_same(fake: FakeEndpoint, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "evals", "sweep", "--base-url", fake.url, "--problems", "12"),
        *("--max-tokens", "0,16", "--majority", "0", "--concurrency", "3", "--out"),
    ]
    fake.delay_s = 0.05
    subprocess.run([*command, str(tmp_path / "whole")], cwd=ROOT, check=True, capture_output=True)
    fake.requests.clear()
    for seen in (4, 15, 29):
        process = subprocess.Popen(
            [*command, str(tmp_path / "killed")],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while len(fake.requests) < seen:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run([*command, str(tmp_path / "killed")], cwd=ROOT, check=True, capture_output=True)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    again = sum(times - 1 for times in asked(fake).values())
    assert again <= 3 * 3  # three kills, three in flight at each
    for path in (tmp_path / "whole" / "cells").iterdir():
        theirs = read_rows(tmp_path / "killed" / "cells" / path.name)
        assert [replace(row, latency_s=None) for row in theirs] == [
            replace(row, latency_s=None) for row in read_rows(path)
        ]


async def test_two_sweeps_in_one_folder_refuse_each_other(settings: SweepSettings) -> None:
    from evals.journal import Journal

    with Journal(settings.out), pytest.raises(FolderError, match="another run is working"):
        await sweep(settings)


@pytest.mark.parametrize("change", [{"seed": 1}, {"problems": 6}, {"suffix": "Think!"}])
async def test_results_of_other_settings_are_not_overwritten(
    settings: SweepSettings, change: dict[str, object]
) -> None:
    await sweep(settings)
    before = {name: (settings.out / name).read_bytes() for name in files(settings.out)}
    changed = replace(settings, **change)  # type: ignore[arg-type]
    if "seed" in change:
        await sweep(changed)  # other problems under other names: added, nothing lost
        assert before.keys() < files(settings.out)
    else:
        with pytest.raises(ManifestError, match="--force"):
            await sweep(changed)
    kept = {name: (settings.out / name).read_bytes() for name in before if name != "manifest.json"}
    assert kept == {name: data for name, data in before.items() if name != "manifest.json"}


async def test_force_throws_the_old_results_away(settings: SweepSettings, fake: FakeEndpoint) -> None:
    await sweep(settings)
    fake.requests.clear()
    (settings.out / "cells" / "notes.txt").write_text("mine")
    done = await sweep(replace(settings, problems=3, wanted={"sample": "0"}, force=True))
    assert done.asked == len(fake.requests) == 3
    assert {path.suffix for path in (settings.out / "cells").iterdir()} == {".jsonl", ".txt"}
    assert len(list((settings.out / "cells").iterdir())) == 2


async def test_a_folder_of_something_else_is_left_alone(settings: SweepSettings, fake: FakeEndpoint) -> None:
    settings.out.mkdir()
    (settings.out / "thesis.txt").write_text("words")
    with pytest.raises(ManifestError, match="holds files of something else"):
        await sweep(settings)
    assert (settings.out / "thesis.txt").read_text() == "words"
    assert fake.requests == []


def no_echo(body: Body, _before: int) -> Answered:
    answered = honest(body)
    del answered.body["choices"][0]["thinking"]
    return answered


def other_echo(body: Body, _before: int) -> Answered:
    answered = honest(body)
    answered.body["choices"][0]["thinking"]["max_tokens"] = 9
    return answered


async def test_an_endpoint_that_ignores_scaling_stops_the_run(settings: SweepSettings) -> None:
    with pytest.raises(BudgetIgnoredError, match="ignores `scaling`"):
        await sweep(replace(settings, wanted={"scaling": "majority:4"}))


async def test_an_endpoint_that_ignores_the_budget_stops_the_run(
    settings: SweepSettings, fake: FakeEndpoint
) -> None:
    fake.behave = no_echo
    with pytest.raises(BudgetIgnoredError, match="ignores the thinking budget"):
        await sweep(settings)


async def test_without_a_budget_any_endpoint_is_measured(settings: SweepSettings, fake: FakeEndpoint) -> None:
    fake.behave = no_echo
    await sweep(replace(settings, wanted={"class": "short", "sample": "0"}))
    assert all(row.echo is None and row.thinking_tokens == 50 for row in rows_of(settings.out, "none"))


async def test_an_endpoint_that_changes_the_budget_stops_the_run(
    settings: SweepSettings, fake: FakeEndpoint
) -> None:
    fake.behave = other_echo
    with pytest.raises(BudgetIgnoredError, match="budget that nobody asked for: max_tokens 9"):
        await sweep(replace(settings, wanted={"sample": "0"}))
    with pytest.raises(BudgetIgnoredError, match=r"max_tokens 16 was asked, 9 applied|nobody asked for"):
        await sweep(replace(settings, wanted={"max": "16", "sample": "0"}))


async def test_a_refused_budget_stops_the_run_with_the_endpoints_words(
    settings: SweepSettings, fake: FakeEndpoint
) -> None:
    fake.behave = lambda body, _before: REFUSED if "thinking_budget" in body else honest(body)
    with pytest.raises(EndpointError, match="refuses the request: 400 no"):
        await sweep(settings)


async def test_go_on_keeps_going_and_counts_what_failed(settings: SweepSettings, fake: FakeEndpoint) -> None:
    fake.behave = lambda body, _before: REFUSED if "thinking_budget" in body else no_echo(body, 0)
    await sweep(replace(settings, go_on=True))
    assert all(row.error == "" and row.score is not None for row in rows_of(settings.out, "none"))
    assert all("400 no" in row.error and row.score is None for row in rows_of(settings.out, "max=16"))


async def test_what_failed_is_asked_again_by_the_next_run(
    settings: SweepSettings, fake: FakeEndpoint
) -> None:
    fake.behave = lambda body, before: REFUSED if before < 2 else honest(body)
    await sweep(replace(settings, go_on=True, concurrency=1))
    fake.behave = lambda body, _before: honest(body)
    done = await sweep(settings)
    assert (done.asked, done.found) == (2, 18)
    assert not any(row.error for row in rows_of(settings.out, "none"))


async def test_what_was_finished_before_a_stop_is_kept(settings: SweepSettings, fake: FakeEndpoint) -> None:
    fake.behave = lambda body, before: REFUSED if before >= 7 else honest(body)
    with pytest.raises(EndpointError):
        await sweep(replace(settings, concurrency=1))
    fake.behave = lambda body, _before: honest(body)
    done = await sweep(settings)
    assert (done.asked, done.found) == (13, 7)


async def test_rejection_sampling_redraws_with_new_seeds_until_short_enough(
    settings: SweepSettings, fake: FakeEndpoint
) -> None:
    def shorter(body: Body, before: int) -> Answered:
        answered = honest(body)
        answered.body["choices"][0]["thinking"]["tokens"] = 50 - 10 * before
        return answered

    fake.behave = shorter
    await sweep(replace(settings, problems=1, concurrency=1, wanted={"reject": "25", "sample": "0"}))
    row = rows_of(settings.out, "reject=25")[0]
    assert (row.tries, row.thinking_tokens, row.spent_tokens) == (3, 20, 90)  # 50 went to the natural stop
    assert row.spent_s is not None
    assert row.latency_s is not None
    assert row.seconds == row.spent_s > row.latency_s
    assert len({request["seed"] for request in fake.requests[1:]}) == 3


async def test_rejection_sampling_gives_up_after_its_tries(settings: SweepSettings) -> None:
    await sweep(replace(settings, problems=1, wanted={"reject": "25", "sample": "0"}))
    row = rows_of(settings.out, "reject=25")[0]
    assert (row.tries, row.thinking_tokens, row.spent_tokens) == (64, 50, 3200)


async def test_the_manifest_says_how_to_run_it_again_and_keeps_the_key_to_itself(
    settings: SweepSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["s1-eval", "sweep", "--api-key", "sesame", "--api-key=sesame", *("--api", "sesame")]
    )
    await sweep(replace(settings, api_key="sesame"))
    text = (settings.out / "manifest.json").read_text()
    manifest = json.loads(text)
    assert "sesame" not in text
    assert manifest["server"]["models"] == [{"id": "fake", "family": "think"}]
    assert manifest["server"]["version"] == "1.2.3"
    assert manifest["settings"]["seed"] == 0
    assert manifest["settings"]["wanted"] == dict(settings.wanted)
    assert len(manifest["client"]["git"]["revision"]) == 40
    assert manifest["client"]["hardware"]["cores"] >= 1
    assert "math-verify" in manifest["client"]["packages"]
    [run] = manifest["runs"]
    assert (run["asked"], run["found"]) == (20, 0)
    assert len(manifest["cells"]) == 4


def test_a_wrong_budget_is_refused_before_anything_is_asked(settings: SweepSettings) -> None:
    from evals.grid import cells_of
    from evals.tasks import TASKS

    with pytest.raises(ArmError):
        cells_of(replace(settings, wanted={"waits": "-1"}), [TASKS["nano"]], ["m"])
