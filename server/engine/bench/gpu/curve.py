"""Stage: s1-nano's accuracy against its thinking, by `s1-eval sweep` on an `s1-serve`, and in how long."""

import argparse
import csv
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from server.engine.bench.gpu.result import ResultFile
from server.engine.bench.gpu.servers import OURS, serving

BUDGETS = "0,16,32,64,128,256"
PROBLEMS = 1000
REDUCED_BUDGETS, REDUCED_PROBLEMS = "0,64", 24


def evals(*arguments: str) -> None:
    """A command of s1-eval. Raises CalledProcessError if it fails."""
    subprocess.run([sys.executable, "-m", "evals", *arguments], check=True)


def sweep(result: ResultFile, url: str, budgets: str, problems: int, folder: Path) -> None:
    """The natural stop and these maxima."""
    began = time.monotonic()
    evals(
        *("sweep", "--base-url", f"{url}/v1", "--task", "nano", "--problems", str(problems)),
        *("--max-tokens", budgets, "--majority", "0", "--concurrency", "256", "--out", str(folder)),
    )
    result.add(budgets=budgets, problems=problems, sweep_s=round(time.monotonic() - began, 1))
    evals("report", str(folder))
    with (folder / "scaling.csv").open() as file:
        result.add(rows=list(csv.DictReader(file)))


def main(arguments: Sequence[str] | None = None) -> None:
    """The stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--reduced", action="store_true")
    given = parser.parse_args(arguments)
    result = ResultFile(given.out)
    budgets, problems = (REDUCED_BUDGETS, REDUCED_PROBLEMS) if given.reduced else (BUDGETS, PROBLEMS)
    # Graphs are what a GPU is fast with; s1-serve runs its own model eagerly unless told.
    flags = ["--max-num-seqs", "256", "--no-enforce-eager"] if not given.reduced else []
    with serving(OURS, flags) as server, TemporaryDirectory() as folder:
        result.add(ready_s=server.ready_s, flags=flags)
        sweep(result, server.url, budgets, problems, Path(folder) / "curve")


if __name__ == "__main__":
    main()
