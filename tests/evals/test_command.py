"""The command line: what is wrong is one line, flags are written out, and no key is kept of it."""

from pathlib import Path

import pytest

from evals.__main__ import main
from evals.manifest import _without_key
from tests.evals.fake_endpoint import FakeEndpoint


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["--api", "sesame"], "sesame"),
        (["--api=sesame"], "sesame"),
        (["--api-key", "--api-key", "--out", "x"], "--api-key"),
        (["--suffix", "say sesame-open!", "--out", "x"], "sesame-open"),
        (["--api-key", "first-sesame", "--api-key", "sesame"], "sesame"),
        (["--api-key=first-sesame=="], ""),
    ],
)
def test_a_key_is_in_no_command_wherever_it_stands(arguments: list[str], key: str) -> None:
    told = _without_key(arguments, key)
    assert len(told) == len(arguments)
    assert "sesame" not in " ".join(told)
    assert told[-2:] == ["--out", "x"] or "--out" not in arguments


def test_a_short_key_leaves_other_words_as_they_are() -> None:
    assert _without_key(["--max-tokens", "0,16", "--model", "x"], "x") == [
        *("--max-tokens", "0,16", "--model", "...")
    ]


@pytest.mark.parametrize(
    "command", [["sweep", "--out", "o", "--api", "sesame"], ["problems", "nano", "--prob", "1"]]
)
def test_a_flag_is_written_out(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(command)
    assert "unrecognized arguments" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--base-url", "http://127.0.0.1:9/v1"], "s1-eval: the endpoint http://127.0.0.1:9/v1 is down"),
        (["--task", "nonsense"], "s1-eval: unknown task 'nonsense'"),
        (["--max-tokens", "x"], "s1-eval: --max-tokens: 'x' is not a whole number from 0 up"),
        (["--concurrency", "0"], "s1-eval: --concurrency: 0 is below 1"),
        (["--task", "aime24", "--data", "gone.jsonl"], "s1-eval: gone.jsonl: "),
    ],
)
def test_a_mistake_is_one_line_on_the_terminal(
    arguments: list[str], line: str, fake: FakeEndpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["sweep", "--out", str(tmp_path / "out"), "--base-url", fake.url, *arguments])
    assert code == 1
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1
    assert "Traceback" not in said
