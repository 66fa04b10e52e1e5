"""Start-up finds the family of whatever tokenizer vLLM serves with, or says which flag helps."""

from pathlib import Path

import pytest
from vllm.tokenizers import get_tokenizer

from server.budget.budget import NEVER, ThinkingBudget
from server.budget.parsing.defaults import BudgetDefaults
from server.budget.plan import FamilyTokens, Opening
from server.budget.planning.make_plan import PlanContext, make_plan
from server.engine.family_tokens import Encoder, family_tokens, vocabulary_of
from server.engine.launch.arguments import budget_flags, make_parser
from server.engine.launch.find_family import check_defaults, find_family
from server.reasoning.families import FAMILIES
from tests.server.engine.mistral import mistral_folder

MAGISTRAL = FAMILIES["magistral"]


@pytest.fixture(scope="module")
def mistral(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mistral_folder(tmp_path_factory.mktemp("mistral"))


@pytest.fixture(scope="module")
def marks(mistral: Path) -> FamilyTokens:
    return family_tokens(MAGISTRAL, get_tokenizer(mistral), [2])


def test_family_of_a_model_with_mistrals_tokenizer_is_found(mistral: Path) -> None:
    arguments = make_parser("s1-serve", str(mistral)).parse_args([])
    assert find_family(None, arguments) == (MAGISTRAL, "[THINK] and [/THINK] in the tokenizer")
    check_defaults(BudgetDefaults(ThinkingBudget(suppress=("wait",))), MAGISTRAL, arguments)


def test_mistrals_marks_are_its_control_tokens_and_not_their_text(mistral: Path, marks: FamilyTokens) -> None:
    tokenizer = get_tokenizer(mistral)
    vocabulary = tokenizer.get_vocab()
    assert (marks.start, marks.end) == ((vocabulary["[THINK]"],), (vocabulary["[/THINK]"],))
    assert marks.tool_call == (vocabulary["[TOOL_CALLS]"],)
    assert marks.end_is_distinct
    plan = make_plan(
        ThinkingBudget(max_tokens=3),
        marks,
        Encoder(tokenizer),
        PlanContext(prompt=(1,), max_model_len=NEVER),
        vocabulary_of(tokenizer),
    )
    assert (plan.start, plan.end) == (marks.start, marks.end)


def test_marks_in_mistrals_system_prompt_open_and_close_nothing(mistral: Path, marks: FamilyTokens) -> None:
    ids = get_tokenizer(mistral).get_vocab()
    system = [ids["[SYSTEM_PROMPT]"], 1500, ids["[THINK]"], 1501, ids["[/THINK]"], ids["[/SYSTEM_PROMPT]"]]
    asked = [1, *system, ids["[INST]"], 1502, ids["[/INST]"]]
    assert marks.opening_of(asked) is Opening.AWAIT
    assert marks.opening_of([*asked, ids["[THINK]"]]) is Opening.OPEN
    assert marks.opening_of([*asked, ids["[THINK]"], 5, ids["[/THINK]"]]) is Opening.CLOSED


def test_tokenizer_that_cannot_be_read_names_the_flags(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "tokenizer.json").write_text('{"broken": 1}')
    arguments = make_parser("s1-serve", str(tmp_path)).parse_args([])
    with pytest.raises(ValueError, match=r"cannot be read: .*--family none serves without budgets"):
        find_family(None, arguments)


def test_gpt_oss_is_read_by_vllms_own_parser_and_the_others_by_ours() -> None:
    arguments = make_parser("s1-serve", "m").parse_args([])
    for name, parser in (("gpt-oss", "openai_gptoss"), ("gemma4", "s1-gemma4")):
        flags = budget_flags(FAMILIES[name], arguments)
        assert flags[flags.index("--reasoning-parser") + 1] == parser


@pytest.mark.parametrize("flag", ["--model", "--tokenizer"])
def test_folder_that_is_not_there_is_named_with_its_flag(tmp_path: Path, flag: str) -> None:
    arguments = make_parser("s1-serve", "m").parse_args([flag, str(tmp_path / "no")])
    with pytest.raises(ValueError, match=f"{flag}: there is no {tmp_path}/no$"):
        find_family(None, arguments)
