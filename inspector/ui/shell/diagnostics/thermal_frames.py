"""Time that a frame of a radiometric camera takes: from raw counts to measured tools and a picture on the screen. No Qt.

The counts are made here: a scene with a slope, bodies and noise, seen through a calibration like that of an uncooled camera.
"""

import importlib
import importlib.metadata
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.types import Floats, Frame
from inspector.imaging.image import AS_STORED
from inspector.imaging.measuring import PlacedTool, adjusted
from inspector.imaging.radiometric import Calibration, Radiometry, temperatures
from inspector.imaging.thermography import Ellipse, Line, Polygon, Rectangle, Tool, ToolValues, isotherm, measure_tool
from inspector.ui.canvas import rendering

WIDTH: Final = 640
HEIGHT: Final = 512
_DISTINCT: Final = 8  # frames, so that no cache holds the answer
_ENLARGED: Final = 1.25
_CALIBRATION: Final = Calibration(
    emissivity=0.95,
    distance=1.0,
    reflected=295.0,
    air=293.15,
    window=293.15,
    window_transmission=1.0,
    humidity=0.5,
    r1=21106.77,
    b=1501.0,
    f=1.0,
    a1=0.006569,
    a2=0.01262,
    b1=-0.002276,
    b2=-0.00667,
    x=1.9,
    o=-7340,
    r2=0.012545258,
)
_ISOTHERM: Final = 310.0  # kelvin
_TOOLS: Final[tuple[Tool, ...]] = (
    Rectangle(300, 100, 200, 200),
    Ellipse(40, 40, 160, 120),
    Line(0, 256, 639, 256),
    Polygon(((320, 300), (600, 320), (560, 480), (340, 460))),
)


@dataclass(frozen=True, slots=True)
class FrameCost:
    """Milliseconds of processor time of one frame on one thread, medians over rounds in which all sides take turns.

    `regions_ms`: temperatures where two of the tools have an emissivity of their own. `setting_ms`: the table of all 65,536
    counts, made once for each set of conditions. `frame_ms`: all four steps. `flyr_ms`, `ratio`, `difference_k`: flyr's
    conversion of the same counts, how many times as long it takes, and the largest difference of a pixel in kelvin; None where
    flyr is not installed.
    """

    width: int
    height: int
    frames: int
    convert_ms: float
    regions_ms: float
    setting_ms: float
    tools_ms: float
    isotherm_ms: float
    colours_ms: float
    frame_ms: float
    flyr: str | None
    flyr_ms: float | None
    ratio: float | None
    difference_k: float | None


def bench_frames(*, rounds: int, frames: int) -> FrameCost:
    """Measure `rounds` rounds of `frames` frames each."""
    measured = [measured_of(raw) for raw in raw_frames()]
    kelvin = [one.kelvin()[0] for one in measured]
    placed = [PlacedTool(tool, 0.6 + 0.1 * n) for n, tool in enumerate(_TOOLS[:2])]
    flyr = _flyr(measured)
    sides: dict[str, Callable[[int], object]] = {
        "convert": lambda n: measured[n].kelvin(),
        "regions": lambda n: adjusted(measured[n], AS_STORED, placed),
        "tools": lambda n: _measured(kelvin[n]),
        "isotherm": lambda n: isotherm(kelvin[n], above=_ISOTHERM),
        "colours": lambda n: _drawn(kelvin[n], np.zeros((HEIGHT, WIDTH), np.uint8)),
        "frame": lambda n: _whole(measured[n]),
    }
    if flyr:
        sides["flyr"] = lambda n: flyr[n].kelvin
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        costs = _in_turns(sides, rounds=rounds, frames=frames)
        setting = median(_new_setting(measured[0].raw, n) for n in range(_DISTINCT))
    finally:
        cv2.setNumThreads(threads)
    return FrameCost(
        width=WIDTH,
        height=HEIGHT,
        frames=rounds * frames,
        convert_ms=costs["convert"],
        regions_ms=costs["regions"],
        setting_ms=setting,
        tools_ms=costs["tools"],
        isotherm_ms=costs["isotherm"],
        colours_ms=costs["colours"],
        frame_ms=costs["frame"],
        flyr=importlib.metadata.version("flyr") if flyr else None,
        flyr_ms=costs.get("flyr"),
        ratio=costs["flyr"] / costs["convert"] if flyr else None,
        difference_k=max(float(np.abs(a.kelvin - b).max()) for a, b in zip(flyr, kelvin, strict=True)) if flyr else None,
    )


