"""Both stages of decontamination on a pool of so many questions: COUNT FOLDER, in a process of its own.

Prints CPU seconds, the rows that stay, and memory in MiB before and at its peak.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from random import Random

from curation.decontaminate.contamination import Contamination
from curation.decontaminate.duplicates import Duplicates
from curation.decontaminate.references import EvalQuestion
from curation.row import Outcome, Row, RowFile, row_line
from server.reasoning.records import Problem

REFERENCES = 728
REPEATED = 1_000
"""Every twentieth row is one of so many questions again, every fortieth with a word more."""


def questions() -> Iterator[str]:
    """Of words that are as frequent as in a language."""
    rng = Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["".join(rng.choices(letters, k=rng.randrange(2, 9))) for _ in range(20_000)]
    cumulative = list(accumulate(1 / (rank + 3) for rank in range(len(vocabulary))))
    while True:
        words = rng.choices(vocabulary, cum_weights=cumulative, k=rng.randrange(20, 100))
        words[3] = str(rng.randrange(1000))
        yield " ".join(words)


def write_pool(path: Path, count: int, fresh: Iterator[str]) -> None:
    first = [next(fresh) for _ in range(REPEATED)]
    with path.open("wb") as file:
        for at in range(count):
            again = first[at // 20 % REPEATED] + (" indeed" if at % 40 else "")
            text = next(fresh) if at % 20 else again
            problem = Problem(f"math/{at}", text, "1", "s" * 500, source="math")
            file.write(row_line(Row(problem)))


def peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def timed(stage: Callable[[Iterable[Row]], Iterator[Outcome]], rows: RowFile) -> tuple[float, int]:
    """CPU seconds, and how many rows stay."""
    began = time.process_time()
    stayed = sum(isinstance(one, Row) for one in stage(rows))
    return time.process_time() - began, stayed


def main() -> None:
    """Measure, and print it as JSON."""
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    fresh, path = questions(), folder / "rows.jsonl"
    write_pool(path, count, fresh)
    references = tuple(EvalQuestion(f"eval {at}", next(fresh)) for at in range(REFERENCES))
    rows, before = RowFile(path), peak_mib()
    contamination_s, kept = timed(Contamination(references), rows)
    duplicates_s, stayed = timed(Duplicates(), rows)
    told = {"contamination_s": contamination_s, "duplicates_s": duplicates_s, "kept": kept, "stayed": stayed}
    print(json.dumps({**told, "before_mib": before, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
