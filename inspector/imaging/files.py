"""Reading image files supplied by a person: every file is hostile until it has been decoded.

What is read, and how:
- The header is the authority. Its planes, samples, colours, compression, bits and pages are decoded by a library that supports
  them, or refused by name. Decoders that fill in missing data are not trusted.
- Grey and colour of 8 to 16 bits keep their depth; palette, CMYK and YCbCr become RGB; ICC profiles are not applied.
- The camera's orientation (EXIF) is applied. Transparent pixels are composited on black. Both are noted in `Image.notes`. Every
  page of a file is an image of its own; smaller copies (thumbnails) are left out with a note.
- A single-channel floating-point TIFF holds temperatures: in the unit declared by the file or `Reading`, else in kelvin if that
  is plausible (see `temperature`). Pixels without a temperature are NaN.
- A CSV file named by a person is a table of temperatures, read as a floating-point TIFF is (see `formats/matrix`).
- FLIR's radiometric JPEG, FFF, SEQ and CSQ become temperatures in kelvin (see `radiometric`); a recording's images
  are its pages.
- Limits: MAX_SIDE pixels per side, MAX_PIXELS in all, MAX_BYTES per file and MAX_DECODED decoded bytes, because a small file
  must not fill the memory.
"""

import fnmatch
import functools
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Protocol

import cv2
import numpy as np
import PIL.Image

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.imaging import radiometric
from inspector.imaging.formats.jpeg2000 import Jpeg2000Pages, is_jpeg2000
from inspector.imaging.formats.matrix import MatrixPages
from inspector.imaging.formats.netpbm import NetpbmPages, is_netpbm
from inspector.imaging.formats.pillow_pages import PillowPages
from inspector.imaging.formats.tiff import MAGIC, TiffPages
from inspector.imaging.headers import has_pages, is_dji, is_flir
from inspector.imaging.image import AS_IT_SAYS, AS_STORED, Reading, Scene, check_size, damaged
from inspector.imaging.image import DAMAGE as DAMAGE
from inspector.imaging.image import MAX_BYTES as MAX_BYTES
from inspector.imaging.image import MAX_PIXELS as MAX_PIXELS
from inspector.imaging.image import Image as Image
from inspector.imaging.temperature import declared, declares

IMAGE_SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".jp2", ".j2k", ".j2c", ".jpc", ".bmp", ".dib", ".tif", ".tiff"}
    | {".jph", ".jhc", ".webp", ".gif", ".pgm", ".ppm", ".pbm", ".pnm", ".fff", ".seq", ".csq"}
)
MATRIX_SUFFIXES = frozenset({".csv"})  # read where the file is named; in a folder, tables are mostly something else
PHOTOGRAPH_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff"})
# Unsupported image formats. In a folder to be inspected each such file still counts as a part, reported by name.
FOREIGN_SUFFIXES = {
    **dict.fromkeys((".avif", ".avifs"), "AVIF"),
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIF"),
    **dict.fromkeys((".jxr", ".wdp", ".hdp"), "JPEG XR"),
    **dict.fromkeys((".jpx", ".jpf", ".jpm"), "JPEG 2000 (JPX)"),
    **dict.fromkeys((".fits", ".fit", ".fts"), "FITS"),
    **{
        f".{name}": "RAW"
        for name in (
            *("dng", "raw", "cr2", "cr3", "crw", "nef", "nrw", "arw", "srf", "sr2", "srw", "orf", "rw2", "rwl", "raf", "pef"),
            *("3fr", "iiq", "x3f", "mrw", "erf", "dcr", "kdc", "mos", "gpr", "bay"),
        )
    },
    **{
        f".{name}": name.upper()
        for name in (
            *("jls", "exr", "hdr", "pfm", "pam", "psd", "psb", "tga", "pcx", "sgi", "xcf", "dds", "ktx", "ktx2", "qoi", "ras"),
            *("hobj", "ima", "mrc", "dm3", "dm4", "ser", "sur", "opd", "plu", "x3p", "al3d"),
        )
    },
    # Microscopes and slide scanners
    **{
        f".{name}": f"{name.upper()} (microscope)"
        for name in (
            *("czi", "lsm", "zvi", "lif", "lof", "xlif", "nd2", "vsi", "oib", "oif", "oir", "poir", "stk", "ims", "sld"),
            *("svs", "ndpi", "scn", "bif", "mrxs", "vms", "vk3", "vk4", "vk6", "vk7", "zon"),
        )
    },
    # Thermal cameras other than those of FLIR whose recordings are read
    **{f".{name}": f"{name.upper()} (thermal)" for name in ("irb", "is2", "is3", "ats", "ptw", "sfmov", "bmt", "irp", "jpt")},
    ".jxl": "JPEG XL",
    ".jxs": "JPEG XS",
    ".dcm": "DICOM",
}
# Folders that file servers and archivers put beside the pictures, with copies or remains of them.
NO_FOLDERS = frozenset({"__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found"})

