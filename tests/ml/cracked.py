"""Generated cracks in rough surfaces with stains and scratches, one class, masks.

As a program it writes a folder to train on: `python -m tests.ml.cracked FOLDER --count 118`.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

_GRAIN = ((1, 14), (2, 12), (5, 8), (20, 6), (80, 10))  # deviations of blurs in pixels, and their contrasts in grey levels
_SHIFT = 3  # OpenCV draws in eighths of a pixel

Drawn = NDArray[np.float32]


def surface(index: int, width: int, height: int, widths: tuple[float, float]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Grey image and mask (0, 1) of the surface number `index`; `widths`: of its one or two cracks in pixels."""
    rng = np.random.default_rng((7, index, width))
    image = np.full((height, width), 130 + rng.uniform(-15, 15), np.float32)
    for deviation, contrast in _GRAIN:
        noise = _soft(rng.normal(0, 1, (height, width)).astype(np.float32), deviation)
        image += contrast * noise / noise.std()
    for _ in range(int(rng.integers(3, 12))):
        image += _soft(_blemish(rng, width, height), 1.0 + 4 * rng.random()) * rng.uniform(-18, 25)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(1, 3))):
        crack = _crack(rng, width, height, rng.uniform(*widths))
        image -= _soft(crack, 0.8) * rng.uniform(25, 55)
        mask |= np.asarray(crack >= 0.5, np.uint8)
    return np.clip(_soft(image, 0.5), 0, 255).astype(np.uint8), mask


def _soft(plane: Drawn, deviation: float) -> Drawn:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), deviation), np.float32)


def _blemish(rng: np.random.Generator, width: int, height: int) -> Drawn:
    """A stain or a straight scratch, which is no crack."""
    plane, at = np.zeros((height, width), np.float32), (int(rng.integers(width)), int(rng.integers(height)))
    if rng.random() < 0.5:
        axes = (int(rng.integers(3, 30)), int(rng.integers(3, 12)))
        cv2.ellipse(plane, at, axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
    else:
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(15, 80)
        end = (int(at[0] + length * np.cos(angle)), int(at[1] + length * np.sin(angle)))
        cv2.line(plane, at, end, 1.0, int(rng.integers(1, 3)))
    return plane


def _crack(rng: np.random.Generator, width: int, height: int, thick: float) -> Drawn:
    """How much of each pixel a crooked line covers, 0 to 1."""
    plane, at = np.zeros((height, width), np.uint8), np.array([rng.uniform(0, width), rng.choice([0, height * rng.random()])])
    angle = rng.uniform(0.3, 2.8)
    for _ in range(int(rng.integers(20, 70))):
        angle += rng.normal(0, 0.35)
        to = at + np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(4, 10) * (width / 480) ** 0.5
        ends = [(round(x * 2**_SHIFT), round(y * 2**_SHIFT)) for x, y in (at.tolist(), to.tolist())]
        cv2.line(plane, *ends, 255, max(1, round(thick * rng.uniform(0.6, 1.3))), cv2.LINE_AA, _SHIFT)
        at = to
    return plane.astype(np.float32) / 255


def cracked_surfaces(
    folder: Path, *, count: int, width: int = 480, height: int = 320, widths: tuple[float, float] = (2, 5)
) -> Path:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    (folder / "classes.txt").write_text("crack")
    for index in range(count):
        image, mask = surface(index, width, height, widths)
        assert cv2.imwrite(str(folder / "images" / f"{index:04d}.png"), image)
        assert cv2.imwrite(str(folder / "masks" / f"{index:04d}.png"), mask)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=118)
    asked = parser.parse_args()
    cracked_surfaces(asked.folder, count=asked.count)


if __name__ == "__main__":
    main()
