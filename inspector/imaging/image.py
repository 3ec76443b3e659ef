"""An image as its reader returns it, how a source says it is to be read, and the sentences shared by all readers."""

import re
import struct
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import cv2

from inspector.core.errors import ConfigError
from inspector.core.message import Message
from inspector.core.types import Pixels, Unit

MAX_SIDE = 32_768
MAX_PIXELS = 120_000_000
MAX_BYTES = 1 << 30
MAX_DECODED = MAX_PIXELS * 6  # bytes: 16-bit colour of the most pixels
MAX_PAGES = 10_000

# Errors that a decoder raises on malformed bytes: Pillow documents only OSError.
DAMAGE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
    cv2.error,
)

TemperatureUnit = Literal["kelvin", "celsius", "fahrenheit"]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a person knows better than a thermal camera did; None: as stored. Temperatures in kelvin, distance in metres."""

    emissivity: float | None = None
    reflected: float | None = None
    distance: float | None = None
    air: float | None = None
    humidity: float | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for a number that no scene has."""
        ranges = {"emissivity": (0.01, 1.0), "distance": (0.0, 10_000.0), "humidity": (0.0, 1.0)}
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = ranges.get(field.name, (1.0, 5000.0))
            if value is not None and not low <= value <= high:  # NaN is not within either
                raise ConfigError(
                    "{name} = {value:g} is not possible; it lies between {low:g} and {high:g}.",
                    remedy="Give another value, or leave it out.",
                    name=field.name,
                    value=value,
                    low=low,
                    high=high,
                )


AS_STORED = Scene()


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read the images of a source where the files do not say so themselves.

    `bits`: how many bits of a value are used. `unit`: the values are temperatures in this unit; "intensity": they are not
    temperatures. `scale`, `offset`: a temperature is value * scale + offset. `scene`: the conditions under which a radiometric
    camera's values become temperatures.
    """

    bits: int | None = None
    unit: TemperatureUnit | Literal["intensity", ""] = ""
    scale: float | None = None
    offset: float | None = None
    scene: Scene = AS_STORED


AS_IT_SAYS = Reading()


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """Decoded pixels as in `Frame`, their unit, notes on how they were read, and the number of bits in use.

    `bits` is None if nothing says how many.
    """

    pixels: Pixels
    unit: Unit = "intensity"
    notes: tuple[Message, ...] = ()
    bits: int | None = None


def check_size(path: Path, width: int, height: int, *, bytes_per_pixel: int = 3) -> None:
    """Refuse an image that is too large, judged by its header, before anything is decoded. Raises ConfigError."""
    if width < 1 or height < 1 or width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise ConfigError(
            "{file} is {width} x {height} pixels; at most {side} a side and {pixels} million in all are read.",
            remedy="Cut it into pieces or save it smaller.",
            file=path,
            width=width,
            height=height,
            side=MAX_SIDE,
            pixels=MAX_PIXELS // 1_000_000,
        )
    if width * height * bytes_per_pixel > MAX_DECODED:
        raise ConfigError(
            "{file} needs {size} MB once it is decoded; at most {limit} MB are read.",
            remedy="Cut it into pieces, or save it with fewer bands or bits.",
            file=path,
            size=width * height * bytes_per_pixel >> 20,
            limit=MAX_DECODED >> 20,
        )


def damaged(path: Path, error: BaseException) -> ConfigError:
    """Return the error for a file whose content contradicts its header or ends too soon."""
    return ConfigError(
        "{file} is damaged or cut short ({detail}).", remedy="Copy or save it again.", file=path, detail=detail_of(error)
    )


def unsupported(path: Path, detail: object) -> ConfigError:
    """Return the error for a valid file of an unsupported kind."""
    return ConfigError(
        "{file} holds a kind of pixels that is not read: {detail}.",
        remedy="Save it as 8-bit or 16-bit PNG or TIFF.",
        file=path,
        detail=detail,
    )


def detail_of(error: BaseException) -> str:
    """Return a library's error text in one line, without addresses of objects."""
    said = re.sub(r"<[^<>]*>", "", str(error))
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[0][:200].rstrip(" .:") if lines and lines[0].strip(" .:") else type(error).__name__
