"""PNG, JPEG, BMP, WebP and GIF: decoded by Pillow, 16-bit PNG by libpng in imagecodecs.

A file may hold several pictures: GIF, animated PNG and WebP, and the multi-picture format of JPEG.
"""

import io
import logging
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL
import PIL.Image
from numpy.typing import NDArray

from inspector.core.alpha import Whole, bands, lay_on_black
from inspector.core.errors import ConfigError
from inspector.core.headers import check_png
from inspector.core.image import DAMAGE, MAX_PAGES, Image, check_size, damaged, unsupported
from inspector.core.jpeg import Fed, Frame, check_decoded, frame_of, strict
from inspector.core.message import Message, message
from inspector.core.tiff import ORIENTATION, TURNED, UPRIGHT

_FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "GIF")
_PREVIEW = "Large Thumbnail"  # how the types of smaller copies in a multi-picture file begin
_MP_ENTRIES = 0xB002
_SMALL = 0.3  # of the first picture's area: at most so much has a smaller copy without such a type
_AT_ONCE = 4_000_000  # pixels that are taken over without being cut into pieces
_GREY = ("1", "L")
_ALPHA = ("LA", "PA", "RGBA")

# Sizes are checked here after the header is read and before anything is decoded, so Pillow's own limit (a warning on stderr
# at 89 million pixels) is off. Its other warnings are about oddities of a file, not news for a person.
PIL.Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module=r"PIL\..*")
# A damaged file is reported once, by the error raised here; the libraries would log each oddity besides.
for _library in ("tifffile", "PIL"):
    logging.getLogger(_library).setLevel(logging.CRITICAL + 1)


class PillowPages:
    """The pictures of one file."""

    def __init__(self, path: Path, data: bytes) -> None:
        """Read the header. Raises ConfigError."""
        self._path = path
        self._data = data
        self._fed: Fed | None = None  # of a JPEG
        self._checked = False  # the sums of a PNG
        self._full = (1 << data[24]) - 1 if data[:4] == b"\x89PNG" and len(data) > 24 and data[24] < 8 else 255
        self.notes: tuple[Message, ...] = ()
        try:
            if data[:3] == b"\xff\xd8\xff":
                self._fed = strict(data, _readable_jpeg(path, data))
            stream = io.BytesIO(data) if self._fed is None or b"MPF\0" in data[: 1 << 16] else self._fed
            self._picture = PIL.Image.open(stream, formats=_FORMATS)
            self._pages = self._numbers()
        except PIL.UnidentifiedImageError:
            raise ConfigError(
                "{file} is not an image that can be read.",
                remedy="Use a PNG, JPEG, JPEG 2000, TIFF, BMP, WebP, GIF or PNM file.",
                file=path,
            ) from None
        except DAMAGE as error:
            raise damaged(path, error) from error
        check_size(path, *self._picture.size, bytes_per_pixel=_bytes_of(self._picture, data))
        self.count = len(self._pages)

    def read(self, index: int) -> Image:
        """Raises ConfigError."""
        picture: PIL.Image.Image = self._picture
        deep = False
        try:
            if picture.format == "PNG":
                if not self._checked:
                    check_png(self._data)
                self._checked, deep = True, self._data[24] == 16
                if deep and self.count > 1:
                    raise unsupported(self._path, "an animation of 16 bits")
            if self._fed is not None:
                picture = self._whole_jpeg(self._pages[index])
            elif len(self._pages) > 1:
                picture.seek(self._pages[index])
            orientation = picture.getexif().get(ORIENTATION, 1)
            image = _deep_png(self._path, self._data) if deep else _flat(picture, self._full)
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
        """Let the file go."""
        self._picture.close()

    def _numbers(self) -> list[int]:
        """Return the frames that are pictures of their own."""
        picture = self._picture
        count = min(int(getattr(picture, "n_frames", 1)), MAX_PAGES)
        if picture.format != "MPO":
            return list(range(count))
        entries = getattr(picture, "mpinfo", {}).get(_MP_ENTRIES, [])
        kinds = [str(entry["Attribute"]["MPType"]) for entry in entries]
        kept, first = [0], picture.size[0] * picture.size[1]
        for number in range(1, count):
            frame = _readable_jpeg(self._path, self._part(number))
            if not kinds[number].startswith(_PREVIEW) and frame.width * frame.height > _SMALL * first:
                kept.append(number)
        if len(kept) < count:
            self.notes = (message("Smaller copies of it (thumbnails) are left out: {count}.", count=count - len(kept)),)
        return kept

    def _part(self, number: int) -> bytes:
        """Return the bytes of a multi-picture file from one of its pictures on."""
        self._picture.seek(number)
        return self._data[int(getattr(self._picture, "offset", 0)) :]

    def _whole_jpeg(self, number: int) -> PIL.Image.Image:
        """One picture of a JPEG, decoded and found whole. Raises ValueError or OSError."""
        picture: PIL.Image.Image = self._picture
        fed = self._fed
        if number:
            data = self._part(number)
            frame = _readable_jpeg(self._path, data)
            check_size(self._path, frame.width, frame.height, bytes_per_pixel=len(frame.components))
            fed = strict(data, frame)
        assert fed is not None
        if picture.format == "MPO":
            picture = PIL.Image.open(fed, formats=("JPEG",))
        picture.load()
        check_decoded(fed, picture)
        return picture


