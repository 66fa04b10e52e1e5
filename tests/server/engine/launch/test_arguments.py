"""What cannot be combined with thinking budgets is refused by its flag, on whichever vLLM has that flag."""

from argparse import Namespace

import pytest

from server.engine.launch.arguments import CONFLICTS, budget_flags, make_parser
from server.reasoning.families import FAMILIES


@pytest.mark.parametrize("flag", CONFLICTS)
def test_conflicting_flag_is_named(flag: str) -> None:
    given = Namespace(**{flag[2:].replace("-", "_"): {"high": "max"}}, reasoning_parser="")
    with pytest.raises(ValueError, match=f"^{flag}: "):
        budget_flags(FAMILIES["think"], given)


def test_every_conflicting_flag_but_one_of_a_later_vllm_is_a_flag() -> None:
    known = vars(make_parser("s1-serve", "model").parse_args([]))
    unknown = [flag for flag in CONFLICTS if flag[2:].replace("-", "_") not in known]
    assert unknown in ([], ["--reasoning-effort-map"])
