"""The paper's funnel, rule by rule: a pool with the paper's counts, and each rule drops what it dropped
there.

Counts: s1-fidelity of the paper's Appendix C and of data/filter.ipynb. The rows are synthetic, their
properties are not:
4,913 without a feature, 2,535 with a string of the filter, 27,085 solved by one of two models, 384
preselected.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from curation.ask.settings import AskSettings
from curation.difficulty.filter import GradedTraces, Grading, TooEasy
from curation.domains.msc import MSC
from curation.quality import questions, traces
from curation.row import Attempt, Outcome, Row
from curation.run.ledger import Ledger, StageCount
from curation.run.stage import Stage, filter_stage
from curation.select.stage import Select
from tests.curation.rows import a_row

POOL, WITH_FEATURES, AFTER_STRINGS, HARD, PRESELECTED, FINAL = 59_029, 54_116, 51_581, 24_496, 384, 1_000
STRINGS = ("[asy] draw(); [/asy]", "![Image]", "p7. Find it.", "**3** is it.")
DOMAINS = sorted(MSC)[:51]
SOURCES = ("numinamath", "omni_math", "olympic_arena", "xword")


def a_paper_row(at: int) -> Row:
    """The first rows are the ones that stay longest, so that a place in the pool says what must
    become of it.
    """
    text = f"Question number {at} of the pool?"
    source = SOURCES[at % 4]
    if at < PRESELECTED:
        source = ("aime", "gpqa", "math")[at % 3]
    words = 5_601 if at < PRESELECTED else 10 + at % 90
    row = a_row(
        text,
        id=str(at),
        domain=DOMAINS[at * at % 51],
        source=source,
        thinking="w " * words,
        said="\\boxed{2}" if at < PRESELECTED or at % 2 else "\\boxed{3}",
    )
    if at >= WITH_FEATURES:
        return replace(row, trace=None) if at % 2 else a_row(text, id=str(at), answer="", thinking="w")
    if at >= AFTER_STRINGS:
        return replace(row, problem=replace(row.problem, question=f"{text} {STRINGS[at % 4]}"))
    small, large = ("2", "3") if at % 3 == 0 else ("3", "2") if at % 3 == 1 else ("2", "2")
    if at < HARD:
        small, large = "3", "4"
    return replace(
        row, attempts=(Attempt("7B", f"\\boxed{{{small}}}"), Attempt("32B", f"\\boxed{{{large}}}"))
    )


def pool() -> Iterator[Outcome]:
    return map(a_paper_row, range(POOL))


@pytest.fixture(scope="module")
def funnel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StageCount]:
    folder: Path = tmp_path_factory.mktemp("paper")
    grading = Grading(AskSettings(folder / "none.sqlite"), None, 1)
    stages = (
        filter_stage("features", traces.no_trace, questions.no_reference),
        filter_stage(
            "strings", questions.drawn, questions.pictured, questions.numbered_part, questions.bold_number
        ),
        Stage("difficulty", TooEasy(grading)),
        Stage("grades", GradedTraces(grading)),
        Stage("select", Select("paper", FINAL, 0, "words")),
    )
    ledger = Ledger(folder)
    counts = [ledger.record(0, "collect", pool(), None)]
    for number, stage in enumerate(stages, 1):
        rows = ledger.kept(number - 1)
        counts.append(ledger.record(number, stage.name, stage.run(rows), counts[-1].kept))
    chosen = Counter(
        "preselected" if int(row.problem.id) < PRESELECTED else "drawn" for row in ledger.kept(5)
    )
    domains = Counter(row.problem.domain for row in ledger.kept(5) if int(row.problem.id) >= PRESELECTED)
    return {one.stage: one for one in counts} | {
        "chosen": StageCount("chosen", 0, 0, dict(chosen)),
        "domains": StageCount("domains", 0, 0, dict(domains)),
    }


def test_the_pool_has_59029_questions(funnel: dict[str, StageCount]) -> None:
    assert funnel["collect"].kept == POOL


def test_a_row_without_a_feature_is_dropped_and_54116_are_left(funnel: dict[str, StageCount]) -> None:
    assert funnel["features"].kept == WITH_FEATURES
    assert set(funnel["features"].dropped) == {"no_trace", "no_reference"}


def test_the_string_rules_drop_2535_each_its_own_and_51581_are_left(funnel: dict[str, StageCount]) -> None:
    assert funnel["strings"].kept == AFTER_STRINGS
    assert funnel["strings"].dropped == {
        "bold_number": 634,
        "numbered_part": 634,
        "drawing": 633,
        "picture": 634,
    }


def test_what_the_7b_or_the_32b_solves_is_dropped_and_24496_are_left(funnel: dict[str, StageCount]) -> None:
    assert funnel["difficulty"].kept == HARD
    assert funnel["difficulty"].dropped == {"solved": AFTER_STRINGS - HARD}


def test_384_are_preselected_and_616_are_drawn(funnel: dict[str, StageCount]) -> None:
    assert funnel["select"].kept == FINAL
    assert funnel["chosen"].dropped == {"preselected": PRESELECTED, "drawn": FINAL - PRESELECTED}


def test_the_drawn_ones_are_spread_over_all_the_domains(funnel: dict[str, StageCount]) -> None:
    drawn = funnel["domains"].dropped
    present = {a_paper_row(at).problem.domain for at in range(PRESELECTED, 3_000)}
    assert set(drawn) == present
    assert max(drawn.values()) < 3 * (FINAL - PRESELECTED) / len(present)
