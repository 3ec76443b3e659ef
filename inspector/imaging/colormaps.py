"""Palettes as lookup tables, and temperatures in display units. numpy only."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.types import KELVIN_AT_0_C

Palette = Literal["iron", "rainbow", "grey", "inferno", "viridis"]
TemperatureUnit = Literal["C", "K", "F"]
Table = NDArray[np.uint8]

# The palette "iron" as (position, red, green, blue); its brightness rises monotonically.
_IRON: Final = (
    (0.00, 0, 0, 0),
    (0.10, 20, 0, 84),
    (0.25, 92, 0, 150),
    (0.40, 168, 16, 136),
    (0.55, 220, 62, 62),
    (0.70, 243, 120, 12),
    (0.85, 252, 188, 28),
    (0.95, 255, 238, 132),
    (1.00, 255, 255, 246),
)


def _from_stops(stops: tuple[tuple[float, int, int, int], ...]) -> Table:
    """Interpolate linearly between colour stops: uint8 [256, 3] RGB."""
    where = np.linspace(0.0, 1.0, 256)
    positions = [stop[0] for stop in stops]
    channels = [np.interp(where, positions, [stop[channel] for stop in stops]) for channel in (1, 2, 3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def _from_opencv(number: int) -> Table:
    """Return an OpenCV colour map: uint8 [256, 3] RGB."""
    bgr = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], number)[:, 0]
    return np.ascontiguousarray(bgr[:, ::-1])


def _frozen(table: Table) -> Table:
    table.setflags(write=False)
    return table


# rainbow is Turbo (A. Mikhailov, 2019), which has no false bands; inferno and viridis are by S. van der Walt and N. Smith
# (2015).
PALETTES: Mapping[Palette, Table] = MappingProxyType(
    {
        "iron": _frozen(_from_stops(_IRON)),
        "rainbow": _frozen(_from_opencv(cv2.COLORMAP_TURBO)),
        "grey": _frozen(np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)),
        "inferno": _frozen(_from_opencv(cv2.COLORMAP_INFERNO)),
        "viridis": _frozen(_from_opencv(cv2.COLORMAP_VIRIDIS)),
    }
)


def indices(values: NDArray[np.generic], low: float, high: float) -> Table:
    """Map values of any dtype to palette indices 0..255: `low` becomes 0, `high` 255; values beyond are clipped, NaN is 0."""
    span = high - low if high > low else 1.0
    scaled = values.astype(np.float32, copy=False) - np.float32(low)
    scaled *= np.float32(255.0 / span)
    np.fmax(scaled, 0.0, out=scaled)  # also turns NaN to 0
    np.fmin(scaled, 255.0, out=scaled)
    levels: Table = np.rint(scaled, out=scaled).astype(np.uint8)
    return levels


def equalised(values: NDArray[np.generic], low: float, high: float) -> Table:
    """Return the palette indices uint8 [256] of 256 equal steps from `low` to `high`, so that each colour is as frequent as the
    others among `values`; NaN counts nowhere.
    """
    alive = values[np.isfinite(values)]
    counts = np.bincount(indices(alive, low, high).ravel(), minlength=256).astype(np.float64)
    total = counts.sum()
    if not total:
        return np.arange(256, dtype=np.uint8)
    return np.asarray(np.rint(255.0 * (np.cumsum(counts) - counts / 2) / total), np.uint8)


def packed(table: Table, alpha: NDArray[np.uint8] | None = None) -> NDArray[np.uint32]:
    """Return a palette as the 256 words of a 32-bit picture (0xAARRGGBB, colours multiplied by alpha); opaque without
    `alpha`.
    """
    cover = np.full(256, 255, np.uint32) if alpha is None else alpha.astype(np.uint32)
    red, green, blue = ((table[:, channel].astype(np.uint32) * cover + 127) // 255 for channel in range(3))
    return np.asarray((cover << 24) | (red << 16) | (green << 8) | blue, np.uint32)


def temperature(kelvin: float, unit: TemperatureUnit) -> float:
    """Convert kelvin to the given unit."""
    if unit == "F":
        return (kelvin - KELVIN_AT_0_C) * 9 / 5 + 32
    return kelvin - KELVIN_AT_0_C if unit == "C" else kelvin


def kelvin(value: float, unit: TemperatureUnit) -> float:
    """Return the inverse of `temperature`."""
    if unit == "F":
        return (value - 32) * 5 / 9 + KELVIN_AT_0_C
    return value + KELVIN_AT_0_C if unit == "C" else value


def difference(kelvin: float, unit: TemperatureUnit) -> float:
    """Convert a difference of temperatures in kelvin to the given unit."""
    return kelvin * 9 / 5 if unit == "F" else kelvin


def sign(unit: TemperatureUnit) -> str:
    """Return the sign of a unit: "°C", "K" or "°F"."""
    return "K" if unit == "K" else f"°{unit}"


def temperature_text(value: float, unit: TemperatureUnit) -> str:
    """Return kelvin as text in the given unit, with one decimal."""
    return f"{temperature(value, unit):.1f} {sign(unit)}"


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return at most `most` round numbers within low..high (1, 2 or 5 times a power of ten apart)."""
    if not high > low or most < 1:
        return []
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)][:most]