# OpenCV's decoders stay silent, because the errors raised here report the problems.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


_MASK_VALUES = 16  # a label mask has few values: its most frequent ones, up to this many,
_MASK_SHARE = 0.98  # cover this share of its pixels; the rest are soft edges
_SMALL_FILE = 1 << 16  # bytes: below this, headers take more space than pixels
_MASK_COLOURS_TRIED = 4096  # a mask in colours with soft edges has fewer
_JPEG = b"\xff\xd8\xff"
_PICTURES = IMAGE_SUFFIXES | FOREIGN_SUFFIXES.keys()


class Pages(Protocol):
    """The images of one opened file. `notes`: sentences about the images that were left out."""

    count: int
    notes: tuple[Message, ...]

    def read(self, index: int) -> Image:
        """Decode the image with this index. Raises ConfigError."""

    def close(self) -> None:
        """Close the file."""


def read_image(path: Path, how: Reading = AS_IT_SAYS) -> Image:
    """Read one image file; of a file with several pages, read the first.

    Raises ConfigError, which names the file and the remedy.
    """
    pages = _open(path, how)
    try:
        image = _noted(path, pages, 0, how)
        if pages.count == 1:
            return image
        return replace(image, notes=(*image.notes, message("It holds several frames; the first one is used.")))
    finally:
        pages.close()


def read_page(path: Path, index: int, how: Reading = AS_IT_SAYS) -> Image:
    """Read one of the pages counted by `page_count`, starting from 0. Raises ConfigError."""
    pages = _open(path, how)
    try:
        if index >= pages.count:
            raise damaged(path, EOFError("it holds fewer pages than it did"))
        return _noted(path, pages, index, how)
    finally:
        pages.close()


def read_pages(path: Path, how: Reading = AS_IT_SAYS) -> Iterator[Image | ConfigError]:
    """Yield every page of a file that is an image of its own, or the reason why the page cannot be read.

    Raises ConfigError if the file itself cannot be read.
    """
    pages = _open(path, how)
    try:
        for index in range(pages.count):
            try:
                yield _noted(path, pages, index, how)
            except ConfigError as error:
                if pages.count == 1:
                    raise
                yield error
    finally:
        pages.close()


def page_count(path: Path) -> int:
    """Return how many pages of a file are images of their own, according to its headers; 1 if the file cannot be read."""
    if not has_pages(path):
        return 1
    try:
        pages = _open(path, AS_IT_SAYS)
    except ConfigError:
        return 1  # reading it reports the problem
    pages.close()
    return pages.count


def page_name(name: str, index: int) -> str:
    """Return the name of page `index` of a file: NAME, NAME#2, NAME#3, ..."""
    return name if index == 0 else f"{name}#{index + 1}"


def read_radiometry(path: Path, index: int = 0) -> radiometric.Radiometry | None:
    """Return what a FLIR camera measured, before it is a temperature; None for any other file. Raises ConfigError."""
    try:
        known = path.stat()
        blocks = _thermal_blocks(path, (known.st_size, known.st_mtime_ns))
    except OSError:
        blocks = _thermal_blocks(path, (0, 0))  # says what is wrong
    if index >= len(blocks):
        return None
    block = _bytes(path, *blocks[index])
    return radiometric.read_radiometry(radiometric.flir_jpeg(block) if block[:3] == _JPEG else block, path)


