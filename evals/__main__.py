"""Measure an OpenAI-compatible endpoint under a grid of thinking budgets: accuracy against tokens."""

import argparse
import sys
from pathlib import Path
from typing import Any

from evals.errors import EvalError
from server.reasoning.command import exit_status


class _Parser(argparse.ArgumentParser):
    """Flags are written out: the manifest recognises the API key's by its name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 for an error, 130 for Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    given = _parser(arguments[:1]).parse_args(arguments)
    return exit_status("s1-eval", lambda: int(given.run(given)), EvalError)


def _parser(command: list[str]) -> argparse.ArgumentParser:
    """With the flags of a sweep only if that is the command: they import its methods and tasks."""
    parser = _Parser(prog="s1-eval", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    sweep = commands.add_parser("sweep", help="ask an endpoint every problem under every budget")
    if command == ["sweep"]:
        from evals.settings import add_flags

        add_flags(sweep)
    sweep.set_defaults(run=_sweep)
    report = commands.add_parser(
        "report", help="write tables, scaling.csv and scaling.png from a folder of results"
    )
    report.add_argument("out", type=Path, help="the --out of a sweep")
    report.add_argument(
        "other", type=Path, nargs="?", help="another sweep on the same problems: the two are compared"
    )
    report.set_defaults(run=_report)
    view = commands.add_parser(
        "view", help="write results as one HTML file, to read problems, thinking and answers in a browser"
    )
    view.add_argument("out", type=Path, nargs="+", help="the --out of a sweep, or of several: side by side")
    view.add_argument(
        "--to",
        type=Path,
        help="the HTML file [view.html in the first folder]; large results are split into several",
    )
    view.set_defaults(run=_view)
    export = commands.add_parser(
        "export", help="write results as a Hugging Face data set (Parquet), or as logs of inspect-ai"
    )
    export.add_argument("out", type=Path, help="the --out of a sweep")
    export.add_argument("to", type=Path, help="folder of the export; must not exist")
    export.add_argument(
        "--format",
        choices=("huggingface", "inspect"),
        default="huggingface",
        help="huggingface: a folder for load_dataset; inspect: JSON logs for `inspect view` [huggingface]",
    )
    export.set_defaults(run=_export)
    trim = commands.add_parser(
        "trim", help="copy results without prompts and texts, small enough for a repository"
    )
    trim.add_argument("out", type=Path, help="the --out of a sweep")
    trim.add_argument("kept", type=Path, help="folder of the copy; must not exist")
    trim.set_defaults(run=_trim)
    problems = commands.add_parser("problems", help="print a task's problems as JSONL, for other harnesses")
    problems.add_argument("task", help="one of `s1-eval tasks`")
    problems.add_argument(
        "--data", type=Path, help="a local file with the columns of the task's data set on the hub"
    )
    for name in ("scorer", "name", "question_field", "answer_field", "id_field"):
        flag = f"--{name.replace('_', '-')}"
        problems.add_argument(flag, default="", help="as of `s1-eval sweep --task jsonl`")
    problems.add_argument("--problems", type=int, help="number of problems, from the first")
    problems.add_argument("--seed", type=int, default=0, help="seed of the drawn problems (default: 0)")
    problems.set_defaults(run=_problems)
    tasks = commands.add_parser("tasks", help="list the tasks")
    tasks.set_defaults(run=_tasks)
    return parser


def _sweep(given: argparse.Namespace) -> int:
    import asyncio

    from evals.settings import settings_from
    from evals.sweep import sweep

    settings = settings_from(given)
    done = asyncio.run(sweep(settings))
    speed = done.tokens / done.seconds if done.seconds else 0.0
    print(
        f"{done.asked} problems asked, {done.found} were there, {done.seconds:.1f} s, {speed:,.0f} tokens/s"
    )
    print(f"now: s1-eval report {settings.out}")
    return 0


def _report(given: argparse.Namespace) -> int:
    from evals.report import report

    if given.other is not None:
        from evals.report.compare import compare

        print(compare(given.out, given.other))
    else:
        print(report(given.out))
    return 0


def _view(given: argparse.Namespace) -> int:
    from evals.view.write import view

    for path in view(given.out, given.to or given.out[0] / "view.html"):
        print(path)
    return 0


def _export(given: argparse.Namespace) -> int:
    from evals.export import export

    print(export(given.out, given.to, given.format))
    return 0


def _trim(given: argparse.Namespace) -> int:
    from evals.trim import trim

    print(trim(given.out, given.kept))
    return 0


def _problems(given: argparse.Namespace) -> int:
    from evals.tasks import task_named
    from evals.tasks.own_file import OwnFile
    from evals.tasks.task import Load
    from server.reasoning.records import lines_of

    own = OwnFile(given.scorer, given.name, given.question_field, given.answer_field, given.id_field)
    task = task_named(given.task, given.data, own)
    limit = task.problems if given.problems is None else given.problems
    sys.stdout.writelines(lines_of(task.load(Load(given.data, limit, given.seed))))
    return 0


def _tasks(_given: argparse.Namespace) -> int:
    from evals.tasks import TASKS
    from evals.tasks.own_file import OWN
    from evals.tasks.reasoning_gym import PREFIX, sound_names

    print("\n".join([*TASKS, OWN, *(PREFIX + name for name in sound_names())]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