def _readable_jpeg(path: Path, data: bytes) -> Frame:
    """Return the header of a JPEG. Raises ConfigError for kinds that are not read, ValueError for one without header."""
    frame = frame_of(data)
    if frame is None:
        raise ValueError("it has no picture header")
    if frame.refused:
        raise unsupported(path, frame.refused)
    return frame


def _bytes_of(picture: PIL.Image.Image, data: bytes) -> int:
    """Bytes of a decoded pixel."""
    channels = 4 if picture.mode in (*_ALPHA, "CMYK") else 1 if picture.mode in _GREY or picture.mode.startswith("I") else 3
    return channels * (2 if picture.format == "PNG" and data[24] == 16 else 1)


def _flat(picture: PIL.Image.Image, full: int) -> Image | None:
    """Return a picture of 8 bits, grey or RGB; None: it is neither. `full`: the largest value that is stored."""
    picture.load()
    if picture.mode in _GREY and "transparency" not in picture.info:
        return Image(_pixels(picture, "L"), bits=8)
    if picture.mode in _ALPHA or "transparency" in picture.info:
        return _laid(picture, full)
    if picture.mode in ("P", "RGB", "CMYK", "YCbCr", "RGBX"):
        return Image(_pixels(picture, "RGB"), bits=8)
    return None


def _pixels(picture: PIL.Image.Image, mode: str) -> NDArray[np.uint8]:
    """Return a loaded picture in another mode, a piece at a time: as a whole, Pillow needs several times its size."""
    width, height = picture.size
    if width * height <= _AT_ONCE:
        return np.asarray(_converted(picture, mode), np.uint8)
    channels = len(mode) if mode != "L" else 1
    result = np.empty((height, width, channels) if channels > 1 else (height, width), np.uint8)
    for rows in bands(height, 4 * width):
        result[rows] = np.asarray(_converted(picture.crop((0, rows.start, width, rows.stop)), mode))
    return result


def _converted(picture: PIL.Image.Image, mode: str) -> PIL.Image.Image:
    """Return the same colours in another mode, whatever of them is transparent."""
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return picture if picture.mode == mode else picture.convert(mode)


def _laid(picture: PIL.Image.Image, full: int) -> Image:
    """Return a transparent picture on black, a piece at a time. `full`: the largest value that is stored."""
    width, height = picture.size
    key = picture.info.get("transparency")
    if picture.mode == "L" and isinstance(key, int):  # of fewer than 8 bits Pillow spreads the values, but not the key
        alpha = np.where(np.asarray(picture) == key * 255 // full, np.uint8(0), np.uint8(255))
    else:
        pieces = (picture.crop((0, rows.start, width, rows.stop)) for rows in bands(height, 4 * width))
        alpha = np.concatenate([np.asarray(piece.convert("RGBA").getchannel("A"), np.uint8) for piece in pieces])
    colour = _pixels(picture, "L" if picture.mode in ("1", "L", "LA") else "RGB")
    colour = colour if colour.flags.writeable else colour.copy()
    note = lay_on_black(colour, alpha)
    return Image(colour, notes=() if note is None else (note,), bits=8)


def _deep_png(path: Path, data: bytes) -> Image:
    """Return a PNG of 16 bits. Raises what its decoder raises."""
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
    """Return the bits that a PNG says are significant (chunk sBIT; PNG specification, 11.3.3.4).

    It means the high ones, but cameras that store 10 to 14 bits as they are set it, too: then no value is beyond them.
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
    """Return the body of a chunk before the pixels; empty where there is none."""
    at = 8
    while at + 12 <= len(data) and data[at + 4 : at + 8] != b"IDAT":
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == kind:
            return data[at + 8 : at + 8 + length]
        at += 12 + length
    return b""
