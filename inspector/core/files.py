"""Reading image files that a person brought: every file is hostile until it has been decoded.

What is read, and how:
- 8-bit and 16-bit grey and colour at their own depth; palette, CMYK and YCbCr become RGB; ICC profiles are not applied.
- The orientation noted by a camera (EXIF) is applied. Transparent pixels are laid on black. Of several frames or pages
  the first is read. Each of these is said in `Image.notes`.
- A single-channel floating-point TIFF holds temperatures in kelvin (50 to 5,000 K; anything else is refused).
- A FLIR radiometric JPEG becomes temperatures in kelvin (see `radiometric`).
- At most MAX_SIDE pixels a side and MAX_PIXELS in all, MAX_BYTES a file: a small file must not fill the memory.
"""

import io
import logging
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
import PIL.Image
from numpy.typing import NDArray

from inspector.core import radiometric
from inspector.core.errors import ConfigError
from inspector.core.headers import check_png, is_dji, is_flir
from inspector.core.message import Message, message
from inspector.core.types import Floats, Pixels, Unit

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".pgm", ".ppm", ".pnm"})
PHOTOGRAPH_SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff"})
MAX_SIDE = 32_768
MAX_PIXELS = 120_000_000
MAX_BYTES = 1 << 30
KELVIN_RANGE = (50.0, 5000.0)

_FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "GIF", "PPM")
# Whatever a decoder raises on bytes that somebody made up: Pillow documents only OSError.
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
    struct.error,
    zlib.error,
    cv2.error,
)

# Sizes are checked here after the header is read and before anything is decoded, so Pillow's own limit (a warning on stderr
# at 89 million pixels) is off. Its other warnings are about oddities of a file, not news for a person.
PIL.Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module=r"PIL\..*")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # libtiff's complaints; the error raised here says it
# A damaged TIFF is reported once, by the error raised here; the libraries would log each oddity besides.
for _library in ("tifffile", "PIL"):
    logging.getLogger(_library).setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """Pixels as in `Frame`, their unit, and what a person should know of how they were read."""

    pixels: Pixels
    unit: Unit = "intensity"
    notes: tuple[Message, ...] = ()


def read_image(path: Path) -> Image:
    """Read one image file. Raises ConfigError, which names the file and what to do."""
    data = _bytes(path)
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _read_tiff(path, data)
    if data[:3] == b"\xff\xd8\xff":
        if is_flir(data):
            _check_size(path, *radiometric.flir_size(data, path))
            return Image(radiometric.decode_flir(data, path), "kelvin")
        if is_dji(data):
            raise ConfigError(
                "{file} is a DJI thermal picture; its temperatures are in DJI's own format, which cannot be read here.",
                remedy="Convert it to a TIFF of kelvin with DJI's thermal software.",
                file=path,
            )
    return _read_with_pillow(path, data)


