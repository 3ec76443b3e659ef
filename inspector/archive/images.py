"""Images of the archive: files at native depth, lossless, named after the record they belong to.

JPEG XL at effort 1 is the fastest lossless codec measured here that keeps 8 and 16 bits and kelvin in float32 with its NaN
exactly.
"""

import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from inspector.core.errors import StorageError
from inspector.core.types import Frame, Pixels
from inspector.results.record_file import refused

IMAGES = "images"
SUFFIX = ".jxl"
_CODEC = "jpegxl"


@dataclass(frozen=True, slots=True)
class KeptImage:
    """One image file. `path`: below the archive's folder, with forward slashes. `digest`: SHA-256 of the file."""

    camera: str
    path: str
    digest: str
    bytes: int
    keeps: str
    codec: str = _CODEC

    def content(self) -> dict[str, Any]:
        """Return it for a record."""
        return {
            "camera": self.camera,
            "path": self.path,
            "sha256": self.digest,
            "bytes": self.bytes,
            "keeps": self.keeps,
            "codec": self.codec,
        }


def encode(pixels: Pixels) -> bytes:
    """Return pixels as JPEG XL, lossless."""
    import imagecodecs

    native = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
    return bytes(imagecodecs.jpegxl_encode(native, lossless=True, effort=1))


def decode(data: bytes) -> Pixels:
    """Return the pixels of `encode`. Raises ValueError."""
    import imagecodecs

    try:
        pixels: Pixels = imagecodecs.jpegxl_decode(data)
    except (RuntimeError, imagecodecs.JpegxlError) as error:
        raise ValueError(str(error)) from error
    return pixels


def file_name(camera: str) -> str:
    """Return a camera's name as a piece of a file's name: ASCII, which any bag, disk or server takes, and no other camera's."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in camera)[:40]
    if plain and plain == camera:
        return plain
    return f"{plain}-{hashlib.sha256(camera.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def write_image(archive: Path, frame: Frame, *, journal: str, sequence: int, when: datetime, keeps: str) -> KeptImage:
    """Write a frame and make it durable. Raises StorageError."""
    data = encode(frame.pixels)
    name = f"{IMAGES}/{when:%Y/%m/%d}/{journal[:8]}-{sequence:010d}-{file_name(frame.camera)}{SUFFIX}"
    path = archive / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise refused(archive / IMAGES, error) from error  # the folder: the same sentence for every image
    return KeptImage(frame.camera, name, hashlib.sha256(data).hexdigest(), len(data), keeps)


def read_kept(archive: Path, file: Mapping[str, Any]) -> Pixels:
    """Read an image by what its record says. Raises StorageError for a file that is missing, damaged or another one."""
    path = archive / str(file["path"])
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageError("The image {file} cannot be read ({detail}).", file=path, detail=error.strerror or error) from error
    if hashlib.sha256(data).hexdigest() != file["sha256"]:
        raise StorageError("The image {file} is not the one that was recorded.", remedy="Restore it from a backup.", file=path)
    try:
        return decode(data)
    except ValueError as error:
        raise StorageError("The image {file} cannot be decoded ({detail}).", file=path, detail=error) from error
