"""Any shape of a conversation that OpenAI's documentation allows reaches vLLM as one that it can read."""

from typing import Any

import pytest

from server.api.histories import put_in_order

USER = {"type": "message", "role": "user", "content": "again"}


def ordered(*items: dict[str, Any]) -> list[Any]:
    body: dict[str, Any] = {"input": [*items, USER]}
    put_in_order(body)
    *found, last = body["input"]
    assert last == USER
    return found


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "assistant", "content": []},
        {"role": "assistant", "content": []},
        {"type": "message", "role": "assistant", "content": None, "id": "msg_1", "status": "completed"},
        {"type": "message", "role": "assistant", "content": ""},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": ""}]},
        {"type": "reasoning", "summary": []},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": None},
    ],
)
def test_item_that_holds_nothing_is_left_out(item: dict[str, Any]) -> None:
    assert ordered(item) == []


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"summary": [{"type": "summary_text", "text": "a"}], "encrypted_content": "gAAA"}, "a"),
        ({"summary": [{"type": "summary_text", "text": t} for t in "ab"]}, "a\n\nb"),
        ({"summary": [], "content": [{"type": "reasoning_text", "text": t} for t in "ab"]}, "a\nb"),
        (
            {
                "summary": [{"type": "summary_text", "text": "a"}],
                "content": [{"type": "reasoning_text", "text": "b"}],
            },
            "b",
        ),
    ],
)
def test_thinking_that_can_be_read_is_kept_whole(item: dict[str, Any], text: str) -> None:
    (found,) = ordered({"type": "reasoning", "id": "rs_1", "status": "completed", **item})
    assert found == {
        "type": "reasoning",
        "id": "rs_1",
        "status": "completed",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": text}],
    }


def test_parts_of_an_answer_are_joined_and_a_refusal_is_text() -> None:
    parts = [
        {"type": "output_text", "text": "So", "annotations": [], "logprobs": []},
        {"type": "refusal", "refusal": " no"},
    ]
    (found,) = ordered({"type": "message", "role": "assistant", "id": "msg_1", "content": parts})
    assert found["content"] == [{"type": "output_text", "text": "So no", "annotations": []}]
    assert (found["id"], found["status"]) == ("msg_1", "completed")


def test_answer_that_goes_on_keeps_its_state() -> None:
    (found,) = ordered({"role": "assistant", "content": "So", "status": "in_progress"})
    assert found["status"] == "in_progress"


@pytest.mark.parametrize("given", ["hi", None, 3, {"role": "user"}])
def test_input_that_is_no_list_is_vllms_to_read(given: object) -> None:
    body = {"input": given}
    put_in_order(body)
    assert body == {"input": given}


def test_items_of_other_kinds_stay_as_they_are() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "1"}
    assert ordered(call, output, {"role": "assistant", "content": 3}) == [
        call,
        output,
        {"role": "assistant", "content": 3},
    ]
