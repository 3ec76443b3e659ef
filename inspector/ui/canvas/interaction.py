"""Geometry of the canvas: where a frame lies in a view, what is under the cursor, where labels fit.

No Qt. Frame coordinates: a pixel (column x, row y) covers x..x+1, y..y+1. View coordinates: device-independent pixels of the
widget.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from inspector.core.types import HotSpot

LARGEST_SCALE = 64.0
Rect = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Viewport:
    """The part of a frame that a view shows, independent of the view's size: the frame point in the middle and the view pixels
    per frame pixel. `scale=None`: as large as fits.
    """

    x: float = 0.0
    y: float = 0.0
    scale: float | None = None


FIT = Viewport()


@dataclass(frozen=True, slots=True)
class Placement:
    """The map from frame to view coordinates: view = frame * scale + (left, top)."""

    scale: float
    left: float
    top: float

    def to_view(self, x: float, y: float) -> tuple[float, float]:
        return x * self.scale + self.left, y * self.scale + self.top

    def to_frame(self, x: float, y: float) -> tuple[float, float]:
        return (x - self.left) / self.scale, (y - self.top) / self.scale

    def rect(self, xyxy: Rect) -> Rect:
        """Return a rectangle of the frame in view coordinates."""
        return (*self.to_view(xyxy[0], xyxy[1]), *self.to_view(xyxy[2], xyxy[3]))


def fit_scale(frame: tuple[int, int], view: tuple[float, float]) -> float:
    """Return the largest scale at which a frame (width, height) is seen whole in a view (width, height)."""
    return max(min(view[0] / frame[0], view[1] / frame[1]), 1e-6)


def place(viewport: Viewport, frame: tuple[int, int], view: tuple[float, float]) -> Placement:
    """Return where a frame (width, height) lies in a view (width, height) that looks through `viewport`."""
    if viewport.scale is None:
        scale = fit_scale(frame, view)
        return Placement(scale, (view[0] - frame[0] * scale) / 2, (view[1] - frame[1] * scale) / 2)
    return Placement(viewport.scale, view[0] / 2 - viewport.x * viewport.scale, view[1] / 2 - viewport.y * viewport.scale)


def look_at(placement: Placement, view: tuple[float, float]) -> Viewport:
    """Return the viewport of a placement: the inverse of `place`."""
    x, y = placement.to_frame(view[0] / 2, view[1] / 2)
    return Viewport(x, y, placement.scale)


def zoomed(placement: Placement, factor: float, at: tuple[float, float], smallest: float) -> Placement:
    """Zoom by `factor` so that the frame point under the view point `at` stays there."""
    scale = min(max(placement.scale * factor, smallest), LARGEST_SCALE)
    x, y = placement.to_frame(*at)
    return Placement(scale, at[0] - x * scale, at[1] - y * scale)


def panned(placement: Placement, dx: float, dy: float) -> Placement:
    """Move the frame by (dx, dy) view pixels."""
    return Placement(placement.scale, placement.left + dx, placement.top + dy)


def held(viewport: Viewport, frame: tuple[int, int]) -> Viewport:
    """Return a viewport whose middle lies on the frame, so that the frame cannot leave the view."""
    if viewport.scale is None:
        return viewport
    return Viewport(min(max(viewport.x, 0.0), frame[0]), min(max(viewport.y, 0.0), frame[1]), viewport.scale)


def pixel_at(placement: Placement, at: tuple[float, float], frame: tuple[int, int]) -> tuple[int, int] | None:
    """Return the pixel (column, row) under a view point, or None outside the frame."""
    x, y = placement.to_frame(*at)
    if 0 <= x < frame[0] and 0 <= y < frame[1]:
        return int(x), int(y)
    return None


def visible(placement: Placement, frame: tuple[int, int], view: tuple[float, float]) -> tuple[int, int, int, int] | None:
    """Return the whole pixels (left, top, right, bottom) of a frame that a view shows, or None if there are none."""
    left, top = placement.to_frame(0.0, 0.0)
    right, bottom = placement.to_frame(*view)
    x0, y0 = max(0, int(left)), max(0, int(top))
    x1, y1 = min(frame[0], int(right) + 1), min(frame[1], int(bottom) + 1)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def hit_box(boxes: Sequence[Rect], x: float, y: float, margin: float = 0.0) -> int | None:
    """Return the index of the smallest box (left, top, right, bottom) that holds the point, widened by `margin`."""
    inside = [
        (max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0), index)
        for index, box in enumerate(boxes)
        if box[0] - margin <= x <= box[2] + margin and box[1] - margin <= y <= box[3] + margin
    ]
    return min(inside)[1] if inside else None


def hit_spot(spots: Sequence[HotSpot], x: float, y: float, radius: float) -> int | None:
    """Return the index of the hot spot whose hottest pixel is nearest to the frame point, within `radius`."""
    near = [((spot.x + 0.5 - x) ** 2 + (spot.y + 0.5 - y) ** 2, index) for index, spot in enumerate(spots)]
    near = [(distance, index) for distance, index in near if distance <= radius * radius]
    return min(near)[1] if near else None


def overlap(a: Rect, b: Rect) -> float:
    """Return the area two rectangles share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def place_labels(
    anchors: Sequence[Rect],
    sizes: Sequence[tuple[float, float]],
    view: tuple[float, float],
    *,
    avoid: Sequence[Rect] = (),
) -> list[Rect]:
    """Return a place for the label of each anchor (view coordinates), in the given order.

    Each place minimises the overlap with other labels and with the rectangles in `avoid`. The candidates in order: above the
    anchor, below it, inside its top, to its right, to its left, one row higher above. Labels stay inside the view as long as
    their anchor is visible.
    """
    placed: list[Rect] = []
    for anchor, (width, height) in zip(anchors, sizes, strict=True):
        left, top, right, bottom = anchor
        corners = (
            (left, top - height),
            (left, bottom),
            (left, top),
            (right, top),
            (left - width, top),
            (left, top - 2 * height),
            (left, bottom + height),
        )
        choices = [_inside((x, y, x + width, y + height), view) for x, y in corners]
        placed.append(min(choices, key=lambda choice: sum(overlap(choice, other) for other in (*placed, *avoid))))
    return placed


def _inside(rect: Rect, view: tuple[float, float]) -> Rect:
    width, height = rect[2] - rect[0], rect[3] - rect[1]
    left = min(max(rect[0], 0.0), max(view[0] - width, 0.0))
    top = min(max(rect[1], 0.0), max(view[1] - height, 0.0))
    return (left, top, left + width, top + height)
