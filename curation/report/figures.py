"""The figures of a run: funnel, domains, lengths. Readable in black and white; no display needed."""

from collections import Counter
from pathlib import Path
from textwrap import shorten
from typing import Any

from curation.run.ledger import StageCount

MAX_BARS = 25
_INK, _PALE = "#1f4e79", "#c9d6e3"


def draw(counts: list[StageCount], domains: Counter[str], lengths: list[int], out: Path) -> list[Path]:
    """Draw the figures into the folder `out`; returns the files. MSC codes are shown with their titles."""
    drawn = [_saved(_funnel(counts), out / "funnel.png"), _saved(_domains(domains), out / "domains.png")]
    if lengths:
        drawn.append(_saved(_lengths(lengths), out / "lengths.png"))
    return drawn


def _figure(width: float, height: float) -> Any:
    # A Figure without pyplot: no global state, no display needed.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _saved(figure: Any, path: Path) -> Path:
    # Otherwise the file contains matplotlib's version and differs between releases.
    figure.savefig(path, dpi=150, metadata={"Software": None})
    return path


def _funnel(counts: list[StageCount]) -> Any:
    """Kept and dropped rows per stage; the numbers are printed, since they span orders of magnitude."""
    figure = _figure(8, 0.42 * len(counts) + 1.2)
    axes = figure.add_subplot()
    names = [one.stage for one in counts]
    axes.barh(
        names, [one.before for one in counts], color=_PALE, hatch="//", edgecolor="#7f93a8", label="dropped"
    )
    axes.barh(names, [one.kept for one in counts], color=_INK, label="kept")
    for place, one in enumerate(counts):
        axes.annotate(
            f"{one.kept:,}",
            (max(one.before, one.kept), place),
            (4, 0),
            textcoords="offset points",
            va="center",
        )
    axes.margins(y=0.02)
    axes.invert_yaxis()
    axes.set_xlabel("rows")
    axes.set_xlim(0, 1.15 * max(one.before for one in counts))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    _bare(axes)
    return figure


def _domains(domains: Counter[str]) -> Any:
    ordered = sorted(domains.items(), key=lambda one: (-one[1], one[0]))[:MAX_BARS]
    figure = _figure(8, 0.3 * len(ordered) + 1.0)
    axes = figure.add_subplot()
    names = [titled(name) for name, _ in ordered]
    bars = axes.barh(names, [number for _, number in ordered], color=_INK)
    axes.bar_label(bars, padding=3)
    axes.margins(x=0.06, y=0.01)
    axes.invert_yaxis()
    axes.set_xlabel(f"selected rows ({len(ordered)} of {len(domains)} domains)")
    _bare(axes)
    return figure


def titled(domain: str) -> str:
    """An MSC code with its title; any other domain unchanged."""
    from curation.domains.msc import MSC

    title = MSC.get(domain)
    return f"{shorten(title, 42, placeholder=' ...')} ({domain})" if title else domain


def _lengths(lengths: list[int]) -> Any:
    figure = _figure(8, 3.2)
    axes = figure.add_subplot()
    axes.hist(lengths, bins=40, color=_INK, edgecolor="white")
    middle = sorted(lengths)[len(lengths) // 2]
    axes.axvline(middle, color="black", linestyle="--", label=f"median {middle:,}")
    axes.set_xlabel("characters of thinking")
    axes.set_ylabel("selected rows")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.legend(frameon=False)
    _bare(axes)
    return figure


def _bare(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
