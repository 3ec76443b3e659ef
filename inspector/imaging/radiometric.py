"""Temperatures from FLIR's radiometric files: JPEG, FFF, and the recordings SEQ and CSQ.

The file format (a block "FFF" with a directory of records, a raw thermal image and the camera's calibration) is the one
documented by ExifTool's FLIR tag tables (P. Harvey, exiftool.org/TagNames/FLIR.html). A JPEG carries the block in APP1 segments
called "FLIR"; a recording is one block after the other, with the raw images of a CSQ compressed as JPEG-LS.

The formula is FLIR's measurement formula: W. Minkina and S. Dudzik, "Infrared Thermography: Errors and Uncertainties"
(Wiley, 2009), with the external window of G. J. Tattersall's R package Thermimage (`raw2temp`). A signal S is linear in
radiance; a black body at T kelvin gives

    S(T) = R1 / (R2 (exp(B / T) - F)) - O

and through air of transmission t, a window of transmission W and air again a camera receives of an object of emissivity E

    S = E t W t S(object) + (1 - E) t W t S(reflected) + (1 - t) W t S(air) + (1 - W) t S(window) + (1 - t) S(air)
    t = X exp(-sqrt(d/2) (a1 + b1 sqrt(w))) + (1 - X) exp(-sqrt(d/2) (a2 + b2 sqrt(w)))
    w = h exp(1.5587 + 0.06939 c - 0.00027816 c^2 + 0.00000068455 c^3)

with d the distance in metres (half of it on either side of the window), w the water vapour, h the relative humidity as a
fraction and c the air in Celsius. Solved here for the object. How true the temperatures are is the camera's affair.
"""

import io
import struct
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.message import Message
from inspector.core.types import KELVIN_AT_0_C, Floats
from inspector.imaging.headers import jpeg_segments
from inspector.imaging.image import AS_STORED, MAX_PAGES, Scene
from inspector.imaging.temperature import KELVIN_RANGE, left_out, without_dead

_RAW, _CAMERA = 1, 0x20  # record types of an FFF file
_MOST_RECORDS = 1000
_MARKS = (b"FFF\0", b"AFF\0")
_HEADER = 64  # bytes
_FILL = 4096  # the most bytes between two blocks of a recording
_DEAD = 0.01  # share of pixels that may be dead


@dataclass(frozen=True, slots=True)
class Calibration:
    """The scene (kelvin, metres, fractions) and the Planck and atmosphere constants as the camera stored them."""

    emissivity: float
    distance: float
    reflected: float
    air: float
    window: float
    window_transmission: float
    humidity: float
    r1: float
    b: float
    f: float
    a1: float
    a2: float
    b1: float
    b2: float
    x: float
    o: int
    r2: float


@dataclass(frozen=True, slots=True, eq=False)
class Radiometry:
    """What the camera measured, before it is a temperature: raw values uint16 [H, W], and the camera's calibration."""

    file: Path
    raw: NDArray[np.uint16]
    calibration: Calibration

    def kelvin(self, scene: Scene = AS_STORED) -> tuple[Floats, tuple[Message, ...]]:
        """Return temperatures float32 [H, W] in kelvin, and a note about pixels without one, which are NaN.

        Under a scene of one's own any number of pixels may have none. Raises ConfigError if none has, or if the stored
        calibration does not fit the image.
        """
        own = scene != AS_STORED
        try:
            kelvin = temperatures(self.raw, _applied(scene, self.calibration), tolerated=1.0 if own else _DEAD)
            if own and np.isnan(kelvin).all():
                raise ValueError("no pixel has a temperature under these conditions")
        except ValueError as error:
            raise _damaged(self.file, error) if not own else _impossible(self.file, error) from error
        return _noted(self.file, kelvin) if own else without_dead(self.file, kelvin)

    def kelvin_at(self, places: NDArray[np.intp], scene: Scene) -> Floats:
        """Return the temperatures float32 [N] of these places of the flat image under a scene of their own, NaN where there is
        none.

        Raises ConfigError for a scene that no camera can look through.
        """
        try:
            kelvin = temperatures(self.raw.ravel().take(places), _applied(scene, self.calibration), tolerated=1.0)
        except ValueError as error:
            raise _impossible(self.file, error) from error
        return _noted(self.file, kelvin)[0]


