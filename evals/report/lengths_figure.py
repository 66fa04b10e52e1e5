"""The histograms as SVG: for each arm, right replies above its line and wrong ones below, by thinking tokens.

Written here rather than by matplotlib, which needs longer for these bars than the rest of a report.
"""

from collections.abc import Iterator, Sequence
from html import escape
from math import log2

from evals.report.measured import Group, Measured

# Distinguished by side and hatch; colour is redundant.
RIGHT, WRONG = "#1b4f72", "url(#wrong)"
WRONG_HATCH = (
    '<pattern id="wrong" width="5" height="5" patternTransform="rotate(45)" patternUnits="userSpaceOnUse">'
    '<rect width="5" height="5" fill="#b9770e"/><rect width="1.5" height="5" fill="#ffffff"/></pattern>'
)
LINE, BAR, PLOT, CHARACTER = 46.0, 20.0, 480.0, 6.6
"""In pixels: from one arm's line to the next, the highest bar, the width of the axis, and of a character."""
TOP, BOTTOM, MARGIN = 62.0, 44.0, 14.0


def lengths_svg(group: Group) -> str:
    """The picture of a group that has lengths."""
    arms = [one for one in group.arms if one.lengths.bins]
    left = MARGIN + CHARACTER * max(len(one.label) for one in arms)
    axis = _Axis(left, [edge for one in arms for each in one.lengths.bins for edge in (each.low, each.high)])
    width, height = left + PLOT + 2 * MARGIN, TOP + LINE * len(arms) + BOTTOM
    title = escape(f"{group.task}, {group.model}: thinking tokens of right and of wrong replies")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" font-family="sans-serif" font-size="11" role="img" aria-label="{title}">',
            f"<defs>{WRONG_HATCH}</defs>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            _text(left, 20, title, "start", 13),
            f'<rect x="{left:.0f}" y="30" width="12" height="10" fill="{RIGHT}"/>',
            _text(left + 17, 39, "right, above the line", "start"),
            f'<rect x="{left + 150:.0f}" y="30" width="12" height="10" fill="{WRONG}"/>',
            _text(left + 167, 39, "wrong, below it; bars in proportion within an arm", "start"),
            *axis.ticks(height - BOTTOM),
            *(part for at, one in enumerate(arms) for part in _arm(one, axis, TOP + LINE * (at + 0.5))),
            "</svg>\n",
        ]
    )


class _Axis:
    """The logarithmic axis of tokens; zero has the octave below one."""

    def __init__(self, left: float, edges: Sequence[int]) -> None:
        self.left = left
        self._low, self._high = self._log(min(edges)), self._log(max(edges))

    @staticmethod
    def _log(tokens: int) -> float:
        return log2(tokens) if tokens else -1.0

    def at(self, tokens: int) -> float:
        """The position of a bin's edge."""
        return self.left + PLOT * (self._log(tokens) - self._low) / (self._high - self._low)

    def ticks(self, bottom: float) -> Iterator[str]:
        """A line and a number at each power of two, and what the axis counts."""
        if self._low < 0:
            yield _text((self.at(0) + self.at(1)) / 2, bottom + 14, "0")
        for power in range(40):
            if self._low <= power <= self._high:
                x = self.at(2**power)
                yield f'<path d="M{x:.1f} {TOP:.1f}V{bottom:.1f}" stroke="#dddddd"/>'
                yield _text(x, bottom + 14, f"{2**power:,}")
        yield _text(self.left + PLOT / 2, bottom + 32, "thinking tokens of a reply")


def _arm(one: Measured, axis: _Axis, y: float) -> Iterator[str]:
    """Its name, its line and its bars; the highest bar, of either side, has the full height."""
    bins = one.lengths.bins
    highest = max(max(each.right, each.wrong) for each in bins)
    yield _text(axis.left - 6, y + 4, escape(one.label), "end")
    yield f'<path d="M{axis.left:.1f} {y:.1f}h{PLOT:.1f}" stroke="#bbbbbb"/>'
    for each in bins:
        x, wide = axis.at(each.low), axis.at(each.high) - axis.at(each.low) - 1
        told = f"{each.low:,} to {each.high - 1:,} tokens: {each.right:,} right, {each.wrong:,} wrong"
        for count, fill, up in ((each.right, RIGHT, True), (each.wrong, WRONG, False)):
            if count:
                high = BAR * count / highest
                yield (
                    f'<rect x="{x:.1f}" y="{y - high if up else y:.1f}" width="{wide:.1f}" '
                    f'height="{high:.1f}" fill="{fill}"><title>{told}</title></rect>'
                )


def _text(x: float, y: float, text: str, anchor: str = "middle", size: int = 11) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{text}</text>'
