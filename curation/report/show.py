"""The report on a finished run: funnel, sources, domains, lengths. Reads files; writes only the figures."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from curation.errors import CurationError
from curation.export import PROBLEMS, TRAIN
from curation.report.figures import draw, titled
from curation.run.ledger import funnel_text, read_funnel
from server.reasoning.records import Problem, Trace, read_objects

MAX_LINES = 20


@dataclass(frozen=True, slots=True)
class Chosen:
    """Statistics of the selected rows; lengths are characters of thinking."""

    domains: Counter[str]
    sources: Counter[str]
    lengths: list[int]
    right: Counter[bool | None]


def show(out: Path) -> str:
    """The report as text; the figures are written into `out`.

    Raises:
        CurationError: There is no finished run in `out`.
    """
    counts, chosen = read_funnel(out), read_chosen(out)
    figures = draw(counts, chosen.domains, chosen.lengths, out)
    parts = [
        funnel_text(counts),
        _table("source", chosen.sources),
        _table("domain", Counter({titled(code): number for code, number in chosen.domains.items()})),
        _lengths(chosen),
        "figures: " + ", ".join(str(path) for path in figures),
    ]
    return "\n\n".join(filter(None, parts))


def read_chosen(out: Path) -> Chosen:
    """The statistics of the selected rows.

    Raises:
        CurationError: There is neither train.jsonl nor problems.jsonl.
    """
    path = next((one for one in (out / TRAIN, out / PROBLEMS) if one.exists()), None)
    if path is None:
        raise CurationError(f"{out}: neither {TRAIN} nor {PROBLEMS} here")
    found = Chosen(Counter(), Counter(), [], Counter())
    for _, value in read_objects(path):
        problem = Problem(**(value.get("problem") or _without_schema(value)))
        found.domains[problem.domain or "none"] += 1
        found.sources[problem.source] += 1
        if "trace" in value:
            trace = Trace(**value["trace"])
            found.lengths.append(len(trace.thinking))
            found.right[trace.correct] += 1
    return found


def _without_schema(value: dict[str, object]) -> dict[str, object]:
    return {name: one for name, one in value.items() if name != "schema"}


def _table(name: str, counts: Counter[str]) -> str:
    lines = [f"| {name} | rows |", "|---|---:|"]
    lines += [f"| {one} | {number:,} |" for one, number in _first(counts)]
    return "\n".join(lines)


def _first(counts: Counter[str]) -> list[tuple[str, int]]:
    """The most frequent values, in a fixed order, and the sum of the others."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    rest = ordered[MAX_LINES:]
    more = [(f"{len(rest)} more", sum(number for _, number in rest))] if rest else []
    return ordered[:MAX_LINES] + more


def _lengths(chosen: Chosen) -> str:
    if not chosen.lengths:
        return "no traces: problems only"
    ordered = sorted(chosen.lengths)
    middle, last = ordered[len(ordered) // 2], ordered[-1]
    mean = sum(ordered) / len(ordered)
    right = chosen.right
    return (
        f"thinking: mean {mean:,.0f}, median {middle:,}, longest {last:,} characters; "
        f"answers right {right[True]:,}, wrong {right[False]:,}, ungraded {right[None]:,}"
    )