def image_files(folder: Path, *, pattern: str = "*", recursive: bool = False, masks: bool = True) -> list[Path]:
    """Return the image files of a folder whose name matches `pattern`, hidden ones left out, in natural order (2 before 10).

    Without `masks`, those that `label_masks` finds among them are left out too. Raises OSError.
    """
    walked = folder.rglob(pattern) if recursive else folder.glob(pattern)
    if not folder.is_dir():
        raise NotADirectoryError(20, "not a folder", str(folder))
    found = [
        path
        for path in walked
        if path.suffix.lower() in IMAGE_SUFFIXES and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    left_out = set() if masks else set(label_masks(found))
    files = (path for path in found if path not in left_out and path.is_file())
    return sorted(files, key=lambda path: _natural(path.relative_to(folder).as_posix()))


def label_masks(files: Iterable[Path]) -> list[Path]:
    """Return the label masks among `files`: a .png beside a photograph of the same name, as labelled data sets keep them."""
    files = list(files)
    photographs = {path.with_suffix("") for path in files if path.suffix.lower() in PHOTOGRAPH_SUFFIXES}
    return [path for path in files if path.suffix.lower() == ".png" and path.with_suffix("") in photographs]


def _natural(name: str) -> tuple[tuple[tuple[int, int | str], ...], str]:
    """Sort key that reads numbers in a name as numbers."""
    pieces = re.split(r"([0-9]+)", name.casefold())
    return tuple((0, int(piece)) if piece.isdigit() else (1, piece) for piece in pieces), name


def _bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ConfigError("{file} is a folder, not an image.", remedy="Choose a file in it.", file=path)
        size = path.stat().st_size
        if not path.is_file():
            raise ConfigError("{file} is not a file.", remedy="Choose an image file.", file=path)
        if size > MAX_BYTES:
            raise ConfigError(
                "{file} has {size} MB, more than the {limit} MB that are read.",
                remedy="Save a smaller image.",
                file=path,
                size=size >> 20,
                limit=MAX_BYTES >> 20,
            )
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError("There is no file {file}.", remedy="Check the path.", file=path) from None
    except PermissionError:
        raise ConfigError("{file} may not be read.", remedy="Give this user permission to read it.", file=path) from None
    except (OSError, ValueError) as error:
        detail = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError(
            "{file} cannot be read ({detail}).", remedy="Check the disk and the path.", file=path, detail=detail
        ) from error
    if not data:
        raise ConfigError("{file} is empty.", remedy="Copy or save it again.", file=path)
    return data


def _check_size(path: Path, width: int, height: int) -> None:
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


def _damaged(path: Path, error: BaseException) -> ConfigError:
    return ConfigError(
        "{file} is damaged or cut short ({detail}).",
        remedy="Copy or save it again.",
        file=path,
        detail=str(error) or type(error).__name__,
    )


def _unsupported(path: Path, detail: object) -> ConfigError:
    return ConfigError(
        "{file} holds a kind of pixels that is not read: {detail}.",
        remedy="Save it as 8-bit or 16-bit PNG or TIFF.",
        file=path,
        detail=detail,
    )


def _read_with_pillow(path: Path, data: bytes) -> Image:
    try:
        picture = PIL.Image.open(io.BytesIO(data), formats=_FORMATS)
    except PIL.UnidentifiedImageError:
        raise ConfigError(
            "{file} is not an image that can be read.",
            remedy="Use a PNG, JPEG, TIFF, BMP, WebP, GIF or PNM file.",
            file=path,
        ) from None
    except DAMAGE as error:
        raise _damaged(path, error) from error
    with picture:
        _check_size(path, *picture.size)
        try:
            if picture.format == "PNG":
                check_png(data)
            picture.load()
            orientation = picture.getexif().get(_ORIENTATION, 1)
            deep = (picture.format == "PNG" and data[24] == 16) or (picture.format == "PPM" and picture.mode != "L")
            pixels, transparent = _depth(picture, data) if deep else _flatten(picture)
            animated = picture.format != "MPO" and bool(getattr(picture, "is_animated", False))
        except DAMAGE as error:
            raise _damaged(path, error) from error
    if pixels is None:
        raise _unsupported(path, picture.mode)
    upright = _UPRIGHT.get(orientation)
    notes = []
    if animated:
        notes.append(message("It holds several frames; the first one is used."))
    if transparent:
        notes.append(message("Its transparent parts are shown on black."))
    if upright is not None:
        notes.append(message("It was turned upright as the camera noted."))
        pixels = upright(pixels)
    return Image(np.ascontiguousarray(pixels), "intensity", tuple(notes))


_ORIENTATION = 274  # EXIF and TIFF tag: which side of the stored rows is up
# Exif 2.32, 4.6.4: what has to be done to rows as stored, by value of the tag.
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    7: lambda pixels: pixels.swapaxes(0, 1)[::-1, ::-1],
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}