# Byte offsets in the camera record, in the order of Calibration.
_OFFSETS = (0x20, 0x24, 0x28, 0x2C, 0x30, 0x34, 0x3C, 0x58, 0x5C, 0x60, 0x70, 0x74, 0x78, 0x7C, 0x80, 0x308, 0x30C)


def flir_jpeg(jpeg: bytes) -> bytes:
    """Return the FFF block in the segments of a JPEG."""
    pieces: dict[int, bytes] = {}
    for kind, body in jpeg_segments(jpeg):
        if kind == 0xE1 and body[:5] == b"FLIR\0" and len(body) > 8:
            pieces[body[6]] = pieces.get(body[6], b"") + body[8:]
    return b"".join(pieces[number] for number in sorted(pieces))


def flir_size(block: bytes, file: Path) -> tuple[int, int]:
    """Return (width, height) of the thermal image of an FFF block, without decoding it. Raises ConfigError."""
    raw, _ = _records(block, file)
    try:
        width, height, _ = _raw_header(raw)
    except (ValueError, struct.error) as error:
        raise _damaged(file, error) from error
    return width, height


def read_radiometry(block: bytes, file: Path) -> Radiometry:
    """Return what the camera measured, of one FFF block. Raises ConfigError."""
    raw, camera = _records(block, file)
    try:
        return Radiometry(file, _raw_values(raw), _calibration(camera))
    except (OSError, SyntaxError, ValueError, RuntimeError, struct.error) as error:
        raise _damaged(file, error) from error


def recording_blocks(data: bytes) -> tuple[list[tuple[int, int]], int]:
    """Return (start, end) of every FFF block of a recording, and the number of bytes in it that are no whole block.

    The directory of each block tells where it ends, since pixels may contain the mark of a block. Only what lies between blocks
    is searched for the next mark: some recorders fill up, and some begin with a header of their own.
    """
    blocks: list[tuple[int, int]] = []
    at, lost = 0, 0
    while len(blocks) < MAX_PAGES:
        start = min((place for place in (data.find(mark, at) for mark in _MARKS) if place >= 0), default=len(data))
        between = data[at:start]
        if between.strip(b"\0") and (start - at > _FILL or start == len(data) or not blocks):
            lost += len(between)
        if start == len(data):
            break
        try:
            end = start + _length(data, start)
        except (ValueError, struct.error):
            end = len(data) + 1
        if end > len(data):  # no block, or one that is cut short
            lost, at = lost + len(_MARKS[0]), start + len(_MARKS[0])
            continue
        blocks.append((start, end))
        at = end
    return blocks, lost


def temperatures(raw: NDArray[np.uint16], calibration: Calibration, *, tolerated: float = _DEAD) -> Floats:
    """Convert raw values [H, W] to kelvin, with NaN where the formula has no solution.

    Raises ValueError if that is so for more than this share of the pixels (constants that do not fit).
    """
    table = _table(calibration)
    kelvin = np.asarray(cv2.LUT(raw, table), np.float32) if raw.ndim == 2 else table.take(raw)
    if bool(
        (table[int(raw.min()) : int(raw.max()) + 1] > 0.0).all()
    ):  # as good as always, and cheaper than to look at all pixels
        return kelvin
    alive = kelvin > 0.0  # False for NaN
    if np.count_nonzero(~alive) > max(1, tolerated * alive.size):
        raise ValueError("some pixels have no temperature under the stored calibration")
    kelvin[~alive] = np.nan
    return kelvin


