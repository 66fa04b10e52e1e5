"""Places the labels of a figure: next to their points, not over other labels or markers, inside the frame."""

from collections.abc import Sequence
from dataclasses import dataclass

# Sizes in pixels at the figure's resolution, for 8-point type.
CHARACTER, LINE, GAP, MARKER = 10.0, 19.0, 11.0, 9.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels, given by its centre."""

    x: float
    y: float
    width: float
    height: float

    def overlap(self, other: "Box") -> float:
        """The area shared with another box, in square pixels."""
        wide = min(self.x + self.width / 2, other.x + other.width / 2) - max(
            self.x - self.width / 2, other.x - other.width / 2
        )
        high = min(self.y + self.height / 2, other.y + other.height / 2) - max(
            self.y - self.height / 2, other.y - other.height / 2
        )
        return max(0.0, wide) * max(0.0, high)

    def outside(self, frame: "Box") -> float:
        """The area outside of the frame, in square pixels."""
        return self.width * self.height - self.overlap(frame)


@dataclass(frozen=True, slots=True)
class Label:
    """A text for the point (x, y)."""

    text: str
    x: float
    y: float


def joined(labels: Sequence[Label], nearer: float = 14.0) -> list[Label]:
    """Labels with those of nearly coinciding points merged: "64, 128"."""
    found: list[Label] = []
    for label in labels:
        if found and abs(label.x - found[-1].x) < nearer and abs(label.y - found[-1].y) < nearer:
            last = found.pop()
            texts = [text for text in (last.text, label.text) if text]
            label = Label(", ".join(texts), last.x, last.y)
        found.append(label)
    return [label for label in found if label.text]


def along(a: Label, b: Label) -> list[Box]:
    """Small boxes along the straight line between two points, so that no label covers it."""
    steps = max(1, int(max(abs(b.x - a.x), abs(b.y - a.y)) / 6))
    return [
        Box(a.x + (b.x - a.x) * step / steps, a.y + (b.y - a.y) * step / steps, 5.0, 5.0)
        for step in range(1, steps)
    ]


def placed(labels: Sequence[Label], obstacles: Sequence[Box], frame: Box) -> list[Box]:
    """A box for each label, in order: the nearest position with minimum overlap."""
    taken = [*obstacles, *(Box(label.x, label.y, MARKER, MARKER) for label in labels)]
    boxes: list[Box] = []
    for label in labels:
        places = _places(label)
        reach = _around(label, places)
        near = [box for box in taken if reach.overlap(box)]
        best = min(places, key=lambda box: sum(map(box.overlap, near)) + 4 * box.outside(frame))
        boxes.append(best)
        taken.append(best)
    return boxes


def _around(label: Label, places: Sequence[Box]) -> Box:
    """A box around all places of a label."""
    wide = max(abs(place.x - label.x) + place.width / 2 for place in places)
    high = max(abs(place.y - label.y) + place.height / 2 for place in places)
    return Box(label.x, label.y, 2 * wide, 2 * high)


def _places(label: Label) -> list[Box]:
    """Candidate positions around a point, near ones first."""
    width = CHARACTER * len(label.text) + 4
    found = []
    for ring in (1.0, 1.9, 2.8):
        up, side = ring * (GAP + LINE / 2), ring * GAP + width / 2
        near = ring * GAP
        for dx, dy in (
            (0.0, up), (0.0, -up), (side, 0.0), (-side, 0.0),
            (side, near), (-side, near), (side, -near), (-side, -near),
        ):  # fmt: skip
            found.append(Box(label.x + dx, label.y + dy, width, LINE))
    return found
