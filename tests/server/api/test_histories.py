"""Any shape of a conversation that OpenAI's documentation allows reaches vLLM as one that it can read."""

from typing import Any

import pytest

from server.api.histories import drop_blank_text, put_in_order
from tests.training.real_tokenizers import qwen3

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
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "\n\n"}]},
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
    for text in ("So", "\n\n"):
        (found,) = ordered({"role": "assistant", "content": text, "status": "in_progress"})
        assert (found["status"], found["content"][0]["text"]) == ("in_progress", text)


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


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
USE = {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}


def without_blank(message: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"messages": [USER, message]}
    drop_blank_text(body)
    user, found = body["messages"]
    assert user == USER
    return dict(found)


def test_prompt_of_an_agents_second_turn_begins_with_what_the_model_wrote_in_the_first() -> None:
    tokenizer = qwen3()
    asked = [{"role": "user", "content": "Write a file."}]
    first = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    call = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'
    wrote = f"{first}<think>\nI call it.\n</think>\n\n{call}<|im_end|>\n"
    answered: dict[str, Any] = {
        "role": "assistant",
        "reasoning_content": "\nI call it.\n",
        "content": "\n\n",
        "tool_calls": [CALL],
    }
    result = {"role": "tool", "tool_call_id": "c", "content": "done"}
    again = tokenizer.apply_chat_template([*asked, without_blank(answered), result], tokenize=False)
    assert str(again).startswith(wrote)


def test_blank_text_before_a_call_is_none_and_all_other_text_stays() -> None:
    blank, text = {"type": "text", "text": "\n\n"}, {"type": "text", "text": "So."}
    assert without_blank({"role": "assistant", "content": [blank, USE]})["content"] == [USE]
    for content in ([text, USE], [blank], [blank, text]):
        assert without_blank({"role": "assistant", "content": content})["content"] == content
    assert without_blank({"role": "assistant", "content": "\n\n"})["content"] == "\n\n"
    called = {"role": "assistant", "tool_calls": [CALL], "content": [blank, text]}
    assert without_blank(called)["content"] == [text]


def test_each_conversation_of_a_batch_is_rid_of_blank_text() -> None:
    said = {"role": "assistant", "tool_calls": [CALL], "content": "\n\n"}
    body: dict[str, Any] = {"messages": [[USER, said], [USER]]}
    drop_blank_text(body)
    assert body["messages"] == [[USER, {**said, "content": ""}], [USER]]
    assert without_blank({"role": "assistant", "content": "So.", "tool_calls": [CALL]})["content"] == "So."
    assert without_blank({"role": "assistant", "content": None, "tool_calls": [CALL]})["content"] is None


@pytest.mark.parametrize("given", ["hi", None, 3, [3, "hi"], [{"role": "assistant", "content": 3}]])
def test_messages_of_another_shape_are_vllms_to_read(given: object) -> None:
    body = {"messages": given}
    drop_blank_text(body)
    assert body == {"messages": given}
