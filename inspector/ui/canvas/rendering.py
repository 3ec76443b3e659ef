"""Conversion of arrays to the 32-bit picture on the screen, limited to the visible pixels. numpy and OpenCV, no Qt.

Each function returns uint32 [height, width], words 0xAARRGGBB with colours multiplied by alpha.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.types import Floats, Frame, Pixels
from inspector.imaging.colormaps import PALETTES, Palette, Table, equalised, indices, packed

Words = NDArray[np.uint32]
Crop = tuple[int, int, int, int]  # left, top, right, bottom, whole pixels
Size = tuple[int, int]  # width, height

# From this enlargement on, single pixels are shown unblended.
NEAREST_FROM = 4.0
# Largest reduction by interpolation, which takes an eighth of the time of averaging over fractional areas. Every pixel keeps at
# least two fifths of its weight, so that a scratch of one pixel stays visible.
LINEAR_TO = 1.6


@dataclass(frozen=True, slots=True)
class Display:
    """How values become colours.

    The window (low, high) is in the frame's unit and defaults to the full range. The palette applies to frames without colour
    and defaults to grey for intensity and iron for temperature. `equal`: each colour is as frequent as the others.
    """

    low: float | None = None
    high: float | None = None
    palette: Palette | None = None
    equal: bool = False


def full_range(frame: Frame) -> tuple[float, float]:
    """Return the window that shows every value.

    8 bits: 0..255. 16 bits: the smallest of 10, 12, 14 or 16 bits that holds the frame, since cameras of 10 to 14 bits deliver
    16. Kelvin: the frame's own minimum and maximum.
    """
    if frame.unit == "kelvin":
        return float(np.nanmin(frame.pixels)), float(np.nanmax(frame.pixels))
    if frame.pixels.dtype == np.uint8:
        return 0.0, 255.0
    largest = int(frame.pixels.max())
    return 0.0, float(next(top for top in (1023, 4095, 16383, 65535) if largest <= top))


def window(frame: Frame, display: Display) -> tuple[float, float]:
    """Return the window (low, high) used to show this frame."""
    if display.low is not None and display.high is not None:
        return display.low, display.high
    low, high = full_range(frame)
    return (low if display.low is None else display.low, high if display.high is None else display.high)


def picture(frame: Frame, display: Display, crop: Crop, size: Size, *, smooth: bool = False) -> Words:
    """Return the pixels of `crop`, resized to `size`, opaque. `smooth`: blended however much they are enlarged."""
    low, high = window(frame, display)
    patch = frame.pixels[crop[1] : crop[3], crop[0] : crop[2]]
    shrink = size[0] * size[1] < patch.shape[0] * patch.shape[1]
    if shrink:  # average the measured values, then colour the few that are left
        patch = resized(patch, size)
    plain = patch.dtype == np.uint8 and (low, high) == (0.0, 255.0)
    levelled: Pixels = np.ascontiguousarray(patch) if plain else indices(patch, low, high)
    if display.equal:
        levelled = equalised(frame.pixels, low, high)[levelled]
    if not shrink:
        levelled = resized(levelled, size, smooth=smooth)
    if levelled.ndim == 3:
        return _words(cv2.cvtColor(levelled, cv2.COLOR_RGB2BGRA))
    palette = display.palette or ("iron" if frame.unit == "kelvin" else "grey")
    if palette == "grey":
        return _words(cv2.cvtColor(levelled, cv2.COLOR_GRAY2BGRA))
    return _colored(levelled, packed(PALETTES[palette]))


def heat(values: Floats, crop: Crop, size: Size) -> Words:
    """Return a map of 0..1 in inferno; opacity rises with heat, so that cold areas show the frame."""
    patch = resized(np.ascontiguousarray(values[crop[1] : crop[3], crop[0] : crop[2]]), size, smooth=True)
    alpha = np.rint(255.0 * np.linspace(0.0, 1.0, 256) ** 0.6).astype(np.uint8)
    return _colored(indices(patch, 0.0, 1.0), packed(PALETTES["inferno"], alpha))


def classes(class_map: NDArray[np.uint8], colors: Table, crop: Crop, size: Size) -> Words:
    """Return the colours of a class map: 0 is clear, k is colour k-1 of `colors` (uint8 [N, 3])."""
    table, alpha = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
    table[1 : len(colors) + 1], alpha[1 : len(colors) + 1] = colors, 255
    patch = np.ascontiguousarray(class_map[crop[1] : crop[3], crop[0] : crop[2]])
    return _colored(cv2.resize(patch, size, interpolation=cv2.INTER_NEAREST), packed(table, alpha))


def resized(patch: Pixels, size: Size, *, smooth: bool = False) -> Pixels:
    """Resize: average when shrinking, blend when enlarging a little, whole pixels when enlarging much (unless `smooth`)."""
    if (patch.shape[1], patch.shape[0]) == size:
        return patch
    patch = _decimated(patch, size)
    scale = size[0] / patch.shape[1]
    blended = smooth or scale < NEAREST_FROM
    method = cv2.INTER_AREA if scale < 1 / LINEAR_TO else cv2.INTER_LINEAR if blended else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(np.ascontiguousarray(patch), size, interpolation=method), patch.dtype)


def _decimated(patch: Pixels, size: Size) -> Pixels:
    """Average whole blocks before a large reduction, which OpenCV does several times faster than fractional factors.

    The right and lower edge lose less than a block, which is less than a screen pixel.
    """
    block = int(min(patch.shape[1] / size[0], patch.shape[0] / size[1]))
    if block < 2:
        return patch
    width, height = patch.shape[1] // block, patch.shape[0] // block
    whole = np.ascontiguousarray(patch[: height * block, : width * block])
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), patch.dtype)


def _colored(levels: NDArray[np.generic], words: Words) -> Words:
    """Return the word of each level uint8 [H, W]; OpenCV's table takes a third of the time of numpy's indexing."""
    return np.asarray(cv2.LUT(np.asarray(levels, np.uint8), words.view(np.int32))).view(np.uint32)


def _words(bgra: NDArray[np.generic]) -> Words:
    words: Words = np.ascontiguousarray(bgra).view(np.uint32)[..., 0]
    return words
