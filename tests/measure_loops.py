"""How often the loop breaker stops real traces: `python -m tests.measure_loops TRACES.jsonl [--field NAME]`.

Prints for each file how many traces it stops, how many of those were graded right, and where; with --show
what each of them was saying, to judge whether it loops. The numbers in server/budget/loops.py are from here.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from server.budget.loops import LoopRule, LoopWatch
from tests.training import real_tokenizers

TOKENIZERS = {
    "qwen2.5": real_tokenizers.qwen25,
    "deepseek": real_tokenizers.deepseek,
    "magistral": real_tokenizers.magistral,
}
TEXT_FIELDS = ("model_response", "code", "thinking", "text")
GRADE_FIELDS = ("is_correct", "score", "correct")
SHOWN = 200
"""Tokens before the stop."""


def stopped_at(tokens: list[int]) -> int | None:
    """How many tokens had been written when the breaker stopped them; None: it never did."""
    rule = LoopRule()
    telemetry = LoopWatch(rule)
    for start in range(0, len(tokens) - rule.stride + 1, rule.stride):
        telemetry.take(tokens[start : start + rule.stride])
        if telemetry.is_looping:
            return start + rule.stride
    return None


def traces(path: Path, field: str | None) -> Iterator[tuple[str, bool | None]]:
    """(text, whether it was graded right) of each line."""
    for line in path.read_text().splitlines():
        row = json.loads(line)
        name = field or next(each for each in TEXT_FIELDS if each in row)
        grade = next((row[each] for each in GRADE_FIELDS if each in row), None)
        text = row[name][0] if isinstance(row[name], list) else row[name]
        grade = grade[0] if isinstance(grade, list) else grade
        yield str(text), None if grade is None else bool(grade)


def measure(path: Path, field: str | None, tokenizer: PreTrainedTokenizerBase, shows: bool) -> str:
    """One line of the report; before it a line for each trace that is stopped, if wanted."""
    stopped, right, written, spared, count, seconds = 0, [], 0, 0, 0, 0.0
    for number, (text, is_right) in enumerate(traces(path, field), start=1):
        tokens = tokenizer.encode(text, add_special_tokens=False)
        began = time.process_time()
        at = stopped_at(tokens)
        seconds += time.process_time() - began
        count, written = number, written + len(tokens)
        if at is not None:
            stopped, spared = stopped + 1, spared + len(tokens) - at
            where = f"line {number} at {at} of {len(tokens)}"
            right += [where] if is_right else []
            if shows:
                print(f"{path.name} {where}: {tokenizer.decode(tokens[max(0, at - SHOWN) : at])!r}")
    return (
        f"{path.name}: stops {stopped} of {count}, {len(right)} graded right {right or ''}; {spared:,} of"
        f" {written:,} tokens spared; {seconds / max(1, written) * 1e6:.2f} us a token"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--field", help=f"where the text is; else the first of {', '.join(TEXT_FIELDS)}")
    parser.add_argument("--show", action="store_true", help="the end of each trace where it is stopped")
    parser.add_argument("--tokenizer", choices=TOKENIZERS, default="qwen2.5")
    arguments = parser.parse_args()
    tokenizer = TOKENIZERS[arguments.tokenizer]()
    for path in arguments.files:
        print(measure(path, arguments.field, tokenizer, arguments.show), flush=True)


if __name__ == "__main__":
    main()
