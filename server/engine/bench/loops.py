"""How often the loop rule stops real traces: `python -m server.engine.bench.loops --help`.

Prints for each file how many traces are stopped, how many of those were graded correct, and where; with
--show the text before each stop, to judge whether it loops. The numbers in server/budget/loops.py come from
here.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from server.budget.loops import LoopRule, LoopWatch

TEXT_FIELDS = ("model_response", "code", "thinking", "text")
GRADE_FIELDS = ("is_correct", "score", "correct")
SHOWN = 200
"""Tokens before the stop."""


class BadTracesError(ValueError):
    """A file of traces that can't be read: the message names the file, the line and the field."""


def stopped_at(tokens: Sequence[int]) -> int | None:
    """How many tokens were generated when the rule stopped them; None: it never did."""
    rule = LoopRule()
    watch = LoopWatch(rule)
    for start in range(0, len(tokens) - rule.stride + 1, rule.stride):
        watch.take(tokens[start : start + rule.stride])
        if watch.is_looping:
            return start + rule.stride
    return None


def read_traces(path: Path, field: str | None) -> Iterator[tuple[str, bool | None]]:
    """Yield (text, whether it was graded correct, None where it was not graded) of each line.

    Raises:
        BadTracesError: The file cannot be read, or a line is no trace; it names file and line.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadTracesError(f"{path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _read_trace(line, field, f"{path}, line {number}")


def _read_trace(line: str, field: str | None, where: str) -> tuple[str, bool | None]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadTracesError(f"{where}: no JSON ({error})") from error
    if not isinstance(row, dict):
        raise BadTracesError(f"{where}: no JSON object")
    name = field or next((each for each in TEXT_FIELDS if each in row), None)
    if name is None or name not in row:
        raise BadTracesError(
            f"{where}: no field {name or ' or '.join(TEXT_FIELDS)}; --field names the trace's field"
        )
    text, grade = _first(row[name]), _first(next((row[each] for each in GRADE_FIELDS if each in row), None))
    if not isinstance(text, str):
        raise BadTracesError(f"{where}: {name} is no string")
    return text, None if grade is None else bool(grade)


def _first(value: object) -> object:
    """Some data sets keep a list of samples a line: the first one is measured."""
    return (value[0] if value else None) if isinstance(value, list) else value


def measure(path: Path, field: str | None, tokenizer: PreTrainedTokenizerBase, shows: bool) -> str:
    """Return one line of the report; print each stopped trace if `shows`. Raises BadTracesError."""
    stopped, right, written, spared, count, seconds = 0, [], 0, 0, 0, 0.0
    for number, (text, is_right) in enumerate(read_traces(path, field), start=1):
        tokens = tokenizer.encode(text, add_special_tokens=False)
        began = time.process_time()
        at = stopped_at(tokens)
        seconds += time.process_time() - began
        count, written = number, written + len(tokens)
        if at is not None:
            stopped, spared = stopped + 1, spared + len(tokens) - at
            where = f"trace {number} at {at} of {len(tokens)}"
            right += [where] if is_right else []
            if shows:
                print(f"{path.name} {where}: {tokenizer.decode(tokens[max(0, at - SHOWN) : at])!r}")
    stops = f"{stopped} of {count} traces stopped, {len(right)} of them graded correct"
    saved = f"{spared:,} of {written:,} tokens saved"
    cost = f"{seconds / max(1, written) * 1e6:.2f} us of CPU time a token"
    return f"{path.name}: {stops}{' (' + '; '.join(right) + ')' if right else ''}; {saved}; {cost}"


def main() -> None:
    """Measure the files that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="TRACES.jsonl")
    parser.add_argument("--field", help=f"the field of the text; else the first of {', '.join(TEXT_FIELDS)}")
    parser.add_argument("--show", action="store_true", help="print the text before each stop")
    parser.add_argument(
        "--tokenizer",
        required=True,
        help="of the model that wrote the traces: a Hugging Face id or a directory",
    )
    arguments = parser.parse_args()
    try:
        tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer)
        for path in arguments.files:
            print(measure(path, arguments.field, tokenizer, arguments.show), flush=True)
    except (BadTracesError, OSError) as error:
        sys.exit(f"{parser.prog}: {error}")


if __name__ == "__main__":
    main()
