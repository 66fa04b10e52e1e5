"""How many random examples a property is tried on: `make quick` tries a third, everything else all."""

import os

SHARE = float(os.environ.get("TESTS_EXAMPLES", "1"))


def examples(count: int) -> int:
    """So many, or the share of them that the environment asks for."""
    return max(1, round(count * SHARE))
