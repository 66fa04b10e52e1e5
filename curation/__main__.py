"""Select training data from a pool of questions, as s1K was selected."""

import argparse
import sys
from pathlib import Path

from curation.errors import CurationError
from curation.recipes import RECIPES
from curation.run.inputs import manifest_for
from curation.run.ledger import StageCount
from curation.run.pipeline import run
from curation.settings import add_flags, settings_from
from curation.sources import SOURCES
from server.reasoning.command import exit_status


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 for an error, 130 for Ctrl-C."""
    given = _parser().parse_args(arguments)
    return exit_status("s1-curate", lambda: int(given.run(given)), CurationError)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="s1-curate", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    runs = commands.add_parser("run", help="run a recipe on a pool of questions; writes train.jsonl")
    add_flags(runs, tuple(RECIPES))
    runs.set_defaults(run=_run)
    show = commands.add_parser(
        "show", help="print a run's funnel, domains and lengths, and write its figures"
    )
    show.add_argument("out", type=Path, help="the --out of a run")
    show.set_defaults(run=_show)
    convert = commands.add_parser(
        "convert", help="write a data set of chats or traces as train.jsonl, without pool and selection"
    )
    convert.add_argument("data", type=Path, nargs="+", help="files or folders, as the hub has them")
    convert.add_argument("--out", type=Path, required=True, help="the train.jsonl to write")
    convert.add_argument(
        "--strict", action="store_true", help="end at the first bad row, in place of dropping it"
    )
    convert.set_defaults(run=_convert)
    sources = commands.add_parser(
        "sources", help="list the sources of the pool, with their hub ids and licences"
    )
    sources.set_defaults(run=_sources)
    return parser


def _run(given: argparse.Namespace) -> int:
    settings = settings_from(given)
    recipe = RECIPES[settings.recipe](settings)
    run(recipe, manifest_for(settings), settings.out, _print_count)
    print(f"now: s1-curate show {settings.out}")
    return 0


def _print_count(count: StageCount) -> None:
    reasons = ", ".join(f"{name} {number:,}" for name, number in count.dropped.items())
    print(f"{count.stage:>16}  {count.before:>9,} -> {count.kept:>9,}  {reasons or count.note}", flush=True)


def _show(given: argparse.Namespace) -> int:
    from curation.report.show import show

    print(show(given.out))
    return 0


def _convert(given: argparse.Namespace) -> int:
    from curation.convert import convert

    print(convert(given.data, given.out, given.strict))
    return 0


def _sources(_: argparse.Namespace) -> int:
    for source in SOURCES.values():
        print(
            f"{source.name:<16} {source.licence:<52} {', '.join(dict.fromkeys(h.path for h in source.hub))}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
