"""Portable bitmaps, greymaps and pixmaps (PBM, PGM, PPM), plain and raw, as netpbm.sourceforge.net/doc specifies them.

A file may hold several raw pictures one after the other. Values are scaled from 0..maxval to the whole range of 8 or 16 bits,
unless they are declared to be temperatures.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.core.message import Message
from inspector.core.types import Pixels
from inspector.imaging.alpha import bands
from inspector.imaging.image import MAX_PAGES, Image, check_size, damaged, unsupported

_MAGIC = re.compile(rb"P[1-6]\s")
_KIN = re.compile(rb"P[7Ff]\s")  # PAM, PFM
_TOKEN = re.compile(rb"(?:\s|#[^\r\n]*(?=[\r\n]))*([0-9]+)")
_REMARK = re.compile(rb"([ \t]*)#[^\r\n]*[\r\n]")  # after the last number of a header
_COMMENT = re.compile(rb"#[^\r\n]*")
_PIECE = 1 << 17  # bytes of text that are read at a time


@dataclass(frozen=True, slots=True)
class _Raster:
    """One image of the file: `start` is the offset of its values."""

    kind: int
    width: int
    height: int
    maxval: int
    start: int

    @property
    def channels(self) -> int:
        return 3 if self.kind in (3, 6) else 1

    @property
    def row_bytes(self) -> int:
        """Bytes per row of a raw image."""
        if self.kind == 4:
            return -(-self.width // 8)
        return self.width * self.channels * (2 if self.maxval > 255 else 1)


def is_netpbm(data: bytes) -> bool:
    """Return whether the bytes begin as a portable map, including unsupported kinds."""
    return (_MAGIC.match(data) or _KIN.match(data)) is not None


class NetpbmPages:
    """The images of one file."""

    def __init__(self, path: Path, data: bytes, *, as_stored: bool = False) -> None:
        """Read the headers. `as_stored`: values are not scaled. Raises ConfigError."""
        self._as_stored = as_stored
        self._path = path
        self._data = data
        self._rasters = list(self._headers())
        self.count = len(self._rasters)
        self.notes: tuple[Message, ...] = ()

    def read(self, index: int) -> Image:
        """Decode one image. Raises ConfigError."""
        raster = self._rasters[index]
        values: NDArray[np.uint8 | np.uint16]
        try:
            values = self._plain(raster) if raster.kind <= 3 else self._raw(raster)
        except (ValueError, OverflowError) as error:
            raise damaged(self._path, error) from error
        return Image(self._scaled(values, raster), bits=8 if raster.maxval <= 255 else self._bits(raster))

    def largest(self, index: int) -> int:
        """Return the largest value that one image can hold, as its header says."""
        return self._rasters[index].maxval

    def close(self) -> None:
        """Do nothing: no file is open."""

    @staticmethod
    def _bits(raster: _Raster) -> int | None:
        """Return how many bits are used; None for maxval 65535, which programs without another depth always write."""
        return None if raster.maxval == 65535 else 16

    def _headers(self) -> Iterator[_Raster]:
        at = 0
        for _ in range(MAX_PAGES):
            if not _MAGIC.match(self._data, at):
                if at == 0:
                    raise unsupported(self._path, "another portable map than PBM, PGM and PPM")
                return
            raster = self._header(at)
            yield raster
            if raster.kind <= 3:
                return
            at = raster.start + raster.row_bytes * raster.height
            while self._data[at : at + 1].isspace():
                at += 1

    def _header(self, at: int) -> _Raster:
        kind, numbers, place = self._data[at + 1] - 48, [], at + 2
        for _ in range(2 if kind in (1, 4) else 3):
            token = _TOKEN.match(self._data, place)
            if token is None or len(token.group(1)) > 9:
                raise damaged(self._path, ValueError("its header has no size"))
            numbers.append(int(token.group(1)))
            place = token.end()
        width, height, maxval = numbers if len(numbers) == 3 else (*numbers, 1)
        raster = _Raster(kind, width, height, maxval, place + 1)
        remark = _REMARK.match(self._data, place) if kind > 3 else None
        if remark is not None:
            # The specification lets a comment stand before the blank that ends the header; most programs write it behind.
            rest = len(self._data) - raster.row_bytes * height
            start = next((start for start in (remark.end(), remark.end() + 1) if start == rest), None)
            raster = replace(raster, start=remark.end() if start is None and remark[1] == b"" else start or raster.start)
        check_size(self._path, width, height, bytes_per_pixel=raster.channels * (1 if maxval <= 255 else 2))
        if not 1 <= maxval <= 65535:
            raise damaged(self._path, ValueError(f"its largest value is said to be {maxval}"))
        return raster

    def _raw(self, raster: _Raster) -> NDArray[np.uint8 | np.uint16]:
        size = raster.row_bytes * raster.height
        if raster.start + size > len(self._data):
            raise ValueError("the file ends before its pixels")
        if raster.maxval > 255:
            words = np.frombuffer(self._data, ">u2", size // 2, raster.start)
            return words.astype(np.uint16).reshape(self._shape(raster))
        stored = np.frombuffer(self._data, np.uint8, size, raster.start)
        if raster.kind == 4:  # 1 is black
            bits = np.unpackbits(stored.reshape(raster.height, raster.row_bytes), axis=1, count=raster.width)
            return bits ^ np.uint8(1)
        return stored.reshape(self._shape(raster)).copy()

    def _plain(self, raster: _Raster) -> NDArray[np.uint8 | np.uint16]:
        values: NDArray[np.uint8 | np.uint16]
        values = np.empty(int(np.prod(self._shape(raster))), np.uint8 if raster.maxval <= 255 else np.uint16)
        filled, at = 0, raster.start - 1
        while filled < values.size and at < len(self._data):
            end = min(at + _PIECE, len(self._data))
            while end < len(self._data) and not self._data[end : end + 1].isspace():
                end += 1
            text = _COMMENT.sub(b" ", self._data[at:end])
            numbers = _digits(text) if raster.kind == 1 else _numbers(text)
            taken = numbers[: values.size - filled]
            if taken.size and not 0 <= int(taken.min()) <= int(taken.max()) <= raster.maxval:
                raise ValueError("it holds a value beyond its largest")
            values[filled : filled + taken.size] = taken
            filled, at = filled + taken.size, end
        if filled < values.size:
            raise ValueError("the file ends before its pixels")
        if raster.kind == 1:  # 1 is black
            values ^= np.uint8(1)
        return values.reshape(self._shape(raster))

    @staticmethod
    def _shape(raster: _Raster) -> tuple[int, ...]:
        return (raster.height, raster.width, 3) if raster.channels == 3 else (raster.height, raster.width)

    def _scaled(self, values: NDArray[np.uint8 | np.uint16], raster: _Raster) -> Pixels:
        """Scale values in place from 0..maxval to all of 8 or 16 bits. Raises ConfigError for a value beyond maxval."""
        full = int(np.iinfo(values.dtype).max)
        if raster.maxval == full:
            return values
        if int(values.max()) > raster.maxval:
            raise damaged(self._path, ValueError("it holds a value beyond its largest"))
        if self._as_stored:
            return values
        for rows in bands(len(values), values.strides[0]):
            wide = values[rows].astype(np.uint32) * np.uint32(full)
            values[rows] = (wide + np.uint32(raster.maxval // 2)) // np.uint32(raster.maxval)
        return values


def _numbers(text: bytes) -> NDArray[np.int64]:
    """Return the integers in a text. Raises ValueError."""
    return np.array(text.split(), np.int64) if text.strip() else np.zeros(0, np.int64)


def _digits(text: bytes) -> NDArray[np.int64]:
    """Return the single digits of a plain bitmap, which need no blanks between them."""
    return np.frombuffer(text.translate(None, b" \t\r\n\v\f"), np.uint8).astype(np.int64) - ord("0")