def _in_turns(sides: Mapping[str, Callable[[int], object]], *, rounds: int, frames: int) -> dict[str, float]:
    """Return the median milliseconds of processor time a frame of every side."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            side(0)
            began = time.process_time()
            for n in range(frames):
                side(n % _DISTINCT)
            taken[name].append((time.process_time() - began) * 1000 / frames)
    return {name: median(values) for name, values in taken.items()}


def _new_setting(raw: NDArray[np.uint16], number: int) -> float:
    """Return the milliseconds of a frame under conditions that were never asked for."""
    began = time.process_time()
    temperatures(raw, replace(_CALIBRATION, emissivity=0.5 + 0.01 * number))
    return (time.process_time() - began) * 1000


def _whole(measured: Radiometry) -> rendering.Words:
    kelvin, _ = measured.kelvin()
    _measured(kelvin)
    return _drawn(kelvin, isotherm(kelvin, above=_ISOTHERM).view(np.uint8))


def _measured(kelvin: Floats) -> list[ToolValues]:
    return [measure_tool(kelvin, tool) for tool in _TOOLS]


def _drawn(kelvin: Floats, inside: NDArray[np.uint8]) -> rendering.Words:
    """Return the picture with its isotherm, as the canvas draws both."""
    frame = Frame(kelvin, "thermal", 0, 0.0, datetime.now(UTC), "kelvin")
    crop, size = (0, 0, WIDTH, HEIGHT), (round(WIDTH * _ENLARGED), round(HEIGHT * _ENLARGED))
    rendering.classes(inside, np.array([[255, 255, 255]], np.uint8), crop, size)
    return rendering.picture(frame, rendering.Display(285.0, 330.0), crop, size)


def measured_of(raw: NDArray[np.uint16]) -> Radiometry:
    """Return these counts with the calibration of this measurement."""
    return Radiometry(Path("generated"), raw, _CALIBRATION)


def raw_frames() -> Sequence[NDArray[np.uint16]]:
    """Return the counts of some frames, uint16 [512, 640]."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    warm = 900 * np.exp(-((rows - 200) ** 2 + (columns - 400) ** 2) / 8000) + 300 * (columns > 320) + columns / 4
    return [(17_000 + warm + rng.normal(0, 6, (HEIGHT, WIDTH))).astype(np.uint16) for _ in range(_DISTINCT)]


def _flyr(measured: Sequence[Radiometry]) -> list[Any]:
    """Return the same counts with the same calibration for flyr; nothing where it is not installed."""
    try:
        thermogram = importlib.import_module("flyr.thermogram")
    except ImportError:
        return []
    c = _CALIBRATION
    names = {
        "emissivity": c.emissivity,
        "object_distance": c.distance,
        "atmospheric_temperature": c.air,
        "ir_window_temperature": c.window,
        "ir_window_transmission": c.window_transmission,
        "reflected_apparent_temperature": c.reflected,
        "relative_humidity": c.humidity,
        "planck_r1": c.r1,
        "planck_r2": c.r2,
        "planck_b": c.b,
        "planck_f": c.f,
        "planck_o": c.o,
        "atmospheric_trans_alpha1": c.a1,
        "atmospheric_trans_alpha2": c.a2,
        "atmospheric_trans_beta1": c.b1,
        "atmospheric_trans_beta2": c.b2,
        "atmospheric_trans_x": c.x,
    }
    return [thermogram.FlyrThermogram(one.raw, names) for one in measured]
