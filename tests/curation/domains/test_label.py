"""Domains: the source's own without a call, else a valid MSC code from a model, else a reason."""

from pathlib import Path

import pytest

from curation.ask.request import ModelAddress
from curation.ask.settings import AskSettings
from curation.domains.label import Labeller, SourceAsDomain, code_of
from curation.domains.msc import MSC
from curation.row import Outcome, Row
from curation.sources.subjects import SUBJECTS
from tests.curation.endpoint import Said, chat, faked
from tests.curation.rows import a_row, reasons


def labelled(said: list[Said], tmp_path: Path, domain: str = "") -> tuple[list[Outcome], int]:
    with faked(lambda _, before: said[min(before, len(said) - 1)]) as fake:
        asking = AskSettings(tmp_path / "r.sqlite", 1, tries=1)
        return list(Labeller(ModelAddress("m", fake.url), asking)([a_row(domain=domain)])), len(fake.asked)


def domain_of(outcomes: list[Outcome]) -> str:
    assert isinstance(outcomes[0], Row)
    return outcomes[0].problem.domain


def test_there_are_the_61_codes_of_the_paper() -> None:
    assert len(MSC) == 61
    assert all(len(code) == 2 and code.isdigit() for code in MSC)


def test_every_subject_of_a_source_is_one_of_the_codes_or_open() -> None:
    assert set(SUBJECTS.values()) <= {*MSC, ""}


def test_a_problem_with_a_domain_costs_no_call(tmp_path: Path) -> None:
    outcomes, calls = labelled([chat("05")], tmp_path, domain="11")
    assert (domain_of(outcomes), calls) == ("11", 0)


def test_the_code_at_the_end_of_the_answer_is_the_domain(tmp_path: Path) -> None:
    outcomes, calls = labelled([chat("It is about counting.\n05", "Hm, 11 or 05.")], tmp_path)
    assert (domain_of(outcomes), calls) == ("05", 1)


def test_what_is_no_code_is_asked_for_again(tmp_path: Path) -> None:
    outcomes, calls = labelled([chat("Geometry"), chat("99"), chat("51")], tmp_path)
    assert (domain_of(outcomes), calls) == ("51", 3)


def test_a_model_that_never_names_a_code_costs_the_row(tmp_path: Path) -> None:
    outcomes, calls = labelled([chat("Geometry!")], tmp_path)
    assert (reasons(outcomes), calls) == ({"math/1": "no_domain"}, 3)


@pytest.mark.parametrize(("said", "code"), [("... 05", "05"), ("**05**", "05"), ("05.", "05"), ("5", "5")])
def test_the_last_two_characters_count_without_their_dress(said: str, code: str) -> None:
    assert code_of(said) == code


def test_without_a_labeller_the_source_may_stand_for_the_domain() -> None:
    rows = [a_row(domain="", source="aime"), a_row(domain="11")]
    found = [one.problem.domain for one in SourceAsDomain()(rows) if isinstance(one, Row)]
    assert found == ["source:aime", "11"]
