"""How many hot spots are found on the demo line, and how many of those found are there."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from inspector.cameras.demo.line import DemoLine
from inspector.core.types import Floats
from inspector.imaging.thermography import local_spots

_SEED: Final = 7
_RADIUS: Final = 8  # pixels, as in the window
_LEAST: Final = 4
_FAINT: Final = (6.5, 12.0)  # kelvin of a faint spot over all that is around it, so that some of its pixels exceed 5 K
_BORDER: Final = 8  # pixels from a faint spot to the border
_FLAT: Final = 4.0  # kelvin that the scene within these pixels of it may differ: on an edge nothing is its surroundings
_SAME: Final = 6.0  # pixels between a spot and where it was found


@dataclass(frozen=True, slots=True)
class SpotQuality:
    """Recall and precision over a number of parts. `ms`: processor time a frame."""

    parts: int
    delta: float
    faint: bool
    spots: int
    found: int
    right: int
    recall: float
    precision: float
    ms: float


def measure_spots(
    parts: int, *, delta: float, faint: bool, progress: Callable[[int, int], None] = lambda done, total: None
) -> SpotQuality:
    """Look for spots at least `delta` kelvin over their surroundings.

    Without `faint` in parts as the line makes them, whose faults are tens of kelvin hot and are counted by part. With `faint`
    in good parts with one spot each of 6.5 to 12 K at a known place, which must be found there.
    """
    there = found = right = 0
    taken = 0.0
    for number, (kelvin, planned, place) in enumerate(_faint(parts) if faint else _as_made(parts)):
        began = time.process_time()
        spots = local_spots(kelvin, delta=delta, radius=_RADIUS, min_area=_LEAST)
        taken += time.process_time() - began
        if place is None:
            hits = min(planned, len(spots))
        else:
            hits = int(any(np.hypot(one.spot.x - place[0], one.spot.y - place[1]) <= _SAME for one in spots))
        there, found, right = there + planned, found + len(spots), right + hits
        progress(number + 1, parts)
    recall, precision = right / max(there, 1), right / max(found, 1)
    return SpotQuality(parts, delta, faint, there, found, right, recall, precision, 1000 * taken / max(parts, 1))


def _as_made(parts: int) -> Iterator[tuple[Floats, int, None]]:
    line = DemoLine(_SEED)
    for index in range(parts):
        yield line.thermal(index)[0], line.plan(index).hot_spots, None


def _faint(parts: int) -> Iterator[tuple[Floats, int, tuple[int, int]]]:
    line, rng = DemoLine(_SEED, good=1.0), np.random.default_rng(_SEED)
    for index in range(parts):
        kelvin = line.thermal(index)[0].copy()
        height, width = kelvin.shape
        flat = 1.0e9
        while flat > _FLAT:
            x, y = int(rng.integers(_BORDER, width - _BORDER)), int(rng.integers(_BORDER, height - _BORDER))
            flat = float(np.ptp(kelvin[y - _BORDER : y + _BORDER + 1, x - _BORDER : x + _BORDER + 1]))
        rows, columns = np.mgrid[0:height, 0:width]
        around = float(kelvin[y - _BORDER : y + _BORDER + 1, x - _BORDER : x + _BORDER + 1].max())
        rise, sigma = rng.uniform(*_FAINT) + around - float(kelvin[y, x]), rng.uniform(2.0, 3.0)
        kelvin += (rise * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2))).astype(np.float32)
        yield kelvin, 1, (x, y)
