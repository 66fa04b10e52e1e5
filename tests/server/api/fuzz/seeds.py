"""Conversations as real clients send them back, on each endpoint: OpenAI's, Anthropic's and agents' SDKs."""

from typing import Any

from tests.server.api.every_endpoint import CHAT, COMPLETIONS, MESSAGES, QUESTION, RESPONSES

Json = dict[str, Any]

USER = {"role": "user", "content": QUESTION}
PARTS = {"role": "user", "content": [{"type": "text", "text": "Find"}, {"type": "text", "text": " it."}]}
SYSTEM = {"role": "system", "content": "Be brief."}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "3"}
THOUGHT = {"role": "assistant", "reasoning_content": "2: no\n17: yes", "content": "17"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
FUNCTION = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": SCHEMA}}

CHATS: list[Json] = [
    {"messages": [USER]},
    {"messages": [SYSTEM, PARTS]},
    {"messages": [{"role": "developer", "content": "Be brief."}, USER, THOUGHT, USER]},
    {"messages": [USER, {"role": "assistant", "content": "<think>\n2: no\n</think>\n\n17"}, USER]},
    {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}, RESULT, USER]},
    {"messages": [USER, {**THOUGHT, "tool_calls": [CALL]}, RESULT], "tools": [FUNCTION]},
    {"messages": [USER, {"role": "assistant", "content": ""}, USER], "user": "LibreChat_User_ID"},
    {
        "messages": [USER, {"role": "assistant", "content": "<think>\n2: no"}],
        "continue_final_message": True,
        "add_generation_prompt": False,
    },
    {
        "messages": [USER, {"role": "assistant", "content": "391:"}],
        "continue_final_message": True,
        "add_generation_prompt": False,
    },
    {
        "messages": [
            {"role": "user", "name": "ann", "content": "hi"},
            {"role": "assistant", "refusal": "no"},
            USER,
        ]
    },
]


def _text(kind: str, text: str = "17") -> Json:
    return {"type": kind, "text": text}


INPUT = {"type": "message", "role": "user", "content": [_text("input_text", QUESTION)]}
OUTPUT = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{**_text("output_text"), "annotations": [], "logprobs": []}],
}
REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [_text("summary_text", "2: no")],
    "content": [_text("reasoning_text", "2: no")],
    "encrypted_content": None,
}
FUNCTION_CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "add",
    "arguments": '{"a": 1}',
    "status": "completed",
}
FUNCTION_OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "3"}
FLAT = {"type": "function", "name": "add", "description": "Adds.", "parameters": SCHEMA, "strict": False}

RESPONSES_BODIES: list[Json] = [
    {"input": QUESTION},
    {"input": [USER], "instructions": "Be brief."},
    {"input": [INPUT, REASONING, OUTPUT, INPUT], "store": False, "include": ["reasoning.encrypted_content"]},
    {"input": [INPUT, {**REASONING, "content": None, "encrypted_content": "gAAA"}, OUTPUT, INPUT]},
    {"input": [INPUT, REASONING, FUNCTION_CALL, FUNCTION_OUTPUT, INPUT], "tools": [FLAT]},
    {"input": [INPUT, FUNCTION_CALL, FUNCTION_OUTPUT], "tools": [FLAT], "parallel_tool_calls": True},
    {"input": [INPUT, {"type": "message", "role": "assistant", "content": []}, INPUT]},
    {"input": [INPUT, {**OUTPUT, "content": [{"type": "refusal", "refusal": "no"}]}, INPUT]},
    {"input": [{"role": "developer", "content": [_text("input_text", "Be brief.")]}, INPUT]},
    {"input": [INPUT, {**REASONING, "status": "incomplete"}]},
]

TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}
TOOL_RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [_text("text", "3")]}
THINKING = {"type": "thinking", "thinking": "2: no", "signature": "sig"}
TOOL = {"name": "add", "description": "Adds.", "input_schema": SCHEMA}

MESSAGES_BODIES: list[Json] = [
    {"messages": [USER]},
    {"messages": [USER], "system": [{**_text("text", "Be brief."), "cache_control": {"type": "ephemeral"}}]},
    {
        "messages": [USER, {"role": "assistant", "content": [THINKING, _text("text")]}, USER],
        "system": "Brief.",
    },
    {
        "messages": [
            USER,
            {"role": "assistant", "content": [THINKING, _text("text", "I add."), TOOL_USE]},
            {"role": "user", "content": [TOOL_RESULT]},
        ],
        "tools": [TOOL],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    },
    {
        "messages": [
            USER,
            {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "gAAA"}, _text("text")]},
            USER,
        ]
    },
    {
        "messages": [
            USER,
            {"role": "assistant", "content": [TOOL_USE]},
            {"role": "user", "content": [{**TOOL_RESULT, "content": "3", "is_error": True}, _text("text")]},
        ]
    },
    {"messages": [USER, {"role": "assistant", "content": "391:"}]},
]

PROMPT = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n<think>\n"
COMPLETIONS_BODIES: list[Json] = [
    {"prompt": QUESTION},
    {"prompt": PROMPT},
    {"prompt": f"{PROMPT}2: no\n</think>\n\n"},
    {"prompt": [PROMPT, QUESTION]},
    {"prompt": [5, 6, 7, 8]},
    {"prompt": [[5, 6], [7, 8]]},
]

SEEDS: dict[str, list[Json]] = {
    CHAT: CHATS,
    COMPLETIONS: COMPLETIONS_BODIES,
    RESPONSES: RESPONSES_BODIES,
    MESSAGES: MESSAGES_BODIES,
}
FUNCTIONS: dict[str, Json] = {CHAT: FUNCTION, RESPONSES: FLAT, MESSAGES: TOOL}