@lru_cache(maxsize=32)
def _table(c: Calibration) -> Floats:
    """Return the temperature of each of the 65,536 possible values, which is both the fastest and the exact way: the frames of
    a recording share it. Raises ValueError.
    """
    _check_plausible(c)
    tau = transmission(c)
    if not 0.0 < tau <= 1.5:
        raise ValueError("the air between camera and part would let nothing through")

    def signal(kelvin: float) -> float:
        return c.r1 / (c.r2 * (float(np.exp(c.b / kelvin)) - c.f)) - c.o

    w = c.window_transmission
    others = (
        (1.0 - c.emissivity) * tau * w * tau * signal(c.reflected)
        + (1.0 - tau) * w * tau * signal(c.air)
        + (1.0 - w) * tau * signal(c.window)
        + (1.0 - tau) * signal(c.air)
    )
    values = np.arange(65536, dtype=np.float64)
    body = (values - others) / (c.emissivity * tau * w * tau)
    with np.errstate(invalid="ignore", divide="ignore"):
        table: Floats = (c.b / np.log(c.r1 / (c.r2 * (body + c.o)) + c.f)).astype(np.float32)
    table.setflags(write=False)
    return table


class _StoredError(ValueError):
    """A stored number that no scene or camera has."""


_NAMES = {
    **{name: name for name in ("emissivity", "distance", "humidity")},
    **{name: f"{name} temperature" for name in ("reflected", "air", "window")},
    "window_transmission": "transmission of the window",
}


def _check_plausible(c: Calibration) -> None:
    """Raise ValueError naming the first number that no scene or camera has."""
    ranges = {
        "emissivity": (1e-6, 1.0),
        "distance": (0.0, 1e5),
        "humidity": (0.0, 1.0),
        "window_transmission": (1e-6, 1.0),
        **dict.fromkeys(("reflected", "air", "window"), (1.0, 5000.0)),
        **dict.fromkeys(("r1", "r2", "b"), (1e-12, 1e12)),
    }
    for field in fields(c):
        value = getattr(c, field.name)
        low, high = ranges.get(field.name, (-1e12, 1e12))
        if not low <= value <= high:  # also true for NaN
            raise _StoredError(f"the {_NAMES.get(field.name, f'constant {field.name}')} is said to be {value:g}")


def transmission(c: Calibration) -> float:
    """Return the transmission of the atmosphere on either side of the window."""
    t = c.air - KELVIN_AT_0_C
    vapour = c.humidity * np.exp(1.5587 + 0.06939 * t - 0.00027816 * t**2 + 0.00000068455 * t**3)
    path, damp = np.sqrt(max(c.distance, 0.0) / 2.0), np.sqrt(max(float(vapour), 0.0))
    near = c.x * np.exp(-path * (c.a1 + c.b1 * damp))
    return float(near + (1.0 - c.x) * np.exp(-path * (c.a2 + c.b2 * damp)))


def _impossible(file: Path, detail: object) -> ConfigError:
    return ConfigError(
        "The temperatures in {file} cannot be computed for this emissivity and these surroundings ({detail}).",
        remedy="Check the emissivity, the reflected temperature and the distance.",
        file=file,
        detail=detail,
    )


def _damaged(file: Path, detail: object) -> ConfigError:
    told = "Copy the file from the camera again, or set emissivity, distance and surroundings of the source yourself."
    again = "Copy the file from the camera again."
    return ConfigError(
        "The thermal data in {file} cannot be read ({detail}).",
        remedy=told if isinstance(detail, _StoredError) else again,
        file=file,
        detail=detail,
    )


def _applied(scene: Scene, calibration: Calibration) -> Calibration:
    """Return the calibration with what is known in place of what was stored."""
    known = {field.name: getattr(scene, field.name) for field in fields(scene)}
    return replace(calibration, **{name: value for name, value in known.items() if value is not None})


def _noted(file: Path, kelvin: Floats) -> tuple[Floats, tuple[Message, ...]]:
    dead = ~((kelvin >= KELVIN_RANGE[0]) & (kelvin <= KELVIN_RANGE[1]))  # also true for NaN
    kelvin[dead] = np.nan
    return kelvin, (left_out(int(dead.sum())),) if dead.any() else ()


