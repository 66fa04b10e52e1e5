"""gpt-oss' history: of thinking that led to an answer nothing is sent again, whoever renders it."""

from typing import Any

import pytest
from transformers.utils.chat_template_utils import _compile_jinja_template
from vllm.entrypoints.openai.parser.harmony_utils import (
    auto_drop_analysis_messages,
    parse_chat_inputs_to_harmony_messages,
)

from tests.server.reasoning.chat_templates import sources

ASKS = {"role": "user", "content": "How many sheep?"}


def thought(text: str, **rest: Any) -> dict[str, Any]:
    """An assistant's message; vLLM reads `reasoning`, the model's own template `thinking`."""
    return {"role": "assistant", "reasoning": text, "thinking": text, **rest}


CALL = {"id": "c1", "type": "function", "function": {"name": "count", "arguments": "{}"}}
CALLS = {"content": "", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "name": "count", "content": "24"}


@pytest.mark.parametrize(
    ("messages", "kept"),
    [
        ([ASKS, thought("one", content="4"), ASKS], []),
        ([ASKS, thought("one", content="4"), ASKS, thought("two", content="5"), ASKS], []),
        (
            [
                *(ASKS, thought("one", content="4"), ASKS, thought("two", content="5")),
                *(ASKS, thought("three", content="6"), ASKS),
            ],
            [],
        ),
        ([ASKS, thought("one", **CALLS), RESULT], ["one"]),
        ([ASKS, thought("one", content="4"), ASKS, thought("two", **CALLS), RESULT], ["two"]),
        ([ASKS, thought("one", **CALLS), RESULT, thought("two", content="4"), ASKS], []),
    ],
    ids=["two turns", "three turns", "four turns", "call", "turn, then call", "call, answer, turn"],
)
def test_only_thinking_that_has_not_come_to_an_answer_is_sent_again(
    messages: list[dict[str, Any]], kept: list[str]
) -> None:
    rendered = auto_drop_analysis_messages(parse_chat_inputs_to_harmony_messages(messages))
    assert [each.content[0].text for each in rendered if each.channel == "analysis"] == kept
    template = _compile_jinja_template(sources()["openai-gpt-oss-120b"])
    own = template.render(messages=messages, add_generation_prompt=True, tools=None)
    mark = "<|channel|>analysis<|message|>"
    assert [part.partition("<|end|>")[0] for part in own.split(mark)[1:]] == kept
