"""What is measured in an image of temperatures: tools with their values, isotherms, and spots hotter than their surroundings.

Temperatures are float32 [H, W] in kelvin; pixels without one are NaN and count nowhere. Positions are pixels (x, y).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.types import Floats, HotSpot

Mask = NDArray[np.bool_]
_MOST_PEAKS = 100  # of one area
_BEYOND = 5  # pixels by which a line reaches beyond the largest spot
_DIRECTIONS = 8  # of lines


@dataclass(frozen=True, slots=True)
class Spot:
    """One pixel."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Line:
    """The pixels from one end to the other."""

    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(frozen=True, slots=True)
class Rectangle:
    """The pixels of a rectangle."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Ellipse:
    """The pixels whose centres lie in the ellipse that fills this rectangle."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Polygon:
    """The pixels inside and on the outline."""

    points: tuple[tuple[int, int], ...]


Tool = Spot | Line | Rectangle | Ellipse | Polygon


@dataclass(frozen=True, slots=True)
class ToolValues:
    """Temperatures under a tool in kelvin, where the ends are, and how many pixels have one; NaN and None if none has."""

    minimum: float
    maximum: float
    mean: float
    std: float
    coldest: tuple[int, int] | None
    hottest: tuple[int, int] | None
    pixels: int


@dataclass(frozen=True, slots=True)
class LocalSpot:
    """A hot spot, and by how many kelvin its hottest pixel exceeds its surroundings."""

    spot: HotSpot
    delta: float
    middle: tuple[float, float]


@dataclass(frozen=True, slots=True)
class SpotEvent:
    """One spot over time: its last state, the number of frames it was seen in, and its trend in kelvin per frame."""

    number: int
    last: LocalSpot
    seen: int
    missed: int
    trend: float


def measure_tool(kelvin: Floats, tool: Tool) -> ToolValues:
    """Return the temperatures under a tool. Raises ConfigError if the tool reaches beyond the image."""
    places = places_of(tool, (kelvin.shape[0], kelvin.shape[1]))
    values = kelvin.ravel().take(places)
    alive = np.isfinite(values)
    if not alive.any():
        return ToolValues(math.nan, math.nan, math.nan, math.nan, None, None, 0)
    if not alive.all():
        places, values = places[alive], values[alive]
    low, high = int(values.argmin()), int(values.argmax())
    (low_y, low_x), (high_y, high_x) = (divmod(int(places[at]), kelvin.shape[1]) for at in (low, high))
    exact = values.astype(np.float64)
    return ToolValues(
        float(values[low]),
        float(values[high]),
        float(exact.mean()),
        float(exact.std()),
        (low_x, low_y),
        (high_x, high_y),
        len(values),
    )


@lru_cache(maxsize=64)  # more than the window keeps
def places_of(tool: Tool, shape: tuple[int, int]) -> NDArray[np.intp]:
    """Return the pixels under a tool as places in the flat image, for the frames of a recording or line. Raises ConfigError."""
    rows, columns = pixels_of(tool, shape)
    places = np.asarray(rows * shape[1] + columns, np.intp)
    places.setflags(write=False)
    return places


def profile(kelvin: Floats, line: Line) -> Floats:
    """Return the temperatures along a line, one a pixel of its longer direction. Raises ConfigError."""
    rows, columns = pixels_of(line, kelvin.shape)
    values: Floats = kelvin[rows, columns]
    return values


