"""Prove the server on a CUDA machine: `python -m server.engine.bench.gpu --part exactness --out DIR`.

Each stage leaves DIR/STAGE.json as it ends. --reduced: the same code, small, also on a CPU.
"""

import argparse
import signal
import sys
from pathlib import Path

from server.engine.bench.gpu.stages import PART_LIMIT_S, PARTS, run_part


def main(arguments: list[str] | None = None) -> int:
    """0 if every stage succeeded."""
    parser = argparse.ArgumentParser(prog="python -m server.engine.bench.gpu", description=__doc__)
    parser.add_argument("--part", required=True, choices=PARTS)
    parser.add_argument("--out", type=Path, required=True, help="the folder of results")
    parser.add_argument("--stages", help="of the part: these only, separated by commas")
    parser.add_argument("--limit-s", type=float, default=PART_LIMIT_S, help="of the whole part [%(default)s]")
    parser.add_argument("--reduced", action="store_true", help="small, also without CUDA, with more time")
    given = parser.parse_args(arguments)
    stages = {stage.name: stage for stage in PARTS[given.part]}
    wanted = given.stages.split(",") if given.stages else list(stages)
    if unknown := [name for name in wanted if name not in stages]:
        parser.error(f"--stages: {unknown[0]!r} is none of {', '.join(stages)}")
    # Ended from outside, it ends its stage, too, which is of another process group.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    chosen = [stage for name, stage in stages.items() if name in wanted]
    return 0 if run_part(chosen, given.out, given.reduced, given.limit_s) else 1


if __name__ == "__main__":
    sys.exit(main())
