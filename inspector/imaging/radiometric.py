"""Temperatures from a FLIR radiometric JPEG.

The file format (APP1 segments "FLIR", joined to an FFF file with a directory of records, a raw thermal image and the
camera's calibration) is the one documented by ExifTool's FLIR tag tables (P. Harvey, exiftool.org/TagNames/FLIR.html).

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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.message import Message
from inspector.core.types import KELVIN_AT_0_C, Floats
from inspector.imaging.headers import jpeg_segments
from inspector.imaging.temperature import without_dead

_RAW, _CAMERA = 1, 0x20  # record types of an FFF file
_MOST_RECORDS = 1000
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


# Byte offsets in the camera record, in the order of Calibration.
_OFFSETS = (0x20, 0x24, 0x28, 0x2C, 0x30, 0x34, 0x3C, 0x58, 0x5C, 0x60, 0x70, 0x74, 0x78, 0x7C, 0x80, 0x308, 0x30C)


def flir_size(jpeg: bytes, file: Path) -> tuple[int, int]:
    """Return (width, height) of the thermal image, without decoding it. Raises ConfigError."""
    raw, _ = _records(jpeg, file)
    try:
        width, height, _ = _raw_header(raw)
    except (ValueError, struct.error) as error:
        raise _damaged(file, error) from error
    return width, height


def decode_flir(jpeg: bytes, file: Path) -> tuple[Floats, tuple[Message, ...]]:
    """Return temperatures float32 [H, W] in kelvin, and a note about dead pixels.

    Uses the emissivity and distance stored in the file. Dead pixels are NaN. Raises ConfigError.
    """
    raw, camera = _records(jpeg, file)
    try:
        return without_dead(file, temperatures(_raw_values(raw), _calibration(camera)))
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise _damaged(file, error) from error


def temperatures(raw: NDArray[np.uint16], calibration: Calibration) -> Floats:
    """Convert raw values [H, W] to kelvin, with NaN for dead pixels.

    Raises ValueError if the formula has no solution for more than the tolerated dead pixels (constants that do not fit).
    """
    c = calibration
    tau = transmission(c)
    if not (0.0 < c.emissivity <= 1.0 and 0.0 < tau <= 1.5 and 0.0 < c.window_transmission <= 1.0 and c.r1 > 0 and c.r2 > 0):
        raise ValueError("the stored calibration is not plausible")

    def signal(kelvin: float) -> float:
        return c.r1 / (c.r2 * (float(np.exp(c.b / kelvin)) - c.f)) - c.o

    w = c.window_transmission
    others = (
        (1.0 - c.emissivity) * tau * w * tau * signal(c.reflected)
        + (1.0 - tau) * w * tau * signal(c.air)
        + (1.0 - w) * tau * signal(c.window)
        + (1.0 - tau) * signal(c.air)
    )
    # 65,536 possible values: a table is both the fastest and the exact way.
    values = np.arange(65536, dtype=np.float64)
    body = (values - others) / (c.emissivity * tau * w * tau)
    with np.errstate(invalid="ignore", divide="ignore"):
        table = c.b / np.log(c.r1 / (c.r2 * (body + c.o)) + c.f)
    kelvin: Floats = table.astype(np.float32)[raw]
    alive = kelvin > 0.0  # False for NaN
    if np.count_nonzero(~alive) > max(1, _DEAD * alive.size):
        raise ValueError("some pixels have no temperature under the stored calibration")
    kelvin[~alive] = np.nan
    return kelvin


def transmission(c: Calibration) -> float:
    """Return the transmission of the atmosphere on either side of the window."""
    t = c.air - KELVIN_AT_0_C
    vapour = c.humidity * np.exp(1.5587 + 0.06939 * t - 0.00027816 * t**2 + 0.00000068455 * t**3)
    path, damp = np.sqrt(max(c.distance, 0.0) / 2.0), np.sqrt(max(float(vapour), 0.0))
    near = c.x * np.exp(-path * (c.a1 + c.b1 * damp))
    return float(near + (1.0 - c.x) * np.exp(-path * (c.a2 + c.b2 * damp)))


def _damaged(file: Path, detail: object) -> ConfigError:
    return ConfigError(
        "The thermal data in {file} cannot be read ({detail}).",
        remedy="Copy the file from the camera again.",
        file=file,
        detail=detail,
    )


def _records(jpeg: bytes, file: Path) -> tuple[bytes, bytes]:
    """Return two records: the raw image and the calibration."""
    pieces: dict[int, bytes] = {}
    for kind, body in jpeg_segments(jpeg):
        if kind == 0xE1 and body[:5] == b"FLIR\0" and len(body) > 8:
            pieces[body[6]] = pieces.get(body[6], b"") + body[8:]
    fff = b"".join(pieces[number] for number in sorted(pieces))
    try:
        if fff[:4] not in (b"FFF\0", b"AFF\0"):
            raise ValueError("no FFF header")
        # The directory's byte order differs between makers; a version number between 100 and 200 tells.
        order = next((o for o in "><" if 100 <= struct.unpack_from(f"{o}I", fff, 0x14)[0] < 200), None)
        if order is None:
            raise ValueError("unknown version")
        start, count = struct.unpack_from(f"{order}II", fff, 0x18)
        found: dict[int, bytes] = {}
        for k in range(min(count, _MOST_RECORDS)):
            kind, _, _, _, offset, length = struct.unpack_from(f"{order}HHIIII", fff, start + 32 * k)
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
    if payload[:4] != b"\x89PNG":
        return np.frombuffer(payload, "<u2", width * height).reshape(height, width)
    with PIL.Image.open(io.BytesIO(payload), formats=("PNG",)) as picture:
        if picture.size != (width, height):
            raise ValueError("the raw image has another size than its header says")
        return np.asarray(picture).astype(np.uint16).byteswap()  # FLIR stores the words of its PNG the wrong way round


def _calibration(record: bytes) -> Calibration:
    order = _byte_order(record)
    values = [struct.unpack_from(f"{order}{'i' if at == 0x308 else 'f'}", record, at)[0] for at in _OFFSETS]
    return Calibration(*values)
