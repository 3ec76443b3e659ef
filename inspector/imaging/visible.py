"""Frames as pictures for people: 8-bit colour, whatever the camera's depth."""

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.types import Frame

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

# Okabe and Ito's palette, which colour-blind people can tell apart; a class keeps its colour.
CLASS_COLOURS: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (240, 228, 66),
    (204, 121, 167),
    (0, 158, 115),
    (213, 94, 0),
)


def visible(frame: Frame) -> Picture:
    """Return a frame as RGB uint8 [H, W, 3].

    16-bit values are scaled to the range present; temperatures get the inferno colours.
    """
    pixels = frame.pixels
    if frame.unit == "kelvin" or pixels.dtype != np.uint8:
        values = np.nan_to_num(pixels.astype(np.float32), nan=float(np.nanmin(pixels)) if np.isfinite(pixels).any() else 0.0)
        low, high = float(values.min()), float(values.max())
        grey = np.clip((values - low) * (255.0 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)
        if frame.unit == "kelvin":
            return np.asarray(cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB), np.uint8)
    else:
        grey = np.asarray(pixels, np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2) if grey.ndim == 2 else grey.copy()