def pixels_of(tool: Tool, shape: Sequence[int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return (rows, columns) of the pixels under a tool. Raises ConfigError if it reaches beyond an image of this shape."""
    check_tool(tool, shape)
    match tool:
        case Spot(x, y):
            return np.array([y]), np.array([x])
        case Line(x1, y1, x2, y2):
            steps = max(abs(x2 - x1), abs(y2 - y1)) + 1
            return _rounded(y1, y2, steps), _rounded(x1, x2, steps)
        case Rectangle(x, y, w, h):
            grid = np.mgrid[y : y + h, x : x + w]
            return grid[0].ravel(), grid[1].ravel()
        case Ellipse(x, y, w, h):
            down, across = np.mgrid[0:h, 0:w]
            inside = ((down + 0.5 - h / 2) / (h / 2)) ** 2 + ((across + 0.5 - w / 2) / (w / 2)) ** 2 <= 1.0
            found = np.nonzero(inside)
            return found[0] + y, found[1] + x
        case Polygon(points):
            plane = np.zeros(shape[:2], np.uint8)
            cv2.fillPoly(plane, [np.array(points, np.int32)], 1)
            rows, columns = np.nonzero(plane)
            return rows, columns
        case _:
            assert_never(tool)


def check_tool(tool: Tool, shape: Sequence[int]) -> None:
    """Raise ConfigError for a tool that reaches beyond an image of this shape, or is none."""
    sides: tuple[int, int] = (1, 1)
    points: tuple[tuple[int, int], ...]
    match tool:
        case Spot(x, y):
            points = ((x, y),)
        case Line(x1, y1, x2, y2):
            points = ((x1, y1), (x2, y2))
        case Rectangle(x, y, w, h) | Ellipse(x, y, w, h):
            sides, points = (w, h), ((x, y), (x + w - 1, y + h - 1))
        case Polygon(points):
            if len(points) < 3:
                raise ConfigError("A polygon needs at least 3 points; there are {count}.", count=len(points))
        case _:
            assert_never(tool)
    height, width = shape[:2]
    if min(sides) < 1 or any(not (0 <= x < width and 0 <= y < height) for x, y in points):
        raise ConfigError(
            "The {tool} reaches beyond the image of {width} x {height} pixels.",
            remedy="Give positions inside it; the first pixel is 0,0.",
            tool=tool_text(tool),
            width=width,
            height=height,
        )


def tool_text(tool: Tool) -> str:
    """Return a tool as it is given on the command line."""
    match tool:
        case Spot(x, y):
            return f"spot {x},{y}"
        case Line(x1, y1, x2, y2):
            return f"line {x1},{y1},{x2},{y2}"
        case Rectangle(x, y, width, height):
            return f"box {x},{y},{width},{height}"
        case Ellipse(x, y, width, height):
            return f"ellipse {x},{y},{width},{height}"
        case Polygon(points):
            return "polygon " + " ".join(f"{x},{y}" for x, y in points)
        case _:
            assert_never(tool)


def isotherm(kelvin: Floats, *, above: float | None = None, below: float | None = None) -> Mask:
    """Return where it is hotter than `above` and colder than `below`: bool [H, W]; either may be left out."""
    inside = np.isfinite(kelvin)
    if above is not None:
        inside &= kelvin > above
    if below is not None:
        inside &= kelvin < below
    return inside


def local_spots(kelvin: Floats, *, delta: float, radius: int, min_area: int = 1) -> tuple[LocalSpot, ...]:
    """Return the areas at least `delta` kelvin hotter than their surroundings, by how much they exceed them.

    The surroundings of a pixel are what it would be without spots of up to `radius` pixels: warm bodies, their edges and pipes
    are surroundings, however hot (see `_surroundings`). Areas are connected by 8 neighbours, and those of fewer than `min_area`
    pixels are left out; an area with several peaks is several spots.
    """
    if not delta > 0 or radius < 1:
        raise ConfigError(
            "A hot spot needs a difference above 0 K and a radius of at least 1 pixel ({delta:g} K, {radius}).",
            delta=delta,
            radius=radius,
        )
    background = _surroundings(kelvin, radius)
    over = np.where(np.isfinite(kelvin), kelvin - background, np.float32(-np.inf)).astype(np.float32)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((over >= delta).astype(np.uint8), connectivity=8)
    found = []
    for index in range(1, count):
        x, y, width, height, area = stats[index].tolist()
        if area < min_area:
            continue
        inside = labels[y : y + height, x : x + width] == index
        excess = np.where(inside, over[y : y + height, x : x + width], np.float32(-np.inf))
        for row, column, rows, columns in _peaks(excess, radius, delta):
            spot = HotSpot(x + column, y + row, float(kelvin[y + row, x + column]), float(len(rows)))
            middle = (x + float(columns.mean()), y + float(rows.mean()))
            found.append(LocalSpot(spot, float(excess[row, column]), middle))
    return tuple(sorted(found, key=lambda local: -local.delta))


class SpotTracker:
    """Joins the spots of one frame after the other to events, so that a growing spot is one event."""

    def __init__(self, *, reach: float, patience: int = 2) -> None:
        """Set how many pixels a spot may move between frames, and how many frames it may be missing."""
        self._reach = reach
        self._patience = patience
        self._events: list[SpotEvent] = []
        self._deltas: dict[int, list[tuple[int, float]]] = {}
        self._frame = -1
        self._made = 0

    def step(self, spots: Sequence[LocalSpot]) -> tuple[SpotEvent, ...]:
        """Take the spots of the next frame; return the events that go on, the nearest spot to each first."""
        self._frame += 1
        pairs = sorted(
            (math.dist(event.last.middle, spot.middle), e, s)
            for e, event in enumerate(self._events)
            for s, spot in enumerate(spots)
        )
        of_event: dict[int, int] = {}
        taken: set[int] = set()
        for distance, e, s in pairs:
            if distance <= self._reach and e not in of_event and s not in taken:
                of_event[e] = s
                taken.add(s)
        kept = [self._next(event, spots[of_event[e]] if e in of_event else None) for e, event in enumerate(self._events)]
        begun = [self._begin(spot) for s, spot in enumerate(spots) if s not in taken]
        self._events = [event for event in (*kept, *begun) if event.missed <= self._patience]
        return tuple(self._events)

    def _begin(self, spot: LocalSpot) -> SpotEvent:
        self._made += 1
        self._deltas[self._made] = [(self._frame, spot.delta)]
        return SpotEvent(self._made, spot, 1, 0, 0.0)

    def _next(self, event: SpotEvent, spot: LocalSpot | None) -> SpotEvent:
        if spot is None:
            return SpotEvent(event.number, event.last, event.seen, event.missed + 1, event.trend)
        history = self._deltas[event.number]
        history.append((self._frame, spot.delta))
        del history[:-50]
        frames, deltas = np.array(history, np.float64).T
        trend = float(np.polyfit(frames - frames[0], deltas, 1)[0])
        return SpotEvent(event.number, spot, event.seen + 1, 0, trend)


def _peaks(excess: Floats, radius: int, delta: float) -> list[tuple[int, int, NDArray[np.intp], NDArray[np.intp]]]:
    """Return (row, column) of every peak of one area, with the rows and columns of the pixels nearest to it.

    Peaks are the highest within `radius`; two are told apart if the line between them falls by half of `delta` below the lower.
    Outside the area `excess` is -inf.
    """
    size = 2 * radius + 1
    highest = cv2.dilate(excess, np.ones((size, size), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=-np.inf)
    at = np.argwhere((excess == highest) & np.isfinite(excess))
    at = at[np.argsort(-excess[at[:, 0], at[:, 1]], kind="stable")][:_MOST_PEAKS]
    peaks: list[tuple[int, int]] = []
    for row, column in at.tolist():
        valleys = (_lowest_between(excess, (row, column), other) for other in peaks)
        if all(valley <= float(excess[row, column]) - delta / 2 for valley in valleys):
            peaks.append((row, column))
    rows, columns = np.nonzero(np.isfinite(excess))
    distances = [(rows - row) ** 2 + (columns - column) ** 2 for row, column in peaks]
    nearest = np.argmin(distances, axis=0)
    return [(row, column, rows[nearest == n], columns[nearest == n]) for n, (row, column) in enumerate(peaks)]


def _lowest_between(excess: Floats, one: tuple[int, int], other: tuple[int, int]) -> float:
    steps = max(abs(one[0] - other[0]), abs(one[1] - other[1])) + 1
    line = excess[_rounded(one[0], other[0], steps), _rounded(one[1], other[1], steps)]
    return float(line.min())


def _surroundings(kelvin: Floats, radius: int) -> Floats:
    """Return what each pixel would be without a spot of up to this radius, float32 [H, W].

    That is the highest of morphological openings by straight lines of every direction (P. Soille, "Morphological Image
    Analysis", 2003, 8.2): what goes on along some line, as the edge of a warm body or a pipe, stays; a spot ends in all
    of them.
    """
    filled = np.where(np.isfinite(kelvin), kelvin, np.float32(np.nanmedian(kelvin))).astype(np.float32)
    lines = _lines(2 * radius + _BEYOND)
    edge = 2 * radius + _BEYOND
    padded = cv2.copyMakeBorder(filled, edge, edge, edge, edge, cv2.BORDER_REFLECT_101)
    opened = np.maximum.reduce([cv2.morphologyEx(padded, cv2.MORPH_OPEN, line) for line in lines])
    return np.ascontiguousarray(opened[edge:-edge, edge:-edge], np.float32)


@lru_cache(maxsize=8)
def _lines(length: int) -> tuple[NDArray[np.uint8], ...]:
    """Return straight lines of this odd length, in directions evenly apart, as masks."""
    lines, middle = [], length // 2
    for number in range(_DIRECTIONS):
        turn = math.pi * number / _DIRECTIONS
        x, y = round(math.cos(turn) * middle), round(math.sin(turn) * middle)
        mask = np.zeros((length, length), np.uint8)
        lines.append(cv2.line(mask, (middle - x, middle - y), (middle + x, middle + y), 1, 1))
    return tuple(np.asarray(line, np.uint8) for line in lines)


def _rounded(first: int, last: int, steps: int) -> NDArray[np.intp]:
    return np.floor(np.linspace(first, last, steps) + 0.5).astype(np.intp)
