"""Label masks in image files: which class each pixel is of. A mask whose values can be taken in two ways is refused by name."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from inspector.core.errors import ConfigError
from inspector.core.types import IGNORE
from inspector.imaging.files import DAMAGE, MAX_PIXELS
from inspector.imaging.formats.netpbm import NetpbmPages, is_netpbm
from inspector.imaging.formats.tiff import CCITT, MAGIC, WHITE_IS_ZERO, StoredTiff, read_stored

# Anti-aliased masks are drawn at 255 with soft edges: a pixel belongs to the defect from the middle grey upwards.
HALF = 128
_MOST_COLOURS = 64  # of a mask; a photograph has hundreds
_NEARLY, _MOSTLY = 24, 0.9  # levels from black or white, and the share of pixels that are so near
_GREY = 40  # levels that the colours of a grey pixel may differ by
_STEPS = {"L;2": 85, "L;4": 17}  # Pillow spreads grey levels of 2 and 4 bits to 8, by these factors
_VOID = (224, 224, 192)  # the colour of the value 255 in Pascal VOC's palette
_OBJECTS_FIRST = ("tifffile", "imagej")  # programs whose "white is zero" does not mean that objects are black
_THICK = np.ones((3, 3), np.uint8)
Mask = NDArray[np.uint8]


def read_mask(path: Path, colours: Sequence[tuple[int, int, int]] = ()) -> Mask:
    """Return the values of a mask, uint8 [H, W], upright as `read_image` reads its image.

    Palette images yield their indices, or 0 and 255 if their only colours are black and white; transparent pixels are
    background. `colours`: RGB of the values 1, 2, ..., for a mask in colours; black is 0, and Pascal VOC's ivory is IGNORE.
    Raises ConfigError, also for a mask with other colours, whose classes are unknown.
    """
    pixels = _mask_pixels(path)
    if pixels.ndim == 2:
        return pixels
    if colours and (values := _values_of(pixels, colours)) is not None:
        return values
    if int((pixels.max(axis=2).astype(np.int16) - pixels.min(axis=2)).max(initial=0)) > _tolerated(path, pixels):
        raise ConfigError(
            "The mask {file} is in colours, which name no class.",
            remedy="Save it in grey: 0 is background, and white or 1, 2, 3, ... are the classes.",
            file=path,
        )
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def read_mask_of(
    path: Path, height: int, width: int, colours: Sequence[tuple[int, int, int]] = (), others: Sequence[Path] = ()
) -> Mask:
    """Return the mask of an image of this size, as `read_mask` does, and what `others` draw beside it.

    Raises ConfigError, also if a mask has another size.
    """
    pixels = read_mask(path, colours)
    if pixels.shape != (height, width):
        raise ConfigError(
            "The mask {file} is {mask_width} x {mask_height} px, its image {width} x {height} px.",
            remedy="Draw the mask at the size of the image.",
            file=path,
            mask_width=pixels.shape[1],
            mask_height=pixels.shape[0],
            width=width,
            height=height,
        )
    for other in others:
        pixels = np.maximum(pixels, read_mask_of(other, height, width, colours))
    return pixels


def is_mask(path: Path) -> bool:
    """Return whether an image can be a mask: it has few colours, or is nearly all black and white, like a JPEG of a mask.

    Raises ConfigError.
    """
    pixels = _mask_pixels(path)
    rows = pixels.reshape(-1, 1 if pixels.ndim == 2 else pixels.shape[2])
    if len(np.unique(rows, axis=0)) <= _MOST_COLOURS:
        return True
    return bool(np.mean((rows < _NEARLY).all(axis=1) | (rows > 255 - _NEARLY).all(axis=1)) >= _MOSTLY)


def flat_shade(mask: Mask) -> int:
    """Return a value that is neither black nor white and fills an area, unlike those of a soft edge; 0 if there is none."""
    counts = np.bincount(mask.ravel(), minlength=256)[1:IGNORE]
    commonest = int(counts.argmax()) + 1
    if counts[commonest - 1] < _THICK.size:
        return 0
    inner = cv2.erode((mask == commonest).astype(np.uint8), _THICK, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return commonest if inner.any() else 0


def _tolerated(path: Path, pixels: Mask) -> int:
    """Return by how many levels the colours of a grey pixel may differ: only a lossy format changes them.

    In others a few colours that are nearly grey are numbers, such as those of segments in COCO panoptic.
    """
    few = len(np.unique(pixels.reshape(-1, 3), axis=0)) <= _MOST_COLOURS
    return 0 if few and path.suffix.lower() not in (".jpg", ".jpeg", ".jpe", ".jfif", ".webp") else _GREY


def _mask_pixels(path: Path) -> Mask:
    """Return values [H, W], or colours [H, W, 3] with transparent pixels in black. Raises ConfigError."""
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
        if head in MAGIC:
            return _of_tiff(read_stored(path, path.read_bytes()))
        if is_netpbm(head):
            return _of_netpbm(path)
        return _of_pillow(path)
    except DAMAGE as error:
        raise ConfigError(
            "The mask {file} cannot be read ({detail}).", remedy="Save it again as an 8-bit PNG.", file=path, detail=error
        ) from error


def _of_pillow(path: Path) -> Mask:
    """Raises ValueError for what cannot be a mask, or whatever Pillow raises."""
    with Image.open(path) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise ValueError(f"{opened.width} x {opened.height} px, more than {MAX_PIXELS // 1_000_000} million in all")
        if getattr(opened, "is_animated", False):
            raise ValueError("it holds several pictures")
        step = _STEPS.get(_stored_as(opened), 1)
        image = ImageOps.exif_transpose(opened)
        if image.mode in ("I;16", "I;16B", "I"):
            return _narrow(np.asarray(image))
        if image.mode == "P":
            table = np.asarray(image.getpalette("RGB") or (), np.uint8).reshape(-1, 3)
            return _of_palette(np.asarray(image, np.uint8), table)
        if image.mode in ("L", "1"):
            return _of_few_bits(np.asarray(image.convert("L"), np.uint8), step, 255)
        rgba = np.asarray(image.convert("RGBA"))
    return _on_black(rgba[..., :3], rgba[..., 3])


def _of_netpbm(path: Path) -> Mask:
    pages = NetpbmPages(path, path.read_bytes(), as_stored=True)
    if pages.count > 1:
        raise ValueError("it holds several pictures")
    stored, full = np.asarray(pages.read(0).pixels), pages.largest(0)
    if stored.ndim == 3:
        if full != 255:
            raise ValueError(f"its colours have {full + 1} levels")
        return np.asarray(stored, np.uint8)
    return _narrow(stored.astype(np.int64)) if full > 255 else _of_few_bits(np.asarray(stored, np.uint8), 1, full)


def _of_tiff(stored: StoredTiff) -> Mask:
    """Return the mask in a TIFF. Raises ValueError for what cannot be a mask."""
    values = stored.values
    if stored.palette is not None:
        return _of_palette(_narrow(values[..., 0]), stored.palette)
    if values.shape[2] == 1:
        return _of_levels(stored)
    colours = 3 if values.shape[2] >= 3 else 1
    if values.shape[2] - colours != len(stored.alphas) or len(stored.alphas) > 1 or stored.photometric not in (1, 2):
        raise ValueError(f"it has {values.shape[2]} bands, of which nothing says what they mean")
    if values.dtype.kind != "u" or int(values[..., :colours].max()) > IGNORE:
        raise ValueError(f"its colours are {values.dtype} and not of 8 bits")
    rgb = np.broadcast_to(values[..., :colours], (*values.shape[:2], 3)).astype(np.uint8)
    full = float(np.iinfo(values.dtype).max)
    alpha = values[..., colours] * (255 / full) if stored.alphas else np.full(values.shape[:2], 255)
    return _on_black(rgb, alpha.astype(np.uint8))


def _of_levels(stored: StoredTiff) -> Mask:
    """Return the mask in a TIFF of one band. Raises ValueError."""
    values, full = stored.values[..., 0], (1 << stored.bits) - 1
    if stored.photometric == WHITE_IS_ZERO:
        # tifffile stores every boolean array so, and reads it back as it was; fax codes mean what is seen.
        if stored.compression in CCITT:
            values = ~values if values.dtype == np.bool_ else full - values
        elif not stored.software.lower().startswith(_OBJECTS_FIRST):
            raise ValueError("0 is white in it, so that some programs see it turned over")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or (values != np.rint(values)).any():
            raise ValueError(f"it holds fractions (up to {float(np.nanmax(values)):g}), which are no classes")
        values = values.astype(np.int64)
    if values.dtype == np.bool_:
        return np.where(values, np.uint8(255), np.uint8(0))
    return _of_few_bits(values.astype(np.uint8), 1, full) if stored.bits < 8 else _narrow(values)


def _of_palette(indices: Mask, table: Mask) -> Mask:
    """Return the indices, or black as 0 and white as 255 if these are the only colours: programs number them as they like.

    Raises ValueError if another index than 0 is black.
    """
    used = [int(index) for index in np.unique(indices) if index < len(table)]
    black = [index for index in used if not table[index].any()]
    white = [index for index in used if table[index].min() == IGNORE]
    if used and len(black) + len(white) == len(used):
        return np.where(np.isin(indices, white), np.uint8(255), np.uint8(0))
    if 0 in used and table[0].any() and any(index != IGNORE for index in black):
        raise ValueError(f"in its palette {black[0]} is black, and 0 is not")
    return indices


def _of_few_bits(values: Mask, step: int, full: int) -> Mask:
    """Return levels as they were before they were multiplied by `step`.

    A mask of nothing but 0 and the largest value, `full`, is in black and white.
    """
    if step > 1:
        return values // step if ((values > 0) & (values < IGNORE)).any() else values
    if full == IGNORE or ((values > 0) & (values < full)).any():
        return values
    return np.where(values > 0, np.uint8(255), np.uint8(0))


def _on_black(rgb: Mask, alpha: Mask) -> Mask:
    """Return the colours with transparent pixels in black. Raises ValueError if nothing but the transparency is drawn."""
    opaque = alpha >= HALF
    if opaque.any() and not opaque.all() and not rgb[opaque].any():
        raise ValueError("it is black wherever it is opaque, so that only its transparency shows a shape")
    return np.where(opaque[..., None], rgb, np.uint8(0))


def _stored_as(image: Image.Image) -> str:
    """Return Pillow's name for the stored form of an opened image's pixels; "" if it has none."""
    tiles = getattr(image, "tile", ())
    about = tiles[0][3] if tiles else ""
    return about if isinstance(about, str) else str(about[0]) if isinstance(about, tuple) and about else ""


def _narrow(values: NDArray[np.integer]) -> Mask:
    """Return the values of a mask of integers: classes up to 255, or black and white. Raises ValueError for others."""
    lowest, highest = int(values.min(initial=0)), int(values.max(initial=0))
    if lowest < 0:
        raise ValueError(f"it has values down to {lowest}, which are no classes")
    if highest > IGNORE and highest != 65535:
        raise ValueError(f"it has values up to {highest}, which are no classes")
    if highest > IGNORE and ((values > IGNORE) & (values < highest)).any():
        raise ValueError("it has many shades of 16 bits, which are no classes")
    return np.minimum(values.astype(np.int64), IGNORE).astype(np.uint8)


def _values_of(pixels: Mask, colours: Sequence[tuple[int, int, int]]) -> Mask | None:
    """Return the values of the colours; None if a colour has no value."""
    known = {(0, 0, 0): 0, _VOID: IGNORE} | {colour: value for value, colour in enumerate(colours, start=1)}
    packed = (pixels.astype(np.int32) * (1 << 16, 1 << 8, 1)).sum(axis=2)
    values = np.zeros(packed.shape, np.uint8)
    found = np.zeros(packed.shape, np.bool_)
    for (red, green, blue), value in known.items():
        same = packed == (red << 16 | green << 8 | blue)
        values[same] = value
        found |= same
    return values if bool(found.all()) else None