@functools.lru_cache(maxsize=16)
def _thermal_blocks(path: Path, _state: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Return (start, end) of every image of a FLIR recording, or of all of a FLIR JPEG; none of any other file.

    A recording is read whole for that, which its images one by one are not worth. The file's state only keys the cache.
    """
    data = _bytes(path)
    if data[:3] == _JPEG:
        return ((0, len(data)),) if is_flir(data) else ()
    return tuple(radiometric.recording_blocks(data)[0])


def _noted(path: Path, pages: Pages, index: int, how: Reading) -> Image:
    image = pages.read(index)
    if how.scene != AS_STORED and not isinstance(pages, _Flir | _Recording):
        raise ConfigError(
            "{file} does not hold a camera's raw values, so its emissivity and surroundings cannot be changed.",
            remedy="Leave them out, or give the file as the thermal camera saved it.",
            file=page_name(str(path), index),
        )
    if image.unit == "intensity" and declares(how):
        kelvin, notes = declared(path, image.pixels, how)
        image = replace(image, pixels=kelvin, unit="kelvin", notes=(*image.notes, *notes), bits=None)
    silent = image.bits is None and image.unit == "intensity"
    bits = how.bits if silent and image.pixels.dtype == np.uint16 else image.bits
    return replace(image, notes=(*image.notes, *pages.notes), bits=bits)


def _open(path: Path, how: Reading) -> Pages:
    kind = FOREIGN_SUFFIXES.get(path.suffix.lower())
    if kind is not None:
        raise ConfigError(
            "{file} is a picture of the kind {kind}, which is not read.",
            remedy="Save it as 8-bit or 16-bit PNG or TIFF.",
            file=path,
            kind=kind,
        )
    data = _bytes(path)
    if path.suffix.lower() in MATRIX_SUFFIXES:
        return MatrixPages(path, data, how)
    if data[:4] in MAGIC:
        return TiffPages(path, data, how)
    if data[:3] == _JPEG:
        if is_flir(data):
            return _Flir(path, radiometric.flir_jpeg(data), how.scene)
        if is_dji(data):
            raise ConfigError(
                "{file} is a DJI thermal picture in DJI's own format. Only the DJI Thermal SDK knows what its values mean; "
                "it is missing here.",
                remedy="Convert it with that SDK (dji_irp, action measure) or with DJI's thermal software to a TIFF of "
                "temperatures, and give that.",
                file=path,
            )
    if data[:4] in (b"FFF\0", b"AFF\0"):
        return _Recording(path, data, how.scene)
    if is_netpbm(data):
        return NetpbmPages(path, data, as_stored=declares(how))
    if is_jpeg2000(data):
        return Jpeg2000Pages(path, data)
    return PillowPages(path, data)


class _Flir:
    """The thermal image in a FLIR radiometric JPEG."""

    count = 1
    notes: tuple[Message, ...] = ()

    def __init__(self, path: Path, block: bytes, scene: Scene) -> None:
        check_size(path, *radiometric.flir_size(block, path), bytes_per_pixel=4)
        self._path = path
        self._block = block
        self._scene = scene

    def read(self, index: int) -> Image:
        """Decode the temperatures. Raises ConfigError."""
        kelvin, notes = radiometric.read_radiometry(self._block, self._path).kelvin(self._scene)
        return Image(kelvin, "kelvin", notes)

    def close(self) -> None:
        """Do nothing: no file is open."""


class _Recording:
    """The thermal images of a FLIR recording (SEQ, CSQ), or the one of an FFF file."""

    def __init__(self, path: Path, data: bytes, scene: Scene) -> None:
        """Find the images. Raises ConfigError if there is none."""
        self._blocks, rest = radiometric.recording_blocks(data)
        if not self._blocks:
            raise damaged(path, ValueError("it holds no whole thermal image"))
        self.count = len(self._blocks)
        self.notes: tuple[Message, ...] = ()
        if rest:
            self.notes = (message("The recording holds {count} bytes that are no whole image.", count=rest),)
        self._path = path
        self._data = data
        self._scene = scene

    def read(self, index: int) -> Image:
        """Decode the temperatures of one image. Raises ConfigError."""
        start, end = self._blocks[index]
        return _Flir(self._path, self._data[start:end], self._scene).read(0)

    def close(self) -> None:
        """Do nothing: no file is open."""


def image_files(folder: Path, *, pattern: str = "*", recursive: bool = False, masks: bool = True) -> list[Path]:
    """Return the image files of a folder whose names match `pattern`, in natural order (2 before 10).

    Hidden files are left out. Without `masks`, the files that `label_masks` finds are left out too. Raises OSError.
    """
    found = [Path(file) for file in walk_images(folder, pattern=pattern, recursive=recursive)]
    left_out = set() if masks else set(label_masks(found))
    return sorted((path for path in found if path not in left_out), key=lambda path: natural_order(path.relative_to(folder)))


def walk_images(folder: Path, *, pattern: str = "*", recursive: bool = False) -> Iterator[Path | os.DirEntry[str]]:
    """Yield what `image_files` returns with its masks, as soon as it is found and in no order. Raises OSError."""
    if "/" in pattern or "**" in pattern:
        if not folder.is_dir():
            raise NotADirectoryError(20, "not a folder", str(folder))
        for path in folder.rglob(pattern) if recursive else folder.glob(pattern):
            parts = path.relative_to(folder).parts
            hidden = any(part.startswith(".") or part.lower() in NO_FOLDERS for part in parts)
            if path.suffix.lower() in _PICTURES and not hidden and path.is_file():
                yield path
        return
    folders = [os.fspath(folder)]
    while folders:
        place = folders.pop()
        try:
            entries = os.scandir(place)
        except (PermissionError, FileNotFoundError):
            if place == os.fspath(folder):
                raise
            continue  # a folder in it is closed to this user, or has just been removed
        with entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if is_image_name(entry.name, pattern) and entry.is_file():
                    yield entry
                elif recursive and entry.name.lower() not in NO_FOLDERS and entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)


def is_image_name(name: str, pattern: str = "*") -> bool:
    """Return whether a file of this name is an image to be read or to be refused by name, and matches `pattern`."""
    return name[name.rfind(".") :].lower() in _PICTURES and (pattern == "*" or fnmatch.fnmatch(name, pattern))


def label_masks(files: Iterable[Path]) -> list[Path]:
    """Return the label masks among `files`.

    A label mask is a .png next to a photograph of the same name, as labelled data sets keep them. It has the photograph's size
    and few distinct values.
    """
    files = list(files)
    photographs = {path.with_suffix(""): path for path in files if path.suffix.lower() in PHOTOGRAPH_SUFFIXES}
    pairs = [(path, photographs.get(path.with_suffix(""))) for path in files if path.suffix.lower() == ".png"]
    return [path for path, photograph in pairs if photograph is not None and _looks_as_mask(path, photograph)]


def _looks_as_mask(path: Path, photograph: Path) -> bool:
    try:
        states = [(file.stat().st_size, file.stat().st_mtime_ns) for file in (path, photograph)]
    except OSError:
        return False
    return _is_mask(path, photograph, *states)


@functools.lru_cache(maxsize=100_000)
def _is_mask(path: Path, photograph: Path, state: tuple[int, int], _other: tuple[int, int]) -> bool:
    """Return whether the content is that of a label mask.

    The file states only key the cache, except for the size: masks compress well.
    """
    try:
        with PIL.Image.open(path) as mask, PIL.Image.open(photograph) as picture:
            pixels = mask.width * mask.height
            if mask.size != picture.size or pixels > MAX_PIXELS or state[0] > max(_SMALL_FILE, 0.5 * pixels):
                return False
            if mask.mode in ("I;16", "I"):
                counts = np.unique(np.asarray(mask), return_counts=True)[1]
            else:
                few = mask.getcolors(_MASK_COLOURS_TRIED)
                if few is None:
                    return False
                counts = np.array([count for count, _ in few])
    except DAMAGE:
        return False
    commonest = np.sort(counts)[::-1][:_MASK_VALUES].sum()
    return bool(commonest >= _MASK_SHARE * counts.sum())


def natural_order(path: PurePath) -> tuple[tuple[tuple[int, int | str], ...], str]:
    """Return a sort key that compares the numbers in a path as numbers: 2 before 10."""
    name = path.as_posix()
    pieces = re.split(r"([0-9]+)", name.casefold())
    return tuple((0, int(piece)) if piece.isdigit() else (1, piece) for piece in pieces), name


def _bytes(path: Path, start: int = 0, end: int | None = None) -> bytes:
    """Return the bytes of a file, or those from `start` to `end`. Raises ConfigError."""
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
        data = path.read_bytes() if end is None else _piece(path, start, end)
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


def _piece(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)
