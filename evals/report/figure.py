"""The figure: accuracy against mean thinking tokens on a base-2 axis, readable in black and white."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from math import floor, log2
from pathlib import Path
from typing import Any

from evals.methods import NATURAL
from evals.report.decoding import labelled
from evals.report.labels import MARKER, Box, Label, along, joined, placed
from evals.report.measured import Group, Measured
from evals.report.votes import Vote

# Distinguished by marker, line style and hatch; colour is redundant.
MAXIMUM = ("Maximum budget", "o", "-", "#1b4f72", "")
WAITS = ("Wait", "s", "--", "#b9770e", "////")
VOTES = ("Majority of k samples", "^", ":", "#5b5b5b", "....")
VOTED = "votes"
PAPERS = (NATURAL.method, "max", "waits")
TITLES = {
    "max": MAXIMUM[0],
    "waits": WAITS[0],
    VOTED: VOTES[0],
    "min": "Minimum",
    "token": "Token-conditional",
    "token+max": "Token-conditional, closed",
    "step": "Step-conditional",
    "step+max": "Step-conditional, counted down",
    "class": "Class-conditional",
    "reject": "Rejection sampling",
    "grace": "Maximum, soft landing",
    "no-wait": "NoWait",
    "alpha": "AlphaOne",
}
MARKERS = "DvP<>Xph8dH^s"
COLOURS = ("#444444", "#8e44ad", "#117a65", "#c0392b", "#2471a3", "#7d6608")
SWITCHED = ("=true", "=false")
MAX_INNER_LEGEND = 6
"""Maximum number of lines for a legend inside the axes; with more it is placed next to them."""
DPI = 150
# Size of the natural stop's star in pixels.
STAR = 30.0

Style = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a line, with its label; accuracies in percent."""

    tokens: float
    accuracy: float
    low: float
    high: float
    label: str


Line = tuple[Style, list[Point]]


def draw(group: Group, path: Path) -> None:
    """Draw a group's figure into `path`."""
    # Agg without pyplot: no window system, no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    lines = _lines(group)
    figure = Figure(figsize=(8 if len(lines) <= MAX_INNER_LEGEND else 10, 5.2), dpi=DPI)
    figure.set_layout_engine("none")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    zero_at = _place_of_zero([p.tokens for _, points in lines for p in points if p.tokens > 0])
    for style, points in lines:
        _line(axes, style, points, zero_at)
    naturals = [(one.tokens, one.accuracy, one.told) for one in group.naturals if one.tokens]
    for tokens, accuracy, told in naturals:
        _natural(axes, tokens, accuracy, told)
    _frame(axes, group, zero_at, [p for _, points in lines for p in points])
    # Once, and not by the figure, which would lay out and draw everything again to be saved.
    ConstrainedLayoutEngine().execute(figure)
    _labels(axes, lines, zero_at, [(tokens, accuracy) for tokens, accuracy, _ in naturals])
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def _place_of_zero(tokens: Sequence[float]) -> float:
    """The position of zero on the logarithmic axis: a power of two well below the smallest value."""
    return float(2 ** floor(log2(min(tokens, default=4.0)) - 0.7))


def _lines(group: Group) -> list[Line]:
    """The paper's arms first, always in the same style, then the others.

    Of several samplings each has its lines, and the first the paper's styles.
    """
    first = next((told for kind, told in group.lines if kind in PAPERS), "")
    votes = list(dict.fromkeys(vote.told for vote in group.votes))
    paper: list[tuple[Style, str, str]] = [(MAXIMUM, "max", first), (WAITS, "waits", first)]
    paper += [(VOTES, VOTED, told) for told in votes[:1]]
    others = [line for line in group.lines if line[0] not in PAPERS] + [
        *((kind, told) for kind, told in group.lines if kind in ("max", "waits") and told != first),
        *((VOTED, told) for told in votes[1:]),
    ]
    styles = [
        ((TITLES.get(kind, kind), marker, "-.", colour, ""), kind, told)
        for (kind, told), marker, colour in zip(others, cycle(MARKERS), cycle(COLOURS), strict=False)
    ]
    found = [
        ((labelled(style[0], told), *style[1:]), _points_of(group, kind, told))
        for style, kind, told in paper + styles
    ]
    return [(style, sorted(points, key=lambda p: p.tokens)) for style, points in found if points]


def _points_of(group: Group, kind: str, told: str) -> list[Point]:
    """The points of a line of arms or of votes; the natural stop is zero Waits."""
    if kind == VOTED:
        return _vote_points([vote for vote in group.votes if vote.told == told])
    if kind == "waits":
        return _points(group.line(NATURAL.method, told) + group.line(kind, told), "×")
    return _points(group.line(kind, told))


def _points(arms: Sequence[Measured], unit: str = "") -> list[Point]:
    """The points of a line. The natural stop (a star) and the only point of a method have no label."""
    return [
        Point(
            tokens=one.tokens,
            accuracy=one.accuracy,
            low=one.low,
            high=one.high,
            label=_scaling_label(one, arms) if one.arm.scaling is not None else _label(one, unit),
        )
        for one in arms
        if one.tokens is not None
    ]


