"""Transparent images, composited on black."""

import numpy as np
from numpy.typing import NDArray

from inspector.core.message import Message, message

_BAND = 1 << 20  # bytes that are worked on at a time

TRANSPARENT = message("Its transparent parts are shown on black.")
INVISIBLE = message("Its transparency says that nothing of it is visible; it is shown without it.")

Whole = NDArray[np.uint8 | np.uint16]


def bands(height: int, row_bytes: int) -> list[slice]:
    """Return row slices of an image, each small enough to work on at a time."""
    rows = max(1, _BAND // max(1, row_bytes))
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def lay_on_black(colour: Whole, alpha: Whole, *, premultiplied: bool = False) -> Message | None:
    """Multiply `colour` [H, W] or [H, W, 3] by `alpha` [H, W] in place and return a note; None if the image is opaque.

    If alpha is 0 throughout, a program left the fourth byte unused, and the colours stay unchanged. `premultiplied`: the
    colours have already been multiplied. Results are rounded to the nearest integer.
    """
    full = int(np.iinfo(alpha.dtype).max)
    if int(alpha.min()) == full:
        return None
    if int(alpha.max()) == 0:
        return INVISIBLE
    if premultiplied:
        return TRANSPARENT
    for rows in bands(len(colour), colour.strides[0]):
        share = alpha[rows] if colour.ndim == 2 else alpha[rows, :, None]
        product = colour[rows].astype(np.uint32) * share + np.uint32(full // 2)
        colour[rows] = product // np.uint32(full)
    return TRANSPARENT
