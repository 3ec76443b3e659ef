"""The area of an object as polygons or run lengths, and as pixels of a mask."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]

_FINE = 8  # sub-pixels a side, for shapes small enough
_FINE_AREA = 512 * 512
_TRACE = 4  # sub-pixels a side when an edge is traced
_STEPS = 4  # fixed-point bits for the others


@dataclass(frozen=True, slots=True)
class Outline:
    """The outline of an object.

    Either `polygons`, each (x, y, x, y, ...) in pixels from the image's left and top edge, drawn together. Or `runs` as in
    COCO: alternating lengths of background and object, down the columns of a mask of `size` (height, width).
    """

    polygons: tuple[tuple[float, ...], ...] = ()
    runs: tuple[int, ...] = ()
    size: tuple[int, int] = (0, 0)

    def paint(self, mask: Mask, value: int) -> None:
        """Set the pixels that are at least half inside. Raises ValueError if run lengths are for another size."""
        if self.runs:
            mask[self._from_runs(mask.shape)] = value
        for polygon in self.polygons:
            _paint_polygon(mask, np.asarray(polygon, np.float64).reshape(-1, 2), value)

    def area(self) -> float:
        """Return the area in pixels; overlapping polygons count twice."""
        if self.runs:
            return float(sum(self.runs[1::2]))
        return sum(_polygon_area(polygon) for polygon in self.polygons)

    def bounds(self) -> tuple[float, float, float, float] | None:
        """Return (left, top, right, bottom) of what run lengths mark; None if it is nothing, or if they fit no image."""
        ends = np.cumsum(np.asarray(self.runs, np.int64))
        height = self.size[0]
        starts, ends = ends[: len(ends) // 2 * 2 : 2], ends[1::2]
        starts, ends = starts[ends > starts], ends[ends > starts]
        if not len(starts) or height < 1:
            return None
        left, right = starts // height, (ends - 1) // height
        tall = bool((left != right).any())  # a run that goes on in the next column: from the last row to the first
        top = 0 if tall else int((starts % height).min())
        bottom = height if tall else int(((ends - 1) % height).max()) + 1
        return float(left.min()), float(top), float(right.max() + 1), float(bottom)

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError if there are run lengths for an image of another shape (height, width)."""
        if self.runs and (self.size != shape or sum(self.runs) != shape[0] * shape[1] or min(self.runs) < 0):
            raise ValueError(f"run lengths are for {self.size[1]} x {self.size[0]} px, and the image has another size")

    def pixels(self) -> NDArray[np.bool_]:
        """Return the mask [H, W] described by run lengths, at their own size."""
        return self._from_runs(self.size)

    def _from_runs(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        self.check(shape)
        values = np.arange(len(self.runs)) % 2 == 1
        return np.repeat(values, self.runs).reshape(shape[1], shape[0]).T


def _polygon_area(polygon: tuple[float, ...]) -> float:
    """Return the area of a polygon by the shoelace formula."""
    across, down = polygon[::2], polygon[1::2]
    turns = zip(across, down, (*across[1:], across[0]), (*down[1:], down[0]), strict=True)
    return abs(sum(x * next_y - next_x * y for x, y, next_x, next_y in turns)) / 2


def _paint_polygon(mask: Mask, points: NDArray[np.float64], value: int) -> None:
    height, width = mask.shape
    low = np.floor(points.min(axis=0)).clip(0, (width, height)).astype(int)
    high = np.ceil(points.max(axis=0)).clip(0, (width, height)).astype(int)
    (x, y), (w, h) = low, high - low
    if w < 1 or h < 1:
        return
    # OpenCV also fills the pixels that the edge touches: on finer pixels that is a small part of one.
    fine = _FINE if w * h <= _FINE_AREA else 1
    drawn = np.zeros((h * fine, w * fine), np.uint8)
    scaled = ((points - low) * fine - 0.5).clip(-1e5, 1e5)
    cv2.fillPoly(drawn, [np.rint(scaled * 2**_STEPS).astype(np.int32)], 1, shift=_STEPS)
    share = drawn.reshape(h, fine, w, fine).mean(axis=(1, 3), dtype=np.float32)
    mask[y : y + h, x : x + w][share >= 0.5] = value


def run_lengths(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return COCO's uncompressed run lengths of a mask [H, W]; the first run is background and may be 0."""
    flat = mask.T.ravel()
    ends = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate(([0], ends, [len(flat)])))
    return tuple(([0] if flat[0] else []) + lengths.tolist())


def decode_runs(text: str) -> tuple[int, ...]:
    """Decode COCO's compressed run lengths (pycocotools, maskApi.c, rleFrString).

    Raises ValueError. Each character, counted from "0", holds 5 bits; bit 6 is set if more follow. From the third length on,
    each is stored as the difference to the length two before.
    """
    found: list[int] = []
    value, shift = 0, 0
    for character in text.encode("ascii"):
        bits = character - 48
        if not 0 <= bits < 64 or shift > 40:
            raise ValueError("not run lengths")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            found.append(value + (found[-2] if len(found) > 2 else 0))
            value, shift = 0, 0
    if shift:
        raise ValueError("run lengths end too soon")
    return tuple(found)


def components(mask: Mask) -> list[tuple[int, tuple[float, float, float, float], NDArray[np.bool_]]]:
    """Return the connected areas (8 neighbours) of each value above 0 in a mask.

    Each is its value, its box (left, top, right, bottom) and its pixels inside the box.
    """
    found = []
    for value in np.unique(mask[mask > 0]).tolist():
        _, labels, stats, _ = cv2.connectedComponentsWithStats(np.asarray(mask == value, np.uint8), connectivity=8)
        for index, (x, y, w, h, _) in enumerate(stats.tolist()[1:], start=1):
            area = labels[y : y + h, x : x + w] == index
            found.append((int(value), (float(x), float(y), float(x + w), float(y + h)), area))
    return found


def polygon_of(area: NDArray[np.bool_], left: float, top: float) -> tuple[float, ...]:
    """Return one polygon (x, y, ...) along the pixel edges of a connected area [h, w] at (left, top).

    Holes are joined to the outside by a cut of zero width, so that a single polygon suffices.
    """
    fine = np.kron(area, np.ones((_TRACE, _TRACE), np.uint8)).astype(np.uint8)
    contours, hierarchy = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    order = sorted(range(len(contours)), key=lambda index: -cv2.contourArea(contours[index]))
    outer = next(index for index in order if hierarchy[0][index][3] < 0)
    path = np.asarray(contours[outer], np.float64).reshape(-1, 2)
    for index in order:
        if hierarchy[0][index][3] == outer:
            path = _joined(path, np.asarray(contours[index], np.float64).reshape(-1, 2))
    # OpenCV goes through the centres of fine pixels, which are less than half a pixel from the edge they are at.
    points = np.rint((path + 0.5) / _TRACE) + np.array([left, top])
    moved = np.any(points != np.roll(points, 1, axis=0), axis=1)
    return tuple(points[moved].ravel().tolist())


def _joined(path: NDArray[np.float64], hole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the path with a detour around the hole, starting and ending at the point nearest to the hole."""
    distances = np.linalg.norm(path[:, None] - hole[None], axis=2)
    at, start = np.unravel_index(int(distances.argmin()), distances.shape)
    detour = np.vstack([np.roll(hole, -int(start), axis=0), hole[start]])
    return np.vstack([path[: at + 1], detour, path[at:]])
