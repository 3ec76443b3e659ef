"""Measuring tools as a person keeps them: with an emissivity of their own, as text, and their temperatures over time."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np

from inspector.core.message import Message
from inspector.core.spreadsheet import table_text
from inspector.core.types import Floats
from inspector.imaging.colormaps import TemperatureUnit, difference, temperature
from inspector.imaging.image import Scene
from inspector.imaging.radiometric import Radiometry
from inspector.imaging.thermography import (
    Ellipse,
    Line,
    Polygon,
    Rectangle,
    Spot,
    Tool,
    ToolValues,
    places_of,
    tool_text,
)

MOST_READINGS: Final = 5000  # of a history; older ones are dropped
_COLUMNS: Final = ("frame", "utc", "part", "tool", "unit", "minimum", "maximum", "mean", "std")


@dataclass(frozen=True, slots=True)
class PlacedTool:
    """A tool in a picture, and the emissivity of what it covers; None: that of the whole picture."""

    tool: Tool
    emissivity: float | None = None


@dataclass(frozen=True, slots=True)
class ToolReading:
    """What every tool measured in one frame. `seconds`: of its time, from any fixed moment."""

    sequence: int
    seconds: float
    utc: datetime
    part: str
    values: tuple[ToolValues, ...]


def parse_tool(text: str) -> Tool:
    """Return the tool of a text as `tool_text` writes it. Raises ValueError."""
    kind, _, rest = text.partition(" ")
    numbers = [int(word) for word in rest.replace(" ", ",").split(",") if word]
    sides = {"spot": 2, "line": 4, "box": 4, "ellipse": 4}
    if kind == "polygon" and len(numbers) >= 6 and len(numbers) % 2 == 0:
        return Polygon(tuple(zip(numbers[::2], numbers[1::2], strict=True)))
    if sides.get(kind) != len(numbers):
        raise ValueError(f"{text!r} is no tool")
    match kind:
        case "spot":
            return Spot(*numbers)
        case "line":
            return Line(*numbers)
        case "box":
            return Rectangle(*numbers)
        case _:
            return Ellipse(*numbers)


def adjusted(measured: Radiometry, scene: Scene, placed: Sequence[PlacedTool] = ()) -> tuple[Floats, tuple[Message, ...]]:
    """Return the temperatures float32 [H, W] under a scene, and with the own emissivities of tools where these lie.

    Pixels for which the formula has no answer are NaN; notes say how many of the whole picture. Raises ConfigError.
    """
    kelvin, notes = measured.kelvin(scene)
    for one in placed:
        if one.emissivity is not None:
            places = places_of(one.tool, (kelvin.shape[0], kelvin.shape[1]))
            kelvin.reshape(-1)[places] = measured.kelvin_at(places, replace(scene, emissivity=one.emissivity))
    return kelvin, notes


class ToolHistory:
    """The temperatures of tools in one frame after the other."""

    def __init__(self) -> None:
        self._readings: dict[tuple[int, str], ToolReading] = {}  # in the order in which they were taken

    @property
    def readings(self) -> Collection[ToolReading]:
        return self._readings.values()

    def add(self, reading: ToolReading) -> bool:
        """Take a reading; return False for one of a frame that is known already."""
        key = (reading.sequence, reading.part)
        if key in self._readings:
            return False
        self._readings[key] = reading
        if len(self._readings) > MOST_READINGS:
            del self._readings[next(iter(self._readings))]
        return True

    def course(self, tool: int, *, by_number: bool = False) -> tuple[list[float], list[float]]:
        """Return (seconds since the first reading, highest temperature in kelvin) of a tool, in the order of time.

        `by_number`: frames since the first one instead of seconds.
        """
        known = [(one.sequence if by_number else one.seconds, one.values[tool].maximum) for one in self.readings]
        known.sort(key=lambda one: one[0])
        return [place - known[0][0] for place, _ in known], [kelvin for _, kelvin in known]

    def rise(self, tool: int) -> float | None:
        """Return by how many kelvin a minute the highest temperature of a tool rises; None if that is not known."""
        seconds, kelvin = (np.array(numbers) for numbers in self.course(tool))
        alive = np.isfinite(kelvin)
        if np.count_nonzero(alive) < 2 or not np.ptp(seconds[alive]) > 0:
            return None
        return float(np.polyfit(seconds[alive], kelvin[alive], 1)[0]) * 60

    def table(self, tools: Sequence[Tool], unit: TemperatureUnit) -> str:
        """Return the readings as CSV with one line a tool and frame; temperatures without a number are empty."""
        rows: list[Sequence[object]] = [_COLUMNS]
        for one in self.readings:
            for tool, values in zip(tools, one.values, strict=True):
                numbers = [
                    f"{temperature(value, unit):.3f}" if np.isfinite(value) else ""
                    for value in (values.minimum, values.maximum, values.mean)
                ]
                spread = f"{difference(values.std, unit):.3f}" if np.isfinite(values.std) else ""
                rows.append([one.sequence, one.utc.isoformat(), one.part, tool_text(tool), unit, *numbers, spread])
        return table_text(rows)
