"""Conversion of thermal image values to kelvin, by a declared or plausible unit and scale.

If nothing is declared, values count as kelvin only if no pixel would be colder than -73 degrees Celsius. An image in Celsius
read as kelvin would be far below every limit.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.types import KELVIN_AT_0_C, Floats, Pixels
from inspector.imaging.image import Reading, TemperatureUnit

KELVIN_RANGE = (50.0, 5000.0)
COLD = 200.0  # kelvin: an image colder than this everywhere is probably in degrees Celsius
_DEAD = 0.01  # share of pixels that may be dead
_HUNDREDTHS = (25_315, 47_315)  # -20 to 200 degrees Celsius in hundredths of a kelvin

_ITEM = re.compile(r"<Item\b([^>]*)>([^<]*)</Item>")  # GDAL's metadata, parsed without XML entities
_ROLE = re.compile(r"""\b(?:name|role)\s*=\s*["'](\w+)["']""")
_BAND = re.compile(r"""\bsample\s*=\s*["'](\d+)["']""")
_SAID = re.compile(
    r"""\b(?:value_?|temperature_?|pixel_?|data_?|v)?unit(?:s|type)?\b["']?\s*[:=]\s*["']?\s*([^\s"',;}<]+(?:\s+(?:celsius|c)\b)?)""",
    re.I,
)
_UNITS: dict[str, TemperatureUnit] = {
    **dict.fromkeys(("k", "kelvin", "kelvins", "degk", "degreekelvin", "degreeskelvin"), "kelvin"),
    **dict.fromkeys(
        ("c", "°c", "ºc", "℃", "celsius", "centigrade", "degc", "degreec", "degreesc", "degreecelsius", "degreescelsius"),
        "celsius",
    ),
    **dict.fromkeys(("f", "°f", "℉", "fahrenheit", "degf", "degreefahrenheit", "degreesfahrenheit"), "fahrenheit"),
}
_PARTS: dict[str, tuple[TemperatureUnit, float]] = {
    "ck": ("kelvin", 0.01),
    "centikelvin": ("kelvin", 0.01),
    "dk": ("kelvin", 0.1),
    "decikelvin": ("kelvin", 0.1),
    "mk": ("kelvin", 0.001),
    "millikelvin": ("kelvin", 0.001),
}


@dataclass(frozen=True, slots=True)
class Scale:
    """temperature = value * scale + offset, in `unit` (None if unknown).

    `nodata`: the value of pixels without a temperature.
    """

    unit: TemperatureUnit | None = None
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None

    @property
    def told(self) -> bool:
        """Whether anything declares the values to be more than grey levels."""
        return self.unit is not None or (self.scale, self.offset) != (1.0, 0.0)


def scale_of(description: str, gdal: str, nodata: str, how: Reading) -> Scale:
    """Return the scale declared in a TIFF's description and in GDAL's tags, overridden by a person's settings."""
    said = Scale()
    for attributes, text in _ITEM.findall(gdal):
        band = _BAND.search(attributes)
        if band is not None and band.group(1) != "0":
            continue
        roles = {role.lower() for role in _ROLE.findall(attributes)}
        if roles & {"scale", "offset"}:
            number = _number(text)
            if number is not None:
                said = replace(said, scale=number) if "scale" in roles else replace(said, offset=number)
        elif roles & {"unittype", "unit", "units"}:
            said = _with_unit(said, text)
    if said.unit is None:
        for text in _SAID.findall(description):
            said = _with_unit(said, text)
    said = replace(said, nodata=_number(nodata))
    if how.unit in ("kelvin", "celsius", "fahrenheit"):
        said = replace(said, unit=how.unit)
    return replace(
        said,
        scale=said.scale if how.scale is None else how.scale,
        offset=said.offset if how.offset is None else how.offset,
    )


def _with_unit(said: Scale, text: str) -> Scale:
    word = re.sub(r"[\s_.]+", "", text).casefold()
    if word in _PARTS:
        unit, part = _PARTS[word]
        return replace(said, unit=unit, scale=said.scale * part, offset=said.offset * part)
    return replace(said, unit=_UNITS[word]) if word in _UNITS else said


def _number(text: str) -> float | None:
    try:
        value = float(text.strip(" \0\r\n\t"))
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def to_kelvin(path: Path, values: NDArray[np.generic], scale: Scale) -> tuple[Floats, tuple[Message, ...]]:
    """Convert a file's values [H, W] to float32 kelvin [H, W], and return them with a note.

    Pixels without a temperature are NaN. Raises ConfigError if unit and values contradict each other.
    """
    absent = None if scale.nodata is None else values == np.asarray(scale.nodata).astype(values.dtype)
    if values.dtype == np.uint16:
        kelvin = np.asarray(cv2.LUT(np.ascontiguousarray(values), _table(scale.unit, scale.scale, scale.offset)), np.float32)
    else:
        kelvin = _converted(values, scale.unit, scale.scale, scale.offset)
    if absent is not None:
        kelvin[absent] = np.nan
    if scale.unit is None:
        _check_plausible(path, kelvin)
    return without_dead(path, kelvin)


def declares(how: Reading) -> bool:
    """Return whether a source says that its values are temperatures."""
    return how.unit != "intensity" and (bool(how.unit) or how.scale is not None or how.offset is not None)


def declared(source: Path, pixels: Pixels, how: Reading) -> tuple[Floats, tuple[Message, ...]]:
    """Convert grey values [H, W] to float32 kelvin [H, W] as their source declares them, and return them with a note.

    Raises ConfigError for colours, or if unit and values contradict each other.
    """
    if pixels.ndim != 2:
        raise ConfigError(
            "{file} holds colours, which no scale makes into temperatures.",
            remedy="Give the camera's grey values, or leave unit, scale and offset of the source out.",
            file=source,
        )
    return to_kelvin(source, pixels, scale_of("", "", "", how))


def in_kelvin(values: Pixels, how: Reading) -> Floats:
    """Return grey values [H, W] in kelvin as declared, without a check; as kelvin if no unit is declared."""
    scale = scale_of("", "", "", how)
    return _converted(values, scale.unit, scale.scale, scale.offset)


@lru_cache(maxsize=8)
def _table(unit: TemperatureUnit | None, scale: float, offset: float) -> Floats:
    """Return the temperature of each of the 65,536 values of 16 bits: frames of a camera share it."""
    table = _converted(np.arange(65536, dtype=np.uint16), unit, scale, offset)
    table.setflags(write=False)
    return table


def _converted(values: NDArray[np.generic], unit: TemperatureUnit | None, scale: float, offset: float) -> Floats:
    """Return the values in kelvin, in an array of their own; integers of 32 bits need more digits than float32 has."""
    scaled = (scale, offset) != (1.0, 0.0)
    kelvin: Floats = (values.astype(np.float64) * scale + offset if scaled else values).astype(np.float32)
    if unit == "celsius":
        kelvin += np.float32(KELVIN_AT_0_C)
    elif unit == "fahrenheit":
        kelvin = (kelvin - np.float32(32.0)) * np.float32(5 / 9) + np.float32(KELVIN_AT_0_C)
    return np.ascontiguousarray(kelvin)


def without_dead(path: Path, kelvin: Floats) -> tuple[Floats, tuple[Message, ...]]:
    """Return the temperatures with NaN for dead pixels, and a note.

    Raises ConfigError if they cannot be a scene's temperatures in kelvin.
    """
    low, high = float(kelvin.min()), float(kelvin.max())
    if KELVIN_RANGE[0] <= low and high <= KELVIN_RANGE[1]:
        return kelvin, ()
    with np.errstate(invalid="ignore"):
        dead = ~(kelvin >= KELVIN_RANGE[0])  # also true for NaN
        cold = int(np.count_nonzero(dead & ~np.isnan(kelvin)))
        hot = bool((kelvin > KELVIN_RANGE[1]).any())
    if hot or cold > max(1, _DEAD * kelvin.size) or dead.all():
        low, high = _ends(kelvin)
        raise ConfigError(
            "{file} holds values from {low:g} to {high:g}, which are no temperatures of a scene in kelvin ({least:.0f} to "
            "{most:.0f}).",
            remedy="Set the unit and the scale of the source, or save temperatures in kelvin.",
            file=path,
            low=low,
            high=high,
            least=KELVIN_RANGE[0],
            most=KELVIN_RANGE[1],
        )
    kelvin = kelvin.copy() if not kelvin.flags.writeable else kelvin
    kelvin[dead] = np.nan
    return kelvin, (left_out(int(dead.sum())),)


def left_out(count: int) -> Message:
    """Return the note about pixels without a temperature."""
    return message("Pixels without a temperature are left out: {count}.", count=count)


def may_be_hundredths(pixels: Pixels, camera: str) -> Message | None:
    """Return why 16-bit values could be either grey levels or temperatures; None if they cannot be temperatures."""
    if pixels.dtype != np.uint16 or pixels.ndim != 2:
        return None
    low, high = int(pixels.min()), int(pixels.max())
    if low < _HUNDREDTHS[0] or high > _HUNDREDTHS[1]:
        return None
    return message(
        "{camera} gives values from {low} to {high}, and nothing says whether they are grey levels or temperatures ({cold:.1f} "
        "to {hot:.1f} °C in hundredths of a kelvin). Set bits = 16, or unit = kelvin and scale = 0.01, for the camera.",
        camera=camera,
        low=low,
        high=high,
        cold=low / 100 - KELVIN_AT_0_C,
        hot=high / 100 - KELVIN_AT_0_C,
    )


def _check_plausible(path: Path, values: Floats) -> None:
    """Refuse values that could just as well be Celsius. Raises ConfigError."""
    low, high = float(values.min()), float(values.max())
    if low >= COLD and high <= KELVIN_RANGE[1]:
        return
    alive = values[np.isfinite(values) & (values > 0)]
    cold = int(np.count_nonzero(np.isfinite(values) & (values < COLD)))
    if alive.size and cold <= max(1, _DEAD * values.size):
        return
    low, high = _ends(values)
    raise ConfigError(
        "{file} holds values from {low:g} to {high:g}: read as kelvin {cold:.0f} to {hot:.0f} °C, read as Celsius {low:.0f} to "
        "{high:.0f} °C; nothing says which.",
        remedy="Set the option unit of the source to kelvin or celsius, or save temperatures in kelvin.",
        file=path,
        low=low,
        high=high,
        cold=low - KELVIN_AT_0_C,
        hot=high - KELVIN_AT_0_C,
    )


def _ends(values: Floats) -> tuple[float, float]:
    """Return the lowest and the highest value; NaN if there is none."""
    numbers = values[~np.isnan(values)]
    return (float(numbers.min()), float(numbers.max())) if numbers.size else (float("nan"), float("nan"))
