"""PNG, JPEG, BMP, WebP and GIF: decoded by Pillow, 16-bit PNG by libpng in imagecodecs, JPEG strictly (`imaging/jpeg.py`).

A file may hold several pictures: GIF, animated PNG and WebP, and the multi-picture format of JPEG.
"""

import io
import logging
import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL
import PIL.Image
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.imaging.alpha import Whole, bands, lay_on_black
from inspector.imaging.formats.jpeg import JpegDamage, JpegHeader, decode_jpeg, read_header
from inspector.imaging.formats.tiff import ORIENTATION, TURNED, UPRIGHT
from inspector.imaging.headers import check_png
from inspector.imaging.image import DAMAGE, MAX_PAGES, Image, check_size, damaged, detail_of, unsupported

_FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "GIF")
_PREVIEW = "Large Thumbnail"  # prefix of the types of smaller copies in a multi-picture file
_MP_ENTRIES = 0xB002
_START = b"\xff\xd8\xff"
_SCAN = b"\xff\xda"  # the marker before the coded data
# How a JPEG says that it is the gain map of another (Adobe's XMP and ISO 21496-1 on Android, Apple's XMP), or its depth.
_MAPS = (
    b"/hdr-gain-map/",
    b"urn:iso:std:iso:ts:21496",
    b":hdrgainmap",
    b"/photos/1.0/depthmap/",
    b":aux:depth",
    b":aux:disparity",
)
_SMALL = 0.3  # share of the first image's area up to which an image without such a type is a smaller copy
_AT_ONCE = 4_000_000  # pixels converted at once, without cutting into pieces
_GREY = ("1", "L")
_ALPHA = ("LA", "PA", "RGBA")

# Sizes are checked here after the header is read and before anything is decoded, so Pillow's own limit (a warning on stderr
# at 89 million pixels) is off. Its other warnings concern oddities of a file that do not matter to a person.
PIL.Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module=r"PIL\..*")
# A damaged file is reported once, by the error raised here; the libraries would log each oddity besides.
for _library in ("tifffile", "PIL"):
    logging.getLogger(_library).setLevel(logging.CRITICAL + 1)


