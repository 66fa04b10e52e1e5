"""The command as a user calls it: recipes from end to end, in small, and one line for every mistake."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from curation.__main__ import main
from curation.recipes import RECIPES
from curation.settings import CurationSettings, settings_from
from tests.curation.endpoint import Body, Said, chat, faked

EIGHT = "one two three four five six seven eight"


def nano(out: Path, *more: str) -> int:
    return main(["run", "--recipe", "nano", "--generated", "300", "--keep", "50", "--out", str(out), *more])


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_nano_runs_without_a_network_and_twice_the_same(tmp_path: Path) -> None:
    assert nano(tmp_path / "one") == 0
    assert nano(tmp_path / "two") == 0
    one, two = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()}
        for f in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two
    assert len(lines(tmp_path / "one" / "train.jsonl")) == 50


def test_another_seed_gives_another_file(tmp_path: Path) -> None:
    nano(tmp_path / "one")
    nano(tmp_path / "two", "--seed", "1")
    assert (tmp_path / "one/train.jsonl").read_bytes() != (tmp_path / "two/train.jsonl").read_bytes()


def test_nano_drops_what_the_served_models_solve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def solver(body: Body, _: int) -> Said:
        factor = "prime factor" in body["messages"][0]["content"]
        return chat("Final Answer: 2" if factor else "Final Answer: -1", "Hm.")

    with faked(solver) as fake:
        solvers = [f"--solver=m{at}@{fake.url}" for at in (1, 2)]
        assert nano(tmp_path / "out", *solvers, "--generated=60", "--keep=20") == 0
    assert "solved" in capsys.readouterr().out
    dropped = lines(next((tmp_path / "out" / "dropped").glob("*-difficulty.jsonl")))
    assert dropped
    assert {one["reason"] for one in dropped} == {"solved"}


def pool(tmp_path: Path) -> Path:
    folder = tmp_path / "pool"
    folder.mkdir()
    rows = [
        {"problem": f"Question {at} of many?", "solution": f"\\boxed{{{at}}}", "subject": "Algebra"}
        for at in range(40)
    ]
    rows.append({"problem": f"So {EIGHT} of them?", "solution": "\\boxed{1}", "subject": "Geometry"})
    (folder / "math.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\nnot json\n")
    (tmp_path / "aime24.jsonl").write_text(json.dumps({"problem": f"Well, {EIGHT} or so."}))
    return folder


def test_s1k_goes_from_a_pool_to_train_jsonl_through_every_stage(tmp_path: Path) -> None:
    def model(body: Body, _: int) -> Said:
        question = body["messages"][-1]["content"]
        easy = body["model"] == "small" and question.startswith("Question 1")
        number = question.split()[1]
        thinking = f"Let me think about number {number}."
        return chat(f"\\boxed{{{number if easy or body['model'] == 'teacher' else 'x'}}}", thinking)

    folder, out = pool(tmp_path), tmp_path / "out"
    with faked(model) as fake:
        arguments = [
            "run",
            "--pool",
            str(folder),
            "--out",
            str(out),
            "--keep",
            "10",
            "--length",
            "characters",
        ]
        arguments += [
            "--reference",
            f"aime24={tmp_path / 'aime24.jsonl'}",
            "--teacher",
            f"teacher@{fake.url}",
        ]
        arguments += ["--solver", f"small@{fake.url}", "--solver", f"large@{fake.url}"]
        assert main(arguments) == 0
    counts = {one["stage"]: one for one in json.loads((out / "funnel.json").read_text())["stages"]}
    assert counts["collect"]["dropped"] == {"unreadable": 1}
    assert counts["decontaminate"]["dropped"] == {"8_gram_of_aime24": 1}
    assert counts["difficulty"]["dropped"] == {"solved": 11}
    assert counts["select"]["kept"] == 10
    assert len(lines(out / "train.jsonl")) == 10
    manifest = json.loads((out / "manifest.json").read_text())
    assert [one["name"] for one in manifest["inputs"]] == ["source math", "reference aime24"]


def test_show_prints_the_funnel_and_draws_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nano(tmp_path)
    capsys.readouterr()
    assert main(["show", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "| select |" in text
    assert "| crt |" in text
    for name in ("funnel.png", "domains.png", "lengths.png"):
        assert (tmp_path / name).stat().st_size > 5000


def test_show_gives_a_code_its_title(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"problem": f"What is {at} and {at * at}?", "answer": "7", "type": "Geometry"} for at in range(9)]
    path = tmp_path / "math.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    skips = ("--skip=decontaminate", "--skip=duplicates", "--skip=quality")
    out = str(tmp_path / "out")
    assert main(["run", "--recipe", "diverse", f"--source=math={path}", *skips, "--out", out]) == 0
    assert main(["show", out]) == 0
    assert "| Geometry (51) | 9 |" in capsys.readouterr().out


def test_sources_lists_all_sixteen_with_their_hub_ids(capsys: pytest.CaptureFixture[str]) -> None:
    main(["sources"])
    text = capsys.readouterr().out
    assert len(text.splitlines()) == 16
    assert "AI-MO/NuminaMath-CoT" in text


MISTAKES = [
    (["--pool", "/nowhere"], "/nowhere: no such folder"),
    ([], "nothing to decontaminate against: give --reference"),
    (["--skip", "decontaminate"], "no traces: give --teacher"),
    (["--recipe", "nano", "--skip", "breakfast"], "--skip breakfast: no stage of nano"),
    (["--recipe", "nano", "--solver", "s1-nano"], "write MODEL@URL"),
    (["--recipe", "nano", "--generate", "poems"], "--generate poems: there is nano"),
    (["--recipe", "nano", "--reference", "aime24"], "--reference aime24: write NAME=PATH"),
    (["--recipe", "nano", "--length", "/no/tokenizer"], "--length /no/tokenizer: no such tokenizer"),
    (["--recipe", "nano", "--pool", "mine"], "mine: this run generates its pool"),
    (["--generate", "nano", "--source", "math=a.json"], "math=a.json: this run generates its pool"),
    (["--recipe", "nano", "--selection", "best"], "--selection best: there is paper, notebook"),
    *(
        (["--recipe", "nano", flag, "0"], f"{flag} 0: must be at least 1")
        for flag in ("--keep", "--generated", "--concurrency", "--tries", "--processes")
    ),
    *(
        (["--recipe", "nano", flag, "-1"], f"{flag} -1: must be at least 0")
        for flag in ("--ngram", "--overlap", "--solver-max-tokens", "--long")
    ),
    *(
        (["--recipe", "nano", "--timeout-s", text], f"--timeout-s {float(text)}: must be a number of seconds")
        for text in ("0", "-1", "nan", "inf")
    ),
    *(
        (["--recipe", "nano", "--teacher-budget", text], f"--teacher-budget {text}: write JSON")
        for text in ("high", "[1]", "null", "NaN", '{"max_tokens": 5')
    ),
]


@pytest.mark.parametrize(("arguments", "line"), MISTAKES)
def test_a_mistake_is_one_line_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    assert main(["run", "--out", str(tmp_path / "out"), *arguments]) == 1
    text = capsys.readouterr().err
    assert line in text
    assert text.count("\n") == 1
    assert "Traceback" not in text


def test_gpqa_is_not_taken_without_its_diamond_part_as_a_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", "--hub", "gpqa", "--skip", "quality", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--hub-reference", "math500"]) == 1
    assert "the source gpqa needs the reference gpqa_diamond" in capsys.readouterr().err


def test_a_flag_beats_the_environment_and_the_environment_the_default() -> None:
    import argparse

    from curation.settings import add_flags

    parser = argparse.ArgumentParser()
    add_flags(parser, tuple(RECIPES))
    environment = {"S1_CURATE_SEED": "5", "S1_CURATE_KEEP": "7", "S1_CURATE_SKIP": "a,b"}
    settings = settings_from(parser.parse_args(["--out", "x", "--keep", "9"]), environment)
    assert (settings.seed, settings.keep, settings.ngram, settings.skip) == (5, 9, 8, ("a", "b"))


@pytest.mark.parametrize("text", ["4096", '{"num_waits": 2}', '"auto"', ""])
def test_a_budget_for_the_teacher_is_json(text: str) -> None:
    assert CurationSettings(Path("x"), teacher_budget=text).teacher_budget == text


def test_secrets_and_addresses_are_no_part_of_the_manifest() -> None:
    settings = CurationSettings(Path("x"), api_key="secret", concurrency=3)
    assert not {"api_key", "concurrency", "out", "cache", "ray"} & set(settings.decisive())
    assert {"seed", "ngram", "solver"} <= set(settings.decisive())


@pytest.mark.parametrize("recipe", ["random", "diverse", "longest", "full"])
def test_every_ablation_draws_from_the_same_pool(tmp_path: Path, recipe: str) -> None:
    arguments = ["run", "--recipe", recipe, "--generate", "nano", "--generated", "300", "--keep", "50"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    count = len(lines(tmp_path / "train.jsonl"))
    assert count == 50 if recipe != "full" else 290 <= count <= 300


def test_a_reader_that_goes_away_gets_no_traceback() -> None:
    command = f"{sys.executable} -m curation sources | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=600, check=False)
    assert done.stderr == ""