def _vote_points(votes: Sequence[Vote]) -> list[Point]:
    return [Point(v.tokens, v.majority, v.low, v.high, f"k={v.k}") for v in votes if v.tokens is not None]


def _label(one: Measured, unit: str) -> str:
    """The value of the setting."""
    return "" if one.arm is NATURAL else one.arm.name.partition("=")[2] + unit


def _scaling_label(one: Measured, arms: Sequence[Measured]) -> str:
    """The last setting that the method's other arms have not, else that some of them have not; words bare.

    A switch says nothing by itself.
    """
    settings = [each.arm.name.split(":")[1:] for each in arms]
    own = [part for part in one.arm.name.split(":")[1:] if not part.endswith(SWITCHED)]
    shares = {part: sum(part in each for each in settings) for part in own}
    told = [part for part in own if shares[part] < len(arms)]
    only = [part for part in told if shares[part] == 1]
    name, _, value = (only or told or [""])[-1].partition("=")
    return value if value.isalpha() else f"{name}={value}" if value else name


def _line(axes: Any, style: Style, points: list[Point], zero_at: float) -> None:
    title, marker, dashes, colour, hatch = style
    xs = [p.tokens or zero_at for p in points]
    low, high = [p.low for p in points], [p.high for p in points]
    if len(points) == 1:  # a single point has no band
        axes.vlines(xs, low, high, colors=colour, linewidth=1.2, zorder=2)
    axes.fill_between(xs, low, high, facecolor=colour, alpha=0.18, hatch=hatch, edgecolor=colour, linewidth=0)
    axes.plot(
        xs, [p.accuracy for p in points], marker=marker, linestyle=dashes, color=colour, label=title,
        markersize=6, markerfacecolor="white", markeredgewidth=1.4, zorder=3,
        clip_on=False,  # markers at 0 and 100 are half outside
    )  # fmt: skip


def _labels(
    axes: Any, lines: Sequence[Line], zero_at: float, naturals: Sequence[tuple[float, float]]
) -> None:
    """Place the labels, after the axes are final: positions are chosen in pixels."""
    from matplotlib.patheffects import withStroke

    texts: list[tuple[Label, str]] = []
    obstacles: list[Box] = []
    for (_, _, _, colour, _), points in lines:
        at = [axes.transData.transform((p.tokens or zero_at, p.accuracy)) for p in points]
        own = [Label(p.label, float(x), float(y)) for p, (x, y) in zip(points, at, strict=True)]
        obstacles += [box for a, b in pairwise(own) for box in along(a, b)]
        obstacles += [Box(one.x, one.y, MARKER, MARKER) for one in own if not one.text]
        texts += [(label, colour) for label in joined(own)]
    frame = _box(axes.get_window_extent())
    obstacles.append(_box(axes.get_legend().get_window_extent()))
    for natural in naturals:
        x, y = axes.transData.transform(natural)
        obstacles += [Box(x, y, STAR, STAR), Box(x, frame.y, 3.0, frame.height)]
    boxes = placed([label for label, _ in texts], obstacles, frame)
    for (label, colour), box in zip(texts, boxes, strict=True):
        axes.annotate(
            label.text, (box.x, box.y), xycoords="figure pixels", ha="center", va="center",
            fontsize=8, color=colour, zorder=6, path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip


def _box(extent: Any) -> Box:
    return Box((extent.x0 + extent.x1) / 2, (extent.y0 + extent.y1) / 2, extent.width, extent.height)


def _natural(axes: Any, tokens: float, accuracy: float, told: str) -> None:
    axes.axvline(tokens, color="black", linewidth=0.8, linestyle=(0, (1, 3)), zorder=1)
    axes.plot([tokens], [accuracy], marker="*", markersize=15, color="black", linestyle="none",
              label=labelled("Natural stop", told), zorder=4)  # fmt: skip


def _frame(axes: Any, group: Group, zero_at: float, points: list[Point]) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    axes.set_xscale("log", base=2)
    max_tokens = max(p.tokens for p in points)
    ticks: list[float] = [2.0**power for power in range(40) if zero_at < 2**power <= max_tokens * 1.5]
    labels = [f"{tick:,.0f}" for tick in ticks]
    if any(p.tokens == 0 for p in points):
        ticks, labels = [zero_at, *ticks], ["0", *labels]
        # The break in the axis between zero and the smallest value.
        axes.text(
            zero_at * 2**0.5, 0, "//", transform=axes.get_xaxis_transform(), ha="center", va="center",
            fontsize=11, zorder=7,
        )  # fmt: skip
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels(labels)
    axes.set_xlabel("mean thinking tokens per problem")
    axes.set_ylabel("accuracy (%)")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.06)
    n = max((one.problems for one in group.arms), default=0)
    axes.set_title(f"{group.task}, {group.model}: {n:,} problems a point, 95% intervals", fontsize=11)
    axes.grid(True, color="#dddddd", linewidth=0.6)
    if len(axes.get_legend_handles_labels()[0]) <= MAX_INNER_LEGEND + 1:  # the natural stop is one
        axes.legend(loc="upper left", frameon=False)
    else:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False)
