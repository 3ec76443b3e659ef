"""Textures and shapes shared by the parts of the demo line. All use a random generator, so a seed determines the result."""

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.types import Floats

Bytes = NDArray[np.uint8]
Points = NDArray[np.int32]


def cloud(rng: np.random.Generator, height: int, width: int, grain: float) -> Floats:
    """Return smooth noise [height, width] with mean 0, standard deviation 1 and blobs of about `grain` pixels."""
    shrink = max(1.0, grain / 4.0)
    small = (max(4, round(height / shrink)), max(4, round(width / shrink)))
    field = cv2.GaussianBlur(rng.standard_normal(small, np.float32), (0, 0), max(0.6, grain / shrink / 2.0))
    field = np.asarray(cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), np.float32)


def streaks(rng: np.random.Generator, height: int, width: int, length: int) -> Floats:
    """Return brushed-metal noise [height, width]: grain stretched over `length` pixels horizontally, mean 0, deviation 1."""
    field = cv2.blur(rng.standard_normal((height, width + 2 * length), np.float32), (length, 1))[:, length : length + width]
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), np.float32)


def blob(rng: np.random.Generator, centre: tuple[float, float], radius: float, roughness: float) -> Points:
    """Return the outline [N, 2] of an irregular closed shape: a circle with a few random harmonics."""
    angle = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)
    reach = np.ones_like(angle)
    for order in range(2, 7):
        reach += roughness / order * rng.normal() * np.cos(order * angle + rng.uniform(0.0, 2.0 * np.pi))
    reach = radius * np.clip(reach, 0.45, 1.8)
    outline = np.stack([centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle)], axis=1)
    return np.asarray(np.rint(outline), np.int32)


def filled(outline: Points, height: int, width: int) -> Bytes:
    """Return a mask [height, width]: 255 inside the outline, 0 elsewhere."""
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [outline], 255)
    return mask


def disc(height: int, width: int, centre: tuple[float, float], radius: float) -> Bytes:
    """Return an anti-aliased filled circle: 255 inside, 0 outside; `centre` is (x, y)."""
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (round(centre[0] * 16), round(centre[1] * 16)), round(radius * 16), 255, -1, cv2.LINE_AA, 4)
    return mask


def blurred(image: NDArray[np.uint8 | np.float32], sigma: float) -> Floats:
    """Return the image as float32, Gaussian-blurred."""
    return np.asarray(cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma), np.float32)