class PillowPages:
    """The images of one file."""

    def __init__(self, path: Path, data: bytes) -> None:
        """Read the header. Raises ConfigError."""
        self._path = path
        self._data = data
        self._jpeg: JpegHeader | None = None
        self._checked = False  # whether the checksums of a PNG are verified
        self._full = (1 << data[24]) - 1 if data[:4] == b"\x89PNG" and len(data) > 24 and data[24] < 8 else 255
        self.notes: tuple[Message, ...] = ()
        try:
            if data[:3] == _START:
                self._jpeg = _readable_jpeg(path, data)
            self._picture = PIL.Image.open(io.BytesIO(data), formats=_FORMATS)
            self._pages = self._numbers()
        except PIL.UnidentifiedImageError:
            raise ConfigError(
                "{file} is not an image that can be read.",
                remedy="Use a PNG, JPEG, JPEG 2000, TIFF, BMP, WebP, GIF or PNM file.",
                file=path,
            ) from None
        except DAMAGE as error:
            if str(error).startswith("Unsupported"):  # so Pillow says that a valid file is of a kind that it does not know
                raise unsupported(path, detail_of(error).removeprefix("Unsupported ")) from error
            raise damaged(path, error) from error
        check_size(path, *self._picture.size, bytes_per_pixel=_bytes_of(self._picture, data))
        self.count = len(self._pages)

    def read(self, index: int) -> Image:
        """Decode one image. Raises ConfigError."""
        picture: PIL.Image.Image = self._picture
        deep, image = False, None
        try:
            if self._jpeg is not None:
                picture, image = self._whole_jpeg(self._jpeg, self._pages[index])
            elif picture.format == "PNG":
                if not self._checked:
                    check_png(self._data)
                self._checked, deep = True, self._data[24] == 16
                if deep and self.count > 1:
                    raise unsupported(self._path, "an animation of 16 bits")
            if self._jpeg is None:
                if len(self._pages) > 1:
                    picture.seek(self._pages[index])
                image = _deep_png(self._path, self._data) if deep else _flat(picture, self._full)
            orientation = picture.getexif().get(ORIENTATION, 1)
        except DAMAGE as error:
            raise damaged(self._path, error) from error
        if image is None:
            raise unsupported(self._path, f"{picture.format} in the mode {picture.mode}")
        if picture.format == "PNG":
            image = _with_sbit(image, self._data)
        upright = UPRIGHT.get(orientation)
        if upright is not None:
            image = replace(image, pixels=upright(image.pixels), notes=(*image.notes, TURNED))
        return replace(image, pixels=np.ascontiguousarray(image.pixels))

    def close(self) -> None:
        """Close the file."""
        self._picture.close()

    def _numbers(self) -> list[int]:
        """Return the indices of the frames that are images of their own."""
        picture = self._picture
        if picture.format == "JPEG" and self._jpeg is not None:
            self._check_behind(self._jpeg)
        count = min(int(getattr(picture, "n_frames", 1)), MAX_PAGES)
        if picture.format != "MPO":
            return list(range(count))
        entries = getattr(picture, "mpinfo", {}).get(_MP_ENTRIES, [])
        kinds = [str(entry["Attribute"]["MPType"]) for entry in entries]
        least = _SMALL * picture.size[0] * picture.size[1]
        maps = [number for number in range(1, count) if _is_map(self._part(number))]
        others = [number for number in range(1, count) if number not in maps and not kinds[number].startswith(_PREVIEW)]
        kept = [0, *(number for number in others if self._pixels_of(number) > least)]
        if maps:
            self.notes += (message("Maps of its brightness or depth are left out: {count}.", count=len(maps)),)
        if smaller := count - len(kept) - len(maps):
            self.notes += (message("Smaller copies of it (thumbnails) are left out: {count}.", count=smaller),)
        return kept

    def _check_behind(self, header: JpegHeader) -> None:
        """Refuse a JPEG with another one of its size right behind it, which no list of the pictures tells of.

        Raises ConfigError.
        """
        rest = self._data[header.end + 2 :]
        if rest[:3] != _START:
            return
        try:
            other = read_header(rest)
        except JpegDamage:
            return
        if _is_map(rest) or other.width * other.height <= _SMALL * header.width * header.height:
            self.notes += (message("Maps of its brightness or depth are left out: {count}.", count=1),) if _is_map(rest) else ()
            return
        raise unsupported(self._path, "JPEG pictures one behind the other, without a list of them")

    def _pixels_of(self, number: int) -> float:
        """Return how many pixels an image of a multi-picture file has.

        A damaged image, whose size is unknown, counts as large.
        """
        try:
            header = _readable_jpeg(self._path, self._part(number))
        except JpegDamage:
            return math.inf
        return header.width * header.height

    def _part(self, number: int) -> bytes:
        """Return the bytes of a multi-picture file from the start of one of its images."""
        self._picture.seek(number)
        return self._data[int(getattr(self._picture, "offset", 0)) :]

    def _whole_jpeg(self, header: JpegHeader, number: int) -> tuple[PIL.Image.Image, Image]:
        """Return one image of a JPEG: what Pillow reads without decoding, and its pixels.

        Raises ValueError or OSError. `header`: the header of the first image.
        """
        picture: PIL.Image.Image = self._picture
        data = self._data
        if number:
            data = self._part(number)
            header = _readable_jpeg(self._path, data)
            check_size(self._path, header.width, header.height, bytes_per_pixel=header.components)
        if picture.format == "MPO":
            picture = PIL.Image.open(io.BytesIO(data), formats=("JPEG",))
        return picture, Image(decode_jpeg(data, header=header), bits=8)


def _is_map(part: bytes) -> bool:
    """Return whether a JPEG inside a file belongs to another picture of it: its gain map, or its map of depth."""
    head = part[: part.find(_SCAN)]
    return any(sign in head for sign in _MAPS)


def _readable_jpeg(path: Path, data: bytes) -> JpegHeader:
    """Return the header of a JPEG. Raises ConfigError for unsupported kinds, JpegDamage if there is no header."""
    header = read_header(data)
    if header.refused:
        raise unsupported(path, header.refused)
    return header


def _bytes_of(picture: PIL.Image.Image, data: bytes) -> int:
    """Return the number of bytes per decoded pixel."""
    channels = 4 if picture.mode in (*_ALPHA, "CMYK") else 1 if picture.mode in _GREY or picture.mode.startswith("I") else 3
    return channels * (2 if picture.format == "PNG" and data[24] == 16 else 1)


