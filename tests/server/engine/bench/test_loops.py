"""Which traces the loop rule stops, and what the command says of files that it can't read."""

import json
import random
import re
from pathlib import Path

import pytest

from server.engine.bench.loops import main
from server.settings import EMBEDDED_MODEL_PATH
from tests.training.real_tokenizers import qwen25


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qwen2.5")
    qwen25().save_pretrained(folder)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, tokenizer: Path, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["loops", "--tokenizer", str(tokenizer), *arguments])
    main()


def test_only_the_trace_that_repeats_itself_is_stopped(
    tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(1)
    numbers = " ".join(str(draw.randrange(10**6)) for _ in range(400))
    loop = "So the answer is 12. Let me check that the answer is 12 again. " * 60
    traces = tmp_path / "traces.jsonl"
    rows = [{"thinking": numbers, "is_correct": True}, {"thinking": loop, "is_correct": [True]}]
    traces.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(monkeypatch, tokenizer, str(traces), "--show")
    printed = capsys.readouterr().out
    assert "1 of 2 traces stopped, 1 of them graded correct (trace 2 at " in printed
    assert "check that the answer is 12 again" in printed


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1]", "line 2: no JSON object"),
        ("{", "line 2: no JSON ("),
        ('{"other": "x"}', "line 2: no field model_response or code or thinking or text"),
        ('{"thinking": 3}', "line 2: thinking is no string"),
    ],
)
def test_a_line_that_is_no_trace_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    traces = tmp_path / "traces.jsonl"
    traces.write_text('{"thinking": "a"}\n' + line + "\n")
    with pytest.raises(SystemExit, match=re.escape(said)):
        run(monkeypatch, EMBEDDED_MODEL_PATH, str(traces))
