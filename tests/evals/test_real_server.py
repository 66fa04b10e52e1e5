"""The evals measure the real server: its budgets hold, its echo is understood, its counts add up."""

from pathlib import Path

from evals.report import report
from evals.row import read_rows
from evals.settings import SweepSettings
from evals.sweep import sweep


async def test_two_small_cells_against_the_real_server(server_url: str, tmp_path: Path) -> None:
    settings = SweepSettings(
        out=tmp_path / "out",
        base_url=f"{server_url}/v1",
        problems=20,
        wanted={"max": "16", "waits": "1", "sample": "2"},
    )
    done = await sweep(settings)
    assert done.asked == 5 * 20
    cells = {path.name.split("~")[2]: read_rows(path) for path in (settings.out / "cells").glob("*~r0.jsonl")}
    for row in cells["max=16"]:
        assert row.thinking_tokens is not None
        assert row.thinking_tokens <= 16
        assert row.end == "max_tokens" or row.thinking_tokens < 16 or row.end == "natural"
    for row in cells["waits=1"]:
        assert row.echo is not None
        assert row.echo["num_waits"] == 1
        assert row.waits_used == 1 or row.end != "natural"
    natural = {row.problem_id: row for row in cells["none"]}
    for row in cells["waits=1"]:
        before = natural[row.problem_id]
        if before.end == "natural" and row.end == "natural":
            # Greedy: the same thinking, then the nudge, then more.
            assert row.thinking.startswith(before.thinking.rstrip())
    text = report(settings.out)
    assert "| waits=1 | 20 |" in text
    assert (settings.out / "scaling.png").stat().st_size > 10_000


async def test_streaming_measures_the_first_tokens_and_says_the_same(server_url: str, tmp_path: Path) -> None:
    def of(stream: bool) -> SweepSettings:
        return SweepSettings(
            out=tmp_path / f"stream-{stream}",
            base_url=f"{server_url}/v1",
            problems=5,
            stream=stream,
            wanted={"waits": "1", "sample": "0"},
        )

    for stream in (False, True):
        await sweep(of(stream))
    for path in (of(False).out / "cells").iterdir():
        whole, streamed = read_rows(path), read_rows(of(True).out / "cells" / path.name)
        for a, b in zip(whole, streamed, strict=True):
            assert (a.thinking, a.answer, a.thinking_tokens, a.end) == (
                b.thinking,
                b.answer,
                b.thinking_tokens,
                b.end,
            )
            assert b.first_token_s is not None
            assert b.first_answer_token_s is not None
            assert b.first_token_s <= b.first_answer_token_s


async def test_the_servers_own_methods_are_arms_beside_the_others(server_url: str, tmp_path: Path) -> None:
    settings = SweepSettings(
        out=tmp_path / "out",
        base_url=f"{server_url}/v1",
        problems=10,
        wanted={"scaling": "majority:3", "sample": "3"},
    )
    await sweep(settings)
    cells = {path.name.split("~")[2]: read_rows(path) for path in (settings.out / "cells").glob("*.jsonl")}
    for row in cells["majority_3"]:
        assert row.scaling is not None
        assert row.scaling["method"] == "majority"
        assert row.spent_tokens == sum(each["thinking_tokens"] for each in row.scaling["samples"])
        assert row.thinking_tokens in [each["thinking_tokens"] for each in row.scaling["samples"]]
        assert (row.written_tokens or 0) > (row.spent_tokens or 0) > 0
    assert "| majority:3 | 10 |" in report(settings.out)
