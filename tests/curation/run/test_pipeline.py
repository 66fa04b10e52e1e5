"""The folder of a run: books that add up, the same bytes twice, one run at a time, nothing lost to a kill."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from curation.errors import CurationError
from curation.row import Dropped, Outcome, Row, RowFile, read_dropped
from curation.run.folder import RunFolderError, write_whole
from curation.run.ledger import read_funnel
from curation.run.manifest import Manifest
from curation.run.pipeline import Recipe, run
from curation.run.stage import Fault, Stage, filter_stage
from server.reasoning.command import held
from tests.curation.rows import a_row

MANIFEST = Manifest("test", {"seed": 0}, (), {})


def pool() -> Iterator[Outcome]:
    for at in range(10):
        yield a_row(f"What is {at} + 1?", id=f"math/{at}")
    yield Dropped(a_row("", id="file.jsonl:11"), "no_question")


def odd(row: Row) -> Fault | None:
    number = int(row.problem.id.removeprefix("math/"))
    return Fault("odd", f"{number} is odd") if number % 2 else None


def write(rows: RowFile, out: Path) -> None:
    (out / "train.jsonl").write_text("\n".join(row.problem.id for row in rows))


def a_recipe(*stages: Stage, skipped: tuple[str, ...] = ()) -> Recipe:
    return Recipe("test", pool, stages or (filter_stage("even", odd),), write, skipped)


def quiet(_: object) -> None:
    pass


def test_every_dropped_row_is_kept_with_its_reason(tmp_path: Path) -> None:
    run(a_recipe(), MANIFEST, tmp_path, quiet)
    dropped = list(read_dropped(tmp_path / "dropped" / "01-even.jsonl"))
    assert [(one.row.problem.id, one.reason, one.detail) for one in dropped] == [
        (f"math/{at}", "odd", f"{at} is odd") for at in (1, 3, 5, 7, 9)
    ]
    assert dropped[0].row == a_row("What is 1 + 1?", id="math/1")
    assert [one.reason for one in read_dropped(tmp_path / "dropped" / "00-collect.jsonl")] == ["no_question"]


def test_the_funnel_counts_what_came_in_what_stayed_and_why_the_rest_left(tmp_path: Path) -> None:
    run(a_recipe(), MANIFEST, tmp_path, quiet)
    collect, even = read_funnel(tmp_path)
    assert (collect.before, collect.kept, collect.dropped) == (11, 10, {"no_question": 1})
    assert (even.before, even.kept, even.dropped) == (10, 5, {"odd": 5})


def test_a_stage_that_loses_a_row_is_a_defect_and_leaves_no_finished_stage(tmp_path: Path) -> None:
    def lossy(rows: Iterable[Row]) -> Iterator[Outcome]:
        yield from list(rows)[1:]

    with pytest.raises(CurationError, match="given 10 rows and accounted for 9"):
        run(a_recipe(Stage("lossy", lossy)), MANIFEST, tmp_path, quiet)
    assert not (tmp_path / "stages" / "01-lossy.json").exists()


def test_a_skipped_stage_passes_every_row_and_says_so(tmp_path: Path) -> None:
    counts = run(a_recipe(skipped=("even",)), MANIFEST, tmp_path, quiet)
    assert (counts[1].kept, counts[1].note) == (10, "skipped")


def test_a_run_that_keeps_no_row_says_so_and_writes_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(CurationError, match=r"no row is left; .*dropped has each with its reason"):
        run(a_recipe(filter_stage("none", lambda _: Fault("all"))), MANIFEST, tmp_path, quiet)
    assert not (tmp_path / "train.jsonl").exists()
    assert len(list(read_dropped(tmp_path / "dropped" / "01-none.jsonl"))) == 10


def test_two_runs_give_the_same_bytes_in_every_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(a_recipe(), MANIFEST, tmp_path / name, quiet)
    one, two = (
        {p.relative_to(f): p.read_bytes() for p in sorted(f.rglob("*")) if p.is_file()}
        for f in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two
    assert len(one) > 5


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with held(tmp_path, RunFolderError), pytest.raises(RunFolderError, match="another run is working"):
        run(a_recipe(), MANIFEST, tmp_path, quiet)


def test_the_folder_of_another_run_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    run(a_recipe(), MANIFEST, tmp_path, quiet)
    other = Manifest("test", {"seed": 1}, (), {})
    with pytest.raises(RunFolderError, match=r"settings\.seed: 0 there, 1 now"):
        run(a_recipe(), other, tmp_path, quiet)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(RunFolderError, match=r"holds thesis\.tex"):
        run(a_recipe(), MANIFEST, tmp_path, quiet)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["thesis.tex"]


def test_an_empty_pool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CurationError, match="the pool is empty"):
        run(Recipe("test", lambda: iter(()), (), write), MANIFEST, tmp_path, quiet)


def test_finished_stages_are_not_run_again(tmp_path: Path) -> None:
    run(a_recipe(), MANIFEST, tmp_path, quiet)

    def never(rows: Iterable[Row]) -> Iterator[Outcome]:
        raise AssertionError("ran again")
        yield from rows

    again = run(a_recipe(Stage("even", never)), MANIFEST, tmp_path, quiet)
    assert [one.kept for one in again] == [10, 5]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "funnel.json"
    write_whole(path, "old")
    with path.open() as reader:
        write_whole(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


def test_a_full_disk_names_the_file_and_costs_no_finished_stage(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir(parents=True)
    (tmp_path / "kept" / "01.jsonl.part").symlink_to("/dev/full")
    (tmp_path / "manifest.json").write_text(
        json.dumps({"schema": 1, "recipe": "test", "settings": {"seed": 0}, "inputs": [], "packages": {}})
    )
    with pytest.raises(RunFolderError, match=r"01\.jsonl: cannot be written \(No space left on device\)"):
        run(a_recipe(), MANIFEST, tmp_path, quiet)
    assert (tmp_path / "stages" / "00-collect.json").exists()
    (tmp_path / "kept" / "01.jsonl.part").unlink()
    assert run(a_recipe(), MANIFEST, tmp_path, quiet)[1].kept == 5


SLOW_RUN = """
import sys, time
from pathlib import Path
from tests.curation.run.test_pipeline import MANIFEST, a_recipe, quiet, run, odd
from curation.run.stage import Stage, filter_stage
def slow(rows):
    for row in rows:
        yield row
        print(row.problem.id, flush=True)
        time.sleep(0.2)
run(a_recipe(filter_stage("even", odd), Stage("slow", slow)), MANIFEST, Path(sys.argv[1]), quiet)
"""


def test_after_kill_9_the_same_command_ends_with_the_same_files(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW_RUN, str(killed)], stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    assert child.stdout is not None
    child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert (killed / "stages" / "01-even.json").exists()
    assert not (killed / "stages" / "02-slow.json").exists()

    def fast(rows: Iterable[Row]) -> Iterator[Outcome]:
        yield from rows

    for folder in (killed, whole):
        run(a_recipe(filter_stage("even", odd), Stage("slow", fast)), MANIFEST, folder, quiet)
    assert (killed / "train.jsonl").read_bytes() == (whole / "train.jsonl").read_bytes()
    assert (killed / "funnel.json").read_bytes() == (whole / "funnel.json").read_bytes()
