"""Algorithm 1 of the paper: a random domain, then a row of it with weight 2^-rank, longest thinking first.

The paper draws domains uniformly throughout. Its notebook (data/filter.ipynb) does so up to 700 rows, then by
the frequency of a domain in AIME and GPQA; `benchmark_from` is the row from which on this holds (None:
never).
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random

from curation.errors import CurationError
from curation.select.candidate import Candidate

NOTEBOOK_FROM = 700
# Total weight of GPQA's domains relative to AIME's: "enlarge_ratio" in the notebook.
GPQA_SHARE = 0.5
# All weights beyond this rank together are below 2^-60.
MAX_RANK = 60

Pools = dict[str, list[Candidate]]
"""The rows that may still be drawn, by domain, longest thinking first."""


def algorithm1(
    candidates: Sequence[Candidate],
    chosen: Sequence[Candidate],
    wanted: int,
    rng: Random,
    benchmark_from: int | None = None,
) -> list[Candidate]:
    """`chosen` (the preselection) and further rows up to `wanted`, if there are as many.

    Raises:
        CurationError: `benchmark_from` is set, and no row of AIME is left.
    """
    weights = benchmark_weights(candidates) if benchmark_from is not None else Counter[str]()
    taken = {one.id for one in chosen}
    pools = _pools([one for one in candidates if one.id not in taken])
    result = list(chosen)
    while len(result) < wanted and pools:
        late = benchmark_from is not None and len(result) >= benchmark_from
        domain = _weighted_domain(pools, weights, rng) if late else _any_domain(pools, rng)
        result.append(pools[domain].pop(rank(len(pools[domain]), rng)))
        if not pools[domain]:
            del pools[domain]
    return result


def benchmark_weights(candidates: Sequence[Candidate]) -> Counter[str]:
    """AIME's rows per domain, plus GPQA's scaled to half of AIME's total, rounded down as in the notebook.

    Raises:
        CurationError: No row of AIME is left.
    """
    aime = Counter(one.domain for one in candidates if one.source == "aime")
    gpqa = Counter(one.domain for one in candidates if one.source == "gpqa")
    if not aime:
        raise CurationError("the notebook's selection follows AIME's domains, and no row of AIME is left")
    scale = GPQA_SHARE * aime.total() / gpqa.total() if gpqa else 0.0
    return aime + Counter({domain: int(count * scale) for domain, count in gpqa.items()})


def _pools(candidates: Sequence[Candidate]) -> Pools:
    pools: Pools = defaultdict(list)
    for one in candidates:
        pools[one.domain].append(one)
    # Ties are broken by id, so that the order of the pool does not matter.
    return {domain: sorted(pools[domain], key=lambda one: (-one.length, one.id)) for domain in sorted(pools)}


def _any_domain(pools: Pools, rng: Random) -> str:
    return rng.choice(list(pools))


def _weighted_domain(pools: Pools, weights: Counter[str], rng: Random) -> str:
    """A domain by weight; any domain once those of the benchmarks are exhausted."""
    left = [domain for domain in pools if weights[domain] > 0]
    return rng.choices(left, [weights[domain] for domain in left])[0] if left else _any_domain(pools, rng)


def rank(count: int, rng: Random) -> int:
    """A rank below `count`: 0 with weight 1, 1 with weight 1/2, 2 with weight 1/4, ..."""
    max_rank = min(count, MAX_RANK)
    return rng.choices(range(max_rank), [2.0**-at for at in range(max_rank)])[0]
