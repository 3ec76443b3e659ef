"""A labelled object and the forms in which tools draw it: box, polygon, ellipse, pixels."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inspector.data.outlines import Outline, run_lengths

Box = tuple[float, float, float, float]
# Class name by which tools of the field mark a region that nobody labelled.
IGNORED = "__ignore__"
_CORNERS = 64  # of the polygon drawn for a circle
_MARGIN = 3.0  # pixels around a line within which it may show


@dataclass(frozen=True, slots=True)
class Shape:
    """One labelled object: its class, its box, and its outline if known.

    The box is (left, top, right, bottom) in pixels from 0, right and bottom exclusive.
    """

    name: str
    box: Box
    outline: Outline | None = None


def around(name: str, points: Iterable[tuple[float, float]], *, margin: float = 0.0) -> Shape:
    """Return a shape whose box encloses all points. Raises ValueError if there are none."""
    listed = list(points)
    across, down = [x for x, _ in listed], [y for _, y in listed]
    return Shape(name, (min(across) - margin, min(down) - margin, max(across) + margin, max(down) + margin))


def polygon(name: str, points: Sequence[tuple[float, float]]) -> Shape:
    """Return a shape drawn as a polygon. Raises ValueError for fewer than three points."""
    if len(points) < 3:
        raise ValueError(f"a polygon of {len(points)} points")
    return replace(around(name, points), outline=Outline((tuple(value for point in points for value in point),)))


def turned_box(name: str, box: Box, degrees: float, pivot: tuple[float, float]) -> Shape:
    """Return a box (left, top, right, bottom) rotated about a point, clockwise as seen on the screen."""
    left, top, right, bottom = box
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    (px, py) = pivot
    return polygon(
        name,
        [(float(px + (x - px) * cos - (y - py) * sin), float(py + (x - px) * sin + (y - py) * cos)) for x, y in corners],
    )


def rotated(shape: Shape, attributes: object) -> Shape:
    """Return a rotated box as CVAT and datumaro write it: upright, with the degrees in its attributes. Raises ValueError."""
    turn = number(attributes.get("rotation") or 0) if isinstance(attributes, Mapping) else 0.0
    left, top, right, bottom = shape.box
    middle = ((left + right) / 2, (top + bottom) / 2)
    return turned_box(shape.name, shape.box, turn, middle) if turn and shape.outline is None else shape


def ellipse(name: str, centre: tuple[float, float], radii: tuple[float, float], degrees: float = 0.0) -> Shape:
    """Return an ellipse as a polygon."""
    turns = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    x, y = radii[0] * np.cos(turns), radii[1] * np.sin(turns)
    across, down = centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos
    return polygon(name, list(zip(across.tolist(), down.tolist(), strict=True)))


def of_pixels(name: str, pixels: NDArray[np.bool_]) -> Shape | None:
    """Return a shape of the pixels that are set in a mask [H, W]; None if no pixel is set."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not len(rows):
        return None
    box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    return Shape(name, box, Outline((), run_lengths(pixels), pixels.shape))


def number(value: object) -> float:
    """Return a finite number from an annotation file. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{str(value)[:40]!r} is not a number")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        found = float("nan")
    if not np.isfinite(found) or abs(found) > 1e9:
        raise ValueError(f"{str(value)[:40]!r} is not a number")
    return found


def unknown(kind: str, points: Sequence[tuple[float, float]]) -> Iterator[Shape | str]:
    """Yield the region of a shape without area, such as a line, of which nobody knows what it shows; then its kind."""
    if points:
        yield around(IGNORED, points, margin=_MARGIN)
    yield kind
