"""JPEG 2000, as a file of boxes (.jp2) or a bare codestream (.j2k), decoded by OpenJPEG in imagecodecs.

Markers and boxes: ITU-T T.800 (2019), annexes A and I.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inspector.core.message import Message
from inspector.imaging.image import DAMAGE, Image, check_size, damaged, unsupported

_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_CODESTREAM = b"\xff\x4f\xff\x51"
_WORK = 8  # bytes that its decoder needs for each value
_SRGB, _GREY = 16, 17  # enumerated colour spaces
_TILE, _END = b"\xff\x90", b"\xff\xd9"


def is_jpeg2000(data: bytes) -> bool:
    """Return whether the bytes begin as a JPEG 2000 file or codestream."""
    return data.startswith((_SIGNATURE, _CODESTREAM))


@dataclass(frozen=True, slots=True)
class _Size:
    width: int
    height: int
    bits: tuple[int, ...]
    signed: bool
    whole: bool  # no component is stored smaller than the others


class Jpeg2000Pages:
    """The single image of a JPEG 2000 file."""

    count = 1
    notes: tuple[Message, ...] = ()

    def __init__(self, path: Path, data: bytes) -> None:
        """Read the header. Raises ConfigError."""
        self._path = path
        self._data = data
        try:
            self._start = data.index(_CODESTREAM)
            self._size = _size_of(data, self._start)
        except DAMAGE as error:
            raise damaged(path, error) from error
        size = self._size
        check_size(path, size.width, size.height, bytes_per_pixel=len(size.bits) * _WORK)
        space = re.search(rb"colr\x01..(....)", data[: self._start], re.DOTALL)
        known = space is None or int.from_bytes(space.group(1), "big") in (_SRGB, _GREY)
        if len(size.bits) not in (1, 3) or len(set(size.bits)) > 1 or not known or not size.whole:
            raise unsupported(path, f"JPEG 2000 of {len(size.bits)} components that are neither grey nor RGB")
        if size.signed or max(size.bits) > 16 or min(size.bits) < 8:
            raise unsupported(path, f"JPEG 2000 of {size.bits[0]} bits" + (" with sign" if size.signed else ""))

    def read(self, index: int) -> Image:
        """Decode the image. Raises ConfigError."""
        import imagecodecs

        bits = self._size.bits[0]
        try:
            _check_whole(self._data, self._start)
            pixels = np.asarray(imagecodecs.jpeg2k_decode(self._data))
            shape = (self._size.height, self._size.width) + ((3,) if len(self._size.bits) == 3 else ())
            if pixels.shape != shape or pixels.dtype != (np.uint8 if bits == 8 else np.uint16):
                raise ValueError("its pixels are not as its header says")
        except DAMAGE as error:
            raise damaged(self._path, error) from error
        return Image(np.ascontiguousarray(pixels), bits=bits if bits < 16 else None)

    def close(self) -> None:
        """Do nothing: no file is open."""


def _size_of(data: bytes, start: int) -> _Size:
    """Return the sizes in the SIZ marker. Raises IndexError or ValueError."""
    body = data[start + 4 :]
    right, bottom, left, top = (int.from_bytes(body[4 + 4 * k : 8 + 4 * k], "big") for k in range(4))
    count = int.from_bytes(body[36:38], "big")
    parts = [body[38 + 3 * k : 41 + 3 * k] for k in range(count)]
    if not parts or len(parts[-1]) < 3:
        raise ValueError("it has no picture header")
    depths = tuple((part[0] & 0x7F) + 1 for part in parts)
    whole = all(part[1:] == b"\x01\x01" for part in parts)
    return _Size(right - left, bottom - top, depths, any(part[0] & 0x80 for part in parts), whole)


def _check_whole(data: bytes, start: int) -> None:
    """Follow the lengths of the tile parts to the end mark, because a decoder fills in missing data. Raises ValueError."""
    at = start + 2
    while data[at : at + 2] not in (_TILE, b""):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    while data[at : at + 2] == _TILE:
        length = int.from_bytes(data[at + 6 : at + 10], "big")
        if length == 0:  # up to the end mark
            at = max(at, data.rfind(_END))
            break
        at += length
    if data[at : at + 2] != _END:
        raise ValueError("the file ends before its end mark")
