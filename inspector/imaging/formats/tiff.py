"""TIFF: tifffile reads the header, tifffile and imagecodecs the pixels. Anything they cannot decode is refused by name.

TIFF Revision 6.0 (Adobe, 1992) names the tags and their values.
"""

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from inspector.core.message import Message, message
from inspector.core.types import Pixels
from inspector.imaging.alpha import Whole, bands, lay_on_black
from inspector.imaging.formats.jpeg import decode_jpeg, read_header
from inspector.imaging.image import DAMAGE, MAX_PAGES, Image, Reading, check_size, damaged, unsupported
from inspector.imaging.temperature import scale_of, to_kelvin

if TYPE_CHECKING:
    from tifffile import TiffPage

ORIENTATION = 274  # EXIF and TIFF tag: which side of the stored rows is up
# Exif 2.32, 4.6.4: what has to be done to rows as stored, by value of the tag.
UPRIGHT: Mapping[int, Callable[[Pixels], Pixels]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    7: lambda pixels: pixels.swapaxes(0, 1)[::-1, ::-1],
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}
TURNED = message("It was turned upright as the camera noted.")

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
WHITE_IS_ZERO = 0  # PhotometricInterpretation
CCITT = frozenset({2, 3, 4})  # compressions of fax machines
_WHITE, _BLACK, _RGB, _PALETTE, _CMYK, _YCBCR = WHITE_IS_ZERO, 1, 2, 3, 5, 6
_COLOURS = {_WHITE: 1, _BLACK: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
_KINDS = {2: "integers with sign", 3: "floating point", 4: "values of no kind", 5: "complex integers", 6: "complex numbers"}
_LETTERS = {1: "u", 2: "i", 3: "f"}  # numpy's letters for the kinds of SampleFormat
_JPEG = 7
# Compressions that tifffile and imagecodecs decode as the header describes the picture.
_DECODED = frozenset(
    {1, 2, 3, 4, 5, _JPEG, 8, 22610, 32773, 32946, 33003, 33005, 34712, 34887, 34925, 34926, 34927, 34933, 34934}
    | {50000, 50001, 50002, 50013, 52546}
)
_OWN_COLOURS = frozenset({33003})  # YCbCr inside JPEG 2000, which is not turned into RGB
_BUFFER = 1 << 22  # bytes of coded data held at a time
_SMALL = 0.3  # share of the largest page's area up to which a page is a thumbnail
_DESCRIPTION, _GDAL_METADATA, _GDAL_NODATA, _SUBFILE, _PHOTOMETRIC, _COLOUR_MAP, _INK_SET, _MAX_SAMPLE = (
    270, 42112, 42113, 254, 262, 320, 332, 281,
)  # fmt: skip
_CHANNELS = re.compile(r'\bSizeC="(\d+)"')
_FULL_OF = frozenset((1 << bits) - 1 for bits in range(9, 16))  # the largest values of 9 to 15 bits


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a page's header describes its values. `kind`: SampleFormat; `extra`: ExtraSamples."""

    width: int
    height: int
    samples: int
    bits: int
    kind: int
    photometric: int
    extra: tuple[int, ...]

    @property
    def colours(self) -> int:
        return _COLOURS[self.photometric]

    @property
    def full(self) -> int:
        """The largest possible value."""
        return (1 << self.bits) - 1


@dataclass(frozen=True, slots=True, eq=False)
class StoredTiff:
    """The values [H, W, samples] of a page as they are stored, and what its header says of them.

    `palette`: RGB [N, 3] of the values; None if they are no indices. `alphas`: which extra samples are transparency.
    """

    values: NDArray[Any]
    bits: int
    photometric: int
    compression: int
    software: str
    palette: NDArray[np.uint8] | None
    alphas: tuple[int, ...]


def read_stored(path: Path, data: bytes) -> StoredTiff:
    """Return the values of a file with a single picture, as they are stored, upright; they may be of any kind of number.

    Raises ConfigError.
    """
    pages = TiffPages(path, data, Reading())
    try:
        if pages.count > 1:
            raise unsupported(path, f"{pages.count} pictures in one file, where one is expected")
        return pages.stored(0)
    finally:
        pages.close()


class TiffPages:
    """The pages of a file that are images of their own."""

    def __init__(self, path: Path, data: bytes, how: Reading) -> None:
        """Read the headers. Raises ConfigError."""
        import tifffile

        self._path = path
        self._how = how
        self._length = len(data)
        try:
            self._file = tifffile.TiffFile(io.BytesIO(data))
            pages = [self._file.pages[index] for index in range(min(len(self._file.pages), MAX_PAGES))]
            described = self._file.imagej_metadata if self._file.is_imagej else None
        except (tifffile.TiffFileError, *DAMAGE) as error:
            raise damaged(path, error) from error
        if not pages:
            raise damaged(path, ValueError("it holds no picture"))
        if described is not None and int(described.get("images", 1)) > len(pages):
            raise unsupported(path, f"a stack of {described['images']} pictures under one header (ImageJ)")
        try:
            whole = cast("list[TiffPage]", pages)
            self._check_channels(int(whole[0].samplesperpixel), described or {})
            self._check_stack(whole)
            self._pages, self.notes = _without_thumbnails([_whole(page) for page in whole])
        except DAMAGE as error:
            raise damaged(path, error) from error
        self.count = len(self._pages)

    def _check_channels(self, samples: int, described: Mapping[str, Any]) -> None:
        """Refuse a picture whose channels are pages of their own, as ImageJ's or OME's description says. Raises ConfigError."""
        told = _CHANNELS.search(self._file.ome_metadata or "") if self._file.is_ome else None
        channels = int(told[1]) if told else int(described.get("channels", 1))
        if channels > max(1, samples):
            raise unsupported(
                self._path, f"{channels} channels in pages of their own ({'OME' if told else 'ImageJ'}), which are no pictures"
            )

    def _check_stack(self, pages: Sequence[Any]) -> None:
        """Refuse a file whose description promises more pictures than it has headers (tifffile). Raises ConfigError."""
        for said in self._file.shaped_metadata or ():
            shape, first = said.get("shape") or (), pages[0]
            values = int(first.imagewidth) * int(first.imagelength) * int(first.samplesperpixel)
            if said.get("truncated") and (count := math.prod(map(int, shape)) // max(1, values)) > len(pages):
                raise unsupported(self._path, f"a stack of {count} pictures under one header (tifffile)")

    def read(self, index: int) -> Image:
        """Decode one page. Raises ConfigError."""
        import tifffile

        page = self._pages[index]
        try:
            scale = scale_of(_text(page, _DESCRIPTION), _text(page, _GDAL_METADATA), _text(page, _GDAL_NODATA), self._how)
            warm = scale.told and self._how.unit != "intensity" and int(page.samplesperpixel) == 1
            layout = self._layout(page, warm=warm)
            turned = page.tags.valueof(ORIENTATION, 1)
            stored = self._stored(page, layout)
            if layout.kind == 3 or warm:
                kelvin, notes = to_kelvin(self._path, stored[..., 0], scale)
                image = Image(kelvin, "kelvin", notes)
            else:
                image = self._picture(page, layout, stored)
        except (tifffile.TiffFileError, *DAMAGE) as error:
            raise damaged(self._path, error) from error
        upright = UPRIGHT.get(turned)
        if upright is not None:
            image = replace(image, pixels=upright(image.pixels), notes=(*image.notes, TURNED))
        return replace(image, pixels=np.ascontiguousarray(image.pixels))

    def stored(self, index: int) -> StoredTiff:
        """Return the values of one page as they are stored. Raises ConfigError."""
        import tifffile

        page = self._pages[index]
        try:
            layout = self._sizes(page)
            if layout.kind not in _LETTERS:
                raise unsupported(self._path, _KINDS.get(layout.kind, f"values of the kind {layout.kind}"))
            values = self._stored(page, layout)
            upright = UPRIGHT.get(page.tags.valueof(ORIENTATION, 1))
            palette = _table(page.tags.valueof(_COLOUR_MAP)) if layout.photometric == _PALETTE else None
            alphas = tuple(at for at, kind in enumerate(page.extrasamples or ()) if int(kind) in (1, 2))
            about = layout.bits, layout.photometric, int(page.compression), page.software
            return StoredTiff(values if upright is None else upright(values), *about, palette, alphas)
        except (tifffile.TiffFileError, *DAMAGE) as error:
            raise damaged(self._path, error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _layout(self, page: "TiffPage", *, warm: bool) -> _Layout:
        """Return the layout declared by the header.

        Raises ConfigError, which names what is unsupported. `warm`: the values are temperatures.
        """
        layout = self._sizes(page)
        if page.tags.get(_PHOTOMETRIC) is None:
            raise unsupported(self._path, "a picture that does not say what its values mean (no PhotometricInterpretation)")
        if layout.photometric not in _COLOURS:
            raise unsupported(self._path, f"colours of the kind {_name(page.photometric)}")
        told = [int(value) for value in page.extrasamples or ()]
        over = layout.samples - layout.colours
        layout = replace(layout, extra=tuple(([0] * (over - len(told)) + told)[-over:]) if over > 0 else ())
        self._check_kind(page, layout, warm=warm)
        return layout

    def _sizes(self, page: "TiffPage") -> _Layout:
        """Return the declared layout without its extra samples, once it is known that the values can be decoded.

        Raises ConfigError, which names what is unsupported, and ValueError for damage.
        """
        bits, kind = page.bitspersample, int(page.sampleformat)
        samples, photometric = int(page.samplesperpixel), int(page.photometric)
        if not isinstance(bits, int):
            raise unsupported(self._path, f"samples of {', '.join(map(str, bits))} bits")
        check_size(
            self._path,
            int(page.imagewidth),
            int(page.imagelength),
            bytes_per_pixel=max(1, samples) * (1 if bits <= 8 else 2 if bits <= 16 else -(-bits // 8)),
        )
        self._check_data(page)
        compression = int(page.compression)
        if compression not in _DECODED or compression in _OWN_COLOURS:
            raise unsupported(self._path, f"the compression {_name(page.compression)}")
        if int(getattr(page, "imagedepth", 1)) != 1:
            raise unsupported(self._path, f"a volume of {page.imagedepth} layers")
        return _Layout(int(page.imagewidth), int(page.imagelength), samples, bits, kind, photometric, ())

    def _check_kind(self, page: "TiffPage", layout: _Layout, *, warm: bool) -> None:
        samples, bits, kind = layout.samples, layout.bits, layout.kind
        if samples < layout.colours:
            raise unsupported(self._path, f"{samples} samples of the {layout.colours} that its colours need")
        if kind == 3:
            if samples != 1 or bits not in (16, 32, 64):
                raise unsupported(self._path, f"{samples} x {bits}-bit floating point")
            if self._how.unit == "intensity":
                raise unsupported(self._path, "floating-point grey levels")
        elif (kind != 1 or not 1 <= bits <= 16) and not (warm and kind in (1, 2) and bits <= 32):
            what = _KINDS.get(kind, f"values of the kind {kind}") if kind != 1 else "integers"
            raise unsupported(self._path, f"{samples} x {bits}-bit {what}")
        if layout.photometric == _PALETTE and (bits > 8 or samples != 1):
            raise unsupported(self._path, f"a palette of {samples} x {bits} bits")
        if layout.photometric == _YCBCR and int(page.compression) not in (_JPEG, 34927, 50001):
            raise unsupported(self._path, "YCbCr without JPEG compression")
        if layout.photometric == _CMYK and int(page.tags.valueof(_INK_SET, 1)) != 1:
            raise unsupported(self._path, "printing inks other than CMYK")
        if layout.photometric == _CMYK and int(page.compression) == _JPEG:
            raise unsupported(self._path, "CMYK in JPEG compression")
        if layout.colours == 1 and any(kind == 0 for kind in layout.extra):
            raise unsupported(self._path, f"{samples} bands, of which nothing says what they show")

    def _check_data(self, page: "TiffPage") -> None:
        """Check that all pixels lie inside the file. Raises ValueError."""
        offsets, counts = page.dataoffsets, page.databytecounts
        if not offsets or len(offsets) != len(counts):
            raise ValueError("it does not say where its pixels are")
        if max(start + count for start, count in zip(offsets, counts, strict=True)) > self._length:
            raise ValueError("the file ends before its pixels")
        if min(counts) <= 0 or min(offsets) <= 0:
            raise ValueError("a part of it was never written")

    def _stored(self, page: "TiffPage", layout: _Layout) -> NDArray[Any]:
        """Return the values as stored in the file, [H, W, samples]. Raises whatever tifffile and its decoders raise."""
        if int(page.compression) == _JPEG:
            _check_jpegs(page)
        stored: NDArray[Any] = page.asarray(maxworkers=1, buffersize=_BUFFER)
        if layout.samples > 1 and int(page.planarconfig) == 2:
            stored = np.moveaxis(stored.reshape(layout.samples, layout.height, layout.width), 0, 2)
        stored = stored.reshape(layout.height, layout.width, layout.samples)
        expected = "b" if layout.bits == 1 else _LETTERS[layout.kind]
        if stored.dtype.kind not in (expected, "u" if expected == "b" else expected):
            raise ValueError(f"its values are {stored.dtype}, not as its header says")
        spare = layout.kind == 1 and stored.dtype.kind == "u" and layout.bits < 8 * stored.dtype.itemsize
        if spare and int(stored.max()) > layout.full:
            raise ValueError(f"it holds values of more than {layout.bits} bits")
        return stored

    def _picture(self, page: "TiffPage", layout: _Layout, stored: NDArray[Any]) -> Image:
        """Return a grey or RGB image of 8 or 16 bits."""
        notes: list[Message | None] = []
        values = _spread(stored, layout)
        colour: Whole
        if layout.photometric == _PALETTE:
            colour = _from_palette(values[..., 0], page.tags.valueof(_COLOUR_MAP), layout)
        elif layout.photometric == _CMYK:
            colour = _from_cmyk(values, 255 if layout.bits <= 8 else layout.full)
        elif layout.colours == 3:
            colour = values if layout.samples == 3 else np.ascontiguousarray(values[..., :3])
        else:
            colour = np.ascontiguousarray(values[..., 0])
            colour = colour if colour.flags.writeable else colour.copy()
            if layout.photometric == _WHITE:
                np.subtract(np.iinfo(colour.dtype).max if layout.bits <= 8 else layout.full, colour, out=colour)
        alphas = [index for index, kind in enumerate(layout.extra) if kind in (1, 2)]
        if alphas:
            alpha = values[..., layout.colours + alphas[0]]
            colour = colour if colour.flags.writeable else colour.copy()
            alpha = alpha if layout.bits in (8, 16) else _stretched(alpha, layout)
            notes.append(lay_on_black(colour, alpha, premultiplied=layout.extra[alphas[0]] == 1))
        left = len(layout.extra) - len(alphas[:1])
        if left:
            notes.append(message("Bands beside its colours are left out: {count}.", count=left))
        bits = 8 if layout.bits <= 8 else layout.bits if layout.bits < 16 else self._declared_bits(page, stored)
        return Image(colour, "intensity", tuple(note for note in notes if note is not None), bits)

    def _declared_bits(self, page: "TiffPage", stored: NDArray[Any]) -> int | None:
        """Return how many bits of 16 are in use by the tags or OME's description; None if unknown or exceeded."""
        said = re.search(r'\bSignificantBits="(\d+)"', _text(page, _DESCRIPTION))
        value = page.tags.valueof(_MAX_SAMPLE, 0)
        bits = int(said[1]) if said else int(np.max(value)).bit_length() if np.max(value) in _FULL_OF else 16
        return bits if 8 <= bits < 16 and int(stored.max()) < 1 << bits else None


def _whole(page: "TiffPage") -> "TiffPage":
    """Return the largest of a page and its subordinate pages (SubIFDs): some files keep a thumbnail above the picture."""
    pages: list[Any] = [page]
    if page.subifds and page.pages is not None:
        pages += [page.pages[index] for index in range(len(page.pages))]
    largest: TiffPage = max(pages, key=lambda one: int(one.imagewidth) * int(one.imagelength))
    return largest


def _without_thumbnails(pages: Sequence[Any]) -> tuple[list["TiffPage"], tuple[Message, ...]]:
    """Return the pages that are images, and notes on the thumbnails and masks that are left out."""
    areas = [int(page.imagewidth) * int(page.imagelength) for page in pages]
    flags = [int(page.tags.valueof(_SUBFILE, 0)) for page in pages]
    whole = [area for area, flag in zip(areas, flags, strict=True) if not flag & 5]
    largest = max(whole or areas)
    kept = [
        page
        for page, area, flag in zip(pages, areas, flags, strict=True)
        if not (flag & 5 and whole) and area > _SMALL * largest
    ]
    if not kept:
        raise ValueError("it holds no picture")
    left = len(pages) - len(kept)
    return kept, (message("Smaller copies of it (thumbnails) are left out: {count}.", count=left),) if left else ()


def _name(value: object) -> str:
    """Return tifffile's name for the value of a tag, or the number itself."""
    return str(getattr(value, "name", value))


def _text(page: "TiffPage", tag: int) -> str:
    value = page.tags.valueof(tag, "")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _check_jpegs(page: "TiffPage") -> None:
    """Look for missing data in the pieces of a page.

    Kinds of JPEG that `decode_jpeg` does not read are decoded with different bytes before their end marks, which reveals a part
    of the damage. Raises ValueError.
    """
    import imagecodecs

    tables = page.jpegtables or b""

    stream = page.parent.filehandle
    for start, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        stream.seek(start)
        data = stream.read(count)
        end = data.rfind(b"\xff\xd9")
        if end < 0:
            raise ValueError("a piece of it ends before its end mark")
        joined = tables[:-2] + data[2:] if tables else data
        if not (header := read_header(joined)).refused:
            decode_jpeg(joined, header=header)
            continue
        stuffed = data[:end] + b"\x55" * 64 + data[end:]
        one, other = (imagecodecs.jpeg_decode(piece, tables=page.jpegtables) for piece in (data, stuffed))
        if not np.array_equal(one, other):
            raise ValueError("the coded data of a piece of it end too soon")


def _spread(stored: NDArray[Any], layout: _Layout) -> Whole:
    """Return contiguous [H, W, samples]: up to 8 bits as uint8 spread to all 8 bits, more bits as uint16 as stored."""
    if layout.bits > 8:
        return np.ascontiguousarray(stored, np.uint16)
    values = stored.view(np.uint8) if stored.dtype == np.bool_ else stored
    if layout.bits == 8 or layout.photometric == _PALETTE:
        return np.ascontiguousarray(values, np.uint8)
    table = np.rint(np.arange(layout.full + 1) * (255 / layout.full)).astype(np.uint8)
    spread: Whole = table[np.ascontiguousarray(values)]
    return spread


def _stretched(alpha: Whole, layout: _Layout) -> Whole:
    """Stretch an alpha of 9 to 15 bits to 16 bits; an alpha of fewer bits is already spread."""
    if layout.bits < 8:
        return alpha
    return (alpha.astype(np.uint32) * np.uint32(65535) // np.uint32(layout.full)).astype(np.uint16)


def _from_palette(indices: Whole, colour_map: object, layout: _Layout) -> NDArray[np.uint8]:
    table = _table(colour_map)
    if len(table) != layout.full + 1:
        raise ValueError("its palette has another length than its values need")
    return table[indices]


def _table(colour_map: object) -> NDArray[np.uint8]:
    """Return the colours [N, 3] of a palette, which is written as 16 bits; some programs write 8 into them."""
    table = np.asarray(colour_map, np.uint16).reshape(3, -1).T
    return (table >> 8 if int(table.max()) > 255 else table).astype(np.uint8)


def _from_cmyk(inks: Whole, full: int) -> Whole:
    """Convert CMYK [H, W, 4 or more] to RGB as printing inks cover white, without a profile. `full`: the maximum ink value."""
    colour = np.empty((*inks.shape[:2], 3), inks.dtype)
    for rows in bands(len(inks), inks.strides[0]):
        light = full - inks[rows].astype(np.uint32)
        colour[rows] = (light[..., :3] * light[..., 3:4] + full // 2) // full
    return colour
