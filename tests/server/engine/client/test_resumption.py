"""A thought that goes on is one open block, whatever the template's new turn begins with."""

import pytest

from server.budget.plan import FamilyTokens, Opening
from server.engine.client.resumption import resume
from server.reasoning.families import FAMILIES

TURN_END, OPEN, CLOSE = 90, 91, 92
FAMILY = FamilyTokens(
    family=FAMILIES["think"],
    start=(OPEN,),
    end=(CLOSE,),
    end_is_distinct=True,
    end_of_turn=(TURN_END,),
    tool_call=(),
)


def encode(text: str) -> tuple[int, ...]:
    return tuple(map(ord, text))


@pytest.mark.parametrize("thought", ["no", "\nno"])
@pytest.mark.parametrize(
    "prompt", [[1, TURN_END, 2], [1, TURN_END, 2, OPEN, 10], [OPEN, 5, CLOSE, TURN_END, 2]]
)
def test_thought_stands_open_once_behind_the_prompt(prompt: list[int], thought: str) -> None:
    resumed = resume({"prompt_token_ids": prompt, "type": "token"}, thought, FAMILY, encode)
    ids = resumed["prompt_token_ids"]
    assert ids[: len(prompt)] == prompt
    turn = ids[len(ids) - ids[::-1].index(TURN_END) :]
    assert turn == [2, OPEN, 10, *encode("no")]
    assert FAMILY.opening_of(ids) is Opening.OPEN
    assert resumed["type"] == "token"


@pytest.mark.parametrize("prompt", [{"prompt_embeds": 1}, "text", {"prompt_token_ids": [2, OPEN, CLOSE]}])
def test_thought_that_cannot_be_open_is_refused(prompt: object) -> None:
    with pytest.raises(ValueError, match="go on"):
        resume(prompt, "no", FAMILY, encode)