def _flat(picture: PIL.Image.Image, full: int) -> Image | None:
    """Return an 8-bit image, grey or RGB; None if it is neither. `full`: the largest value that is stored."""
    picture.load()
    if picture.mode == "P" and picture.palette is not None:
        entries = len(picture.palette.palette) // len(picture.palette.mode)
        if entries < 256 and (highest := int(np.asarray(picture).max())) >= entries:
            raise ValueError(f"it uses colour {highest + 1} of a palette of {entries}")
    if picture.mode in _GREY and "transparency" not in picture.info:
        return Image(_pixels(picture, "L"), bits=8)
    if picture.mode in _ALPHA or "transparency" in picture.info:
        return _laid(picture, full)
    if picture.mode in ("P", "RGB", "CMYK", "YCbCr", "RGBX"):
        return Image(_pixels(picture, "RGB"), bits=8)
    return None


def _pixels(picture: PIL.Image.Image, mode: str) -> NDArray[np.uint8]:
    """Convert a loaded image to another mode piece by piece: converted as a whole, Pillow needs several times its size."""
    width, height = picture.size
    if width * height <= _AT_ONCE:
        return np.asarray(_converted(picture, mode), np.uint8)
    channels = len(mode) if mode != "L" else 1
    result = np.empty((height, width, channels) if channels > 1 else (height, width), np.uint8)
    for rows in bands(height, 4 * width):
        result[rows] = np.asarray(_converted(picture.crop((0, rows.start, width, rows.stop)), mode))
    return result


def _converted(picture: PIL.Image.Image, mode: str) -> PIL.Image.Image:
    """Return the same colours in another mode, ignoring transparency."""
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return picture if picture.mode == mode else picture.convert(mode)


def _laid(picture: PIL.Image.Image, full: int) -> Image:
    """Composite a transparent image on black, piece by piece. `full`: the largest value that is stored."""
    width, height = picture.size
    key = picture.info.get("transparency")
    if picture.mode == "L" and isinstance(key, int):  # below 8 bits Pillow scales the values, but not the key
        alpha = np.where(np.asarray(picture) == key * 255 // full, np.uint8(0), np.uint8(255))
    else:
        pieces = (picture.crop((0, rows.start, width, rows.stop)) for rows in bands(height, 4 * width))
        alpha = np.concatenate([np.asarray(piece.convert("RGBA").getchannel("A"), np.uint8) for piece in pieces])
    colour = _pixels(picture, "L" if picture.mode in ("1", "L", "LA") else "RGB")
    colour = colour if colour.flags.writeable else colour.copy()
    note = lay_on_black(colour, alpha)
    return Image(colour, notes=() if note is None else (note,), bits=8)


def _deep_png(path: Path, data: bytes) -> Image:
    """Decode a 16-bit PNG. Raises whatever its decoder raises."""
    import imagecodecs

    decoded: Whole = imagecodecs.png_decode(data)
    if decoded.dtype != np.uint16 or decoded.ndim not in (2, 3):
        raise ValueError("its pixels are not as its header says")
    channels = 1 if decoded.ndim == 2 else decoded.shape[2]
    if channels in (1, 3):
        return Image(decoded.reshape(decoded.shape[:2]) if channels == 1 else decoded)
    colour = np.ascontiguousarray(decoded[..., 0] if channels == 2 else decoded[..., :3])
    note = lay_on_black(colour, decoded[..., -1])
    return Image(colour, notes=() if note is None else (note,))


def _with_sbit(image: Image, data: bytes) -> Image:
    """Return the number of bits that a PNG declares significant (chunk sBIT; PNG specification, 11.3.3.4).

    By the specification these are the high bits. Cameras that store 10 to 14 bits unshifted also set sBIT; then no value
    exceeds these bits.
    """
    body = _chunk(data, b"sBIT")
    channels = 3 if image.pixels.ndim == 3 else 1
    if len(body) < channels or image.pixels.dtype != np.uint16 or len(set(body[:channels])) != 1 or not 8 <= body[0] <= 16:
        return image
    bits = body[0]
    low = (1 << (16 - bits)) - 1
    high = int(image.pixels.max()) >> bits or not int(np.bitwise_or.reduce(image.pixels, axis=None)) & low
    return replace(image, bits=16 if high else bits)


def _chunk(data: bytes, kind: bytes) -> bytes:
    """Return the body of a chunk that precedes the pixels; empty if there is none."""
    at = 8
    while at + 12 <= len(data) and data[at + 4 : at + 8] != b"IDAT":
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == kind:
            return data[at + 8 : at + 8 + length]
        at += 12 + length
    return b""