def _flatten(picture: PIL.Image.Image) -> tuple[Pixels | None, bool]:
    """Return the loaded picture as uint8 or uint16, grey or RGB (None: neither), and whether anything was transparent."""
    if picture.mode in ("1", "L"):
        return np.asarray(picture.convert("L")), False
    if picture.mode in ("I;16", "I;16B", "I;16L"):
        return np.asarray(picture).astype(np.uint16), False
    if picture.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in picture.info:
        rgba = np.asarray(picture.convert("RGBA"))
        return _on_black(rgba)
    if picture.mode in ("P", "RGB", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        return np.asarray(picture.convert("RGB")), False
    return None, False


def _depth(picture: PIL.Image.Image, data: bytes) -> tuple[Pixels | None, bool]:
    """Pixels of a file that may be 16 bits deep. Pillow has read it without complaint, but keeps 8 bits of 16-bit colour."""
    if picture.mode in ("1", "L", "P"):
        return _flatten(picture)
    return _from_cv2(data)


def _from_cv2(data: bytes) -> tuple[Pixels | None, bool]:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        return None, False
    pixels: NDArray[Any] = decoded.astype(np.float32) if decoded.dtype == np.float64 else np.asarray(decoded)
    if pixels.ndim == 2:
        return pixels, False
    if pixels.shape[2] == 4:
        return _on_black(pixels[..., (2, 1, 0, 3)])
    return (pixels[..., ::-1], False) if pixels.shape[2] == 3 else (None, False)


def _on_black(rgba: NDArray[np.uint8 | np.uint16]) -> tuple[Pixels, bool]:
    """RGBA [H, W, 4] laid on black, and whether anything was transparent."""
    full = np.iinfo(rgba.dtype).max
    colour, alpha = rgba[..., :3], rgba[..., 3:]
    if int(alpha.min()) == full:
        return colour, False
    laid = colour.astype(np.float32) * (alpha.astype(np.float32) / np.float32(full))
    return np.rint(laid).astype(rgba.dtype), True


def _read_tiff(path: Path, data: bytes) -> Image:
    """Return the first page. The header is read by tifffile, which knows every kind; the pixels by libtiff through OpenCV."""
    import tifffile  # takes as long to import as the rest of this module

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            several = len(file.pages) > 1
            turned = page.tags.valueof(_ORIENTATION, 1) in _UPRIGHT
            width, height, samples = int(page.imagewidth), int(page.imagelength), int(page.samplesperpixel)
            bits, kind = page.bitspersample, int(page.sampleformat)
            photometric = int(page.photometric)
            ends = [start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    except (tifffile.TiffFileError, *DAMAGE) as error:
        raise _damaged(path, error) from error
    _check_size(path, width, height)
    if not ends or max(ends) > len(data):
        raise _damaged(path, EOFError("the file ends before its pixels"))
    notes = [message("It holds several frames; the first one is used.")] if several else []
    if turned:  # by OpenCV and Pillow themselves
        notes.append(message("It was turned upright as the camera noted."))
    if kind == 3:
        if samples != 1 or bits not in (32, 64):
            raise _unsupported(path, f"{samples} x {bits}-bit floating point")
        return Image(_kelvin(path, _tiff_pixels(path, data)[0]), "kelvin", tuple(notes))
    if kind != 1 or bits not in (1, 4, 8, 16):
        raise _unsupported(path, f"{samples} x {bits}-bit integers" + (" with sign" if kind == 2 else ""))
    plain = (photometric, samples) in ((_MIN_IS_BLACK, 1), (_RGB, 3))
    if bits < 16 and not plain:  # OpenCV would multiply by alpha, and guess at the rest
        pixels, transparent = _tiff_through_pillow(path, data)
    elif plain or (photometric, samples) == (_RGB, 4):
        pixels, transparent = _tiff_pixels(path, data)
    else:
        raise _unsupported(path, f"{samples} x 16-bit colours of kind {photometric}")
    if transparent:
        notes.append(message("Its transparent parts are shown on black."))
    return Image(np.ascontiguousarray(pixels), "intensity", tuple(notes))


_MIN_IS_BLACK, _RGB = 1, 2  # TIFF 6.0, PhotometricInterpretation


def _tiff_pixels(path: Path, data: bytes) -> tuple[Pixels, bool]:
    try:
        pixels, transparent = _from_cv2(data)
    except DAMAGE as error:
        raise _damaged(path, error) from error
    if pixels is None:
        raise _damaged(path, ValueError("its pixels cannot be decoded"))
    return pixels, transparent


def _tiff_through_pillow(path: Path, data: bytes) -> tuple[Pixels, bool]:
    """Palette, CMYK, white-is-zero and the like."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("TIFF",)) as picture:
            _check_size(path, *picture.size)
            picture.load()
            pixels, transparent = _flatten(picture)
            mode = picture.mode
    except DAMAGE as error:
        raise _damaged(path, error) from error
    if pixels is None:
        raise _unsupported(path, mode)
    return pixels, transparent


def _kelvin(path: Path, values: Pixels) -> Floats:
    """Check that floating-point values are temperatures in kelvin; float32."""
    low, high = float(np.min(values)), float(np.max(values))
    if not (KELVIN_RANGE[0] <= low and high <= KELVIN_RANGE[1]):
        raise ConfigError(
            "{file} holds values from {low:g} to {high:g}; a floating-point TIFF is read as temperatures in kelvin.",
            remedy="Save temperatures in kelvin (Celsius + 273.15), or a picture as 16-bit integers.",
            file=path,
            low=low,
            high=high,
        )
    return np.ascontiguousarray(values, np.float32)
