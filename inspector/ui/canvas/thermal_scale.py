"""Ranges of thermal colours that stay the same from frame to frame, so that a colour always means the same temperature."""

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from inspector.core.types import KELVIN_AT_0_C, Frame, Temperatures
from inspector.recipes.quantities import QUANTITIES
from inspector.recipes.recipe import Recipe

STEP: Final = 10.0  # ends are multiples of this, in degrees Celsius
NARROWEST: Final = 50.0  # kelvin between the ends
HEADROOM: Final = 0.2  # above the highest limit, in parts of what lies below it
AT_START: Final = (20.0 + KELVIN_AT_0_C, 70.0 + KELVIN_AT_0_C)  # before the first temperature


def limits_of(recipe: Recipe | None, camera: str) -> tuple[float, ...]:
    """Return the temperatures in kelvin at which rules decide about what this camera sees, lowest first.

    A comparison with good parts decides at a difference, which is no temperature.
    """
    if recipe is None:
        return ()
    steps = [step for step in recipe.inspect if step.camera == camera]
    found: set[float] = set()
    for rule in recipe.rules:
        quantity = QUANTITIES[rule.quantity]
        if rule.is_compared:
            continue
        if any(map(rule.is_about, steps)) and Temperatures in quantity.fits and quantity.unit == "°C":
            found |= {rule.limit + KELVIN_AT_0_C}
            found |= set() if rule.review is None else {rule.review + KELVIN_AT_0_C}
    return tuple(sorted(found))


class ThermalScale:
    """The range of one camera. It only ever grows; with limits its upper end is fixed a little above the highest."""

    def __init__(self) -> None:
        self._limits: tuple[float, ...] = ()
        self._range: tuple[float, float] | None = None

    def range_for(self, frame: Frame, limits: Sequence[float] = ()) -> tuple[float, float]:
        """Return the range in kelvin in which to show this frame. Other `limits` than before begin a new range."""
        if tuple(limits) != self._limits:
            self._limits, self._range = tuple(limits), None
        finite = np.isfinite(frame.pixels)
        if not finite.any():
            return self._range or AT_START
        values = frame.pixels if finite.all() else frame.pixels[finite]
        low, high = float(values.min()), float(values.max())
        if self._limits:
            low = min(low, self._limits[0])
            high = self._limits[-1] + max(HEADROOM * (self._limits[-1] - low), STEP)
        if self._range is not None:
            low, high = min(low, self._range[0]), high if self._limits else max(high, self._range[1])
        low, high = _rounded(low, math.floor), _rounded(high, math.ceil)
        self._range = low, max(high, low + NARROWEST)
        return self._range


def _rounded(kelvin: float, to: Callable[[float], int]) -> float:
    return to((kelvin - KELVIN_AT_0_C) / STEP) * STEP + KELVIN_AT_0_C