def _directory(fff: bytes, at: int = 0) -> tuple[list[tuple[int, int, int]], int]:
    """Return (kind, offset, length) of every record of the block that begins at `at`, and where its directory ends.

    Offsets and the end count from the block's begin. Raises ValueError, struct.error.
    """
    if fff[at : at + 4] not in _MARKS:
        raise ValueError("no FFF header")
    # The directory's byte order differs between makers; a version number between 100 and 200 tells.
    order = next((o for o in "><" if 100 <= struct.unpack_from(f"{o}I", fff, at + 0x14)[0] < 200), None)
    if order is None:
        raise ValueError("unknown version")
    start, count = struct.unpack_from(f"{order}II", fff, at + 0x18)
    count = min(count, _MOST_RECORDS)
    found = []
    for k in range(count):
        kind, _, _, _, offset, length = struct.unpack_from(f"{order}HHIIII", fff, at + start + 32 * k)
        found.append((kind, offset, length))
    return found, start + 32 * count


def _length(data: bytes, at: int) -> int:
    """Return the length of the block that begins at `at`: to the end of its directory or its last record.

    Raises ValueError, struct.error.
    """
    directory, end = _directory(data, at)
    length = max(end, *(offset + length for kind, offset, length in directory if kind and length), 0)
    if length < _HEADER:
        raise ValueError("the block is shorter than its header")
    return length


def _records(fff: bytes, file: Path) -> tuple[bytes, bytes]:
    """Return two records of an FFF block: the raw image and the calibration. Raises ConfigError."""
    try:
        found: dict[int, bytes] = {}
        for kind, offset, length in _directory(fff)[0]:
            if kind in (_RAW, _CAMERA) and length:
                if offset + length > len(fff):
                    raise ValueError("the data end too soon")
                found.setdefault(kind, fff[offset : offset + length])
        return found[_RAW], found[_CAMERA]
    except (ValueError, struct.error) as error:
        raise _damaged(file, error) from error
    except KeyError:
        raise _damaged(file, "the raw image or the calibration is missing") from None


def _byte_order(record: bytes) -> str:
    return "<" if record[:2] == b"\2\0" else ">"


def _raw_header(record: bytes) -> tuple[int, int, bytes]:
    if len(record) < 36:
        raise ValueError("no raw image")
    width, height = struct.unpack_from(f"{_byte_order(record)}HH", record, 2)
    return width, height, record[32:]


def _raw_values(record: bytes) -> NDArray[np.uint16]:
    width, height, payload = _raw_header(record)
    if payload[:2] == b"\xff\xd8":  # JPEG-LS, in a CSQ
        import imagecodecs  # slow to import, and rarely needed

        values = np.asarray(imagecodecs.jpegls_decode(payload))
        if values.shape != (height, width):
            raise ValueError("the raw image has another size than its header says")
        if values.dtype != np.uint16:
            raise ValueError("the raw image is no grey picture of 16 bits")
        return values
    if payload[:4] != b"\x89PNG":
        if len(payload) < 2 * width * height:
            raise ValueError("the raw image is cut short")
        return np.frombuffer(payload, "<u2", width * height).reshape(height, width)
    with PIL.Image.open(io.BytesIO(payload), formats=("PNG",)) as picture:
        if picture.size != (width, height):
            raise ValueError("the raw image has another size than its header says")
        if not picture.mode.startswith("I"):
            raise ValueError(f"the raw image is no grey picture of 16 bits ({picture.mode})")
        return np.asarray(picture).astype(np.uint16).byteswap()  # FLIR stores the words of its PNG the wrong way round


def _calibration(record: bytes) -> Calibration:
    order = _byte_order(record)
    if len(record) < _OFFSETS[-1] + 4:
        raise ValueError("the calibration is cut short")
    values = [struct.unpack_from(f"{order}{'i' if at == 0x308 else 'f'}", record, at)[0] for at in _OFFSETS]
    stored = Calibration(*values)
    # Some cameras store percent (ExifTool, FLIR tags, RelativeHumidity).
    return replace(stored, humidity=stored.humidity / 100) if 2.0 < stored.humidity <= 100.0 else stored
