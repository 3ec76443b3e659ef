"""Generated plates with labelled defects, in four difficulties: small, thin, crowded and tiny.

As a program it writes a folder to train on: `python -m tests.ml.plates detection small FOLDER --count 120 --side 640`.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

CLASSES = ("hole", "spot", "ring")
GOOD = "good"
_DARK, _BRIGHT = 25, 235
_SHIFT = 3  # OpenCV draws in eighths of a pixel
_APART = 4  # pixels between defects, at least

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Plate:
    """Grey uint8 [side, side]; mask uint8 [side, side] (0, or class index + 1); corners and classes of boxes, in pixels."""

    pixels: Pixels
    mask: Pixels
    boxes: tuple[tuple[int, int, int, int], ...]
    classes: tuple[int, ...]


def pinholes(rng: np.random.Generator, kind: int) -> tuple[Pixels, Pixels]:
    """A defect of 6 to 12 px: its grey values and where they are drawn (255)."""
    return _round(rng, kind, 6, 12)


def specks(rng: np.random.Generator, kind: int) -> tuple[Pixels, Pixels]:
    """A defect of 4 to 12 px."""
    return _round(rng, kind, 4, 12)


def cracks(rng: np.random.Generator, kind: int) -> tuple[Pixels, Pixels]:
    """A crooked line 2 to 4 px wide and 30 to 90 px long: dark, bright, or dark beside bright."""
    length, width = int(rng.integers(30, 90)), int(rng.integers(2, 5))
    side = length + 8
    angle = rng.uniform(0, np.pi)
    way = np.array([np.cos(angle), np.sin(angle)])
    steps = np.linspace(-length / 2, length / 2, 6)[:, None] * way
    bends = rng.normal(0, length / 16, (6, 1)) * way[::-1] * (1, -1)
    points = np.round(steps + bends + side / 2).astype(np.int32)
    value, cover = np.full((side, side), _BRIGHT if kind == 1 else _DARK, np.uint8), np.zeros((side, side), np.uint8)
    if kind == 2:
        width = max(width, 3) + 1
    cv2.polylines(cover, [points], False, 255, width)
    if kind == 2:
        beside = np.zeros_like(cover)
        cv2.polylines(beside, [points], False, 255, width // 2)
        value[beside > 0] = _BRIGHT
    return value, cover


def crowd(rng: np.random.Generator, kind: int) -> tuple[Pixels, Pixels]:
    """A defect of 10 to 22 px."""
    return _round(rng, kind, 10, 22)


def _round(rng: np.random.Generator, kind: int, low: int, high: int) -> tuple[Pixels, Pixels]:
    size = int(rng.integers(low, high + 1))
    value, cover = np.full((size, size), _BRIGHT if kind == 1 else _DARK, np.uint8), np.zeros((size, size), np.uint8)
    centre = ((size - 1) << _SHIFT) // 2
    cv2.circle(cover, (centre, centre), (size << _SHIFT) // 2, 255, -1, cv2.LINE_8, _SHIFT)
    if kind == 2:
        cv2.circle(value, (centre, centre), (size << _SHIFT) // 4, _BRIGHT, -1, cv2.LINE_8, _SHIFT)
    return value, cover


@dataclass(frozen=True, slots=True)
class Difficulty:
    """What is drawn, and how many of it on one plate."""

    draw: Callable[[np.random.Generator, int], tuple[Pixels, Pixels]]
    fewest: int
    most: int


DIFFICULTIES: Mapping[str, Difficulty] = MappingProxyType(
    {
        "small": Difficulty(pinholes, 1, 8),
        "thin": Difficulty(cracks, 1, 4),
        "crowded": Difficulty(crowd, 12, 24),
        "tiny": Difficulty(specks, 1, 8),
    }
)


def plate(index: int, how: str, side: int, *, kinds: tuple[int, ...] = (0, 1, 2), empty: bool = False) -> Plate:
    """The plate number `index`; the same one each time. `kinds`: the classes that may be on it; `empty`: none is."""
    rng, difficulty = np.random.default_rng((index, side)), DIFFICULTIES[how]
    grain = rng.normal(0, 1, (side, side)).astype(np.float32)
    pixels = 130 + 8 * rng.uniform(-1, 1) + 9 * grain + 14 * _cloud(rng, side) + 5 * grain.mean(axis=0)
    mask, taken = np.zeros((side, side), np.uint8), np.zeros((side, side), np.uint8)
    boxes, classes = [], []
    for _ in range(0 if empty else int(rng.integers(difficulty.fewest, difficulty.most + 1))):
        kind = int(rng.choice(kinds))
        value, cover = difficulty.draw(rng, kind)
        height, width = cover.shape
        for _ in range(20):
            y, x = (int(rng.integers(2, side - size - 2)) for size in (height, width))
            near = taken[max(y - _APART, 0) : y + height + _APART, max(x - _APART, 0) : x + width + _APART]
            if not near.any():
                break
        else:
            continue
        place = (slice(y, y + height), slice(x, x + width))
        drawn = cover > 0
        pixels[place][drawn] = value[drawn] + 6 * grain[place][drawn]
        mask[place][drawn], taken[place][drawn] = kind + 1, 1
        rows, columns = np.nonzero(drawn)
        boxes.append((x + int(columns.min()), y + int(rows.min()), x + int(columns.max()) + 1, y + int(rows.max()) + 1))
        classes.append(kind)
    soft = cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), 0.6)
    return Plate(np.clip(soft, 0, 255).astype(np.uint8), mask, tuple(boxes), tuple(classes))


def _cloud(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(rng.normal(0, 1, (6, 6)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC))


def detection_plates(folder: Path, how: str, *, count: int, side: int) -> Path:
    """Images with Pascal VOC boxes beside them."""
    folder.mkdir(parents=True)
    for index in range(count):
        one = plate(index, how, side)
        _write(folder / f"{index:04d}.png", one.pixels)
        objects = "".join(
            f"<object><name>{CLASSES[kind]}</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax>"
            f"<ymax>{bottom}</ymax></bndbox></object>"
            for (left, top, right, bottom), kind in zip(one.boxes, one.classes, strict=True)
        )
        (folder / f"{index:04d}.xml").write_text(f"<annotation>{objects}</annotation>")
    return folder


def segmentation_plates(folder: Path, how: str, *, count: int, side: int) -> Path:
    """Images and masks; every fifth plate is good."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    (folder / "classes.txt").write_text("\n".join(CLASSES))
    for index in range(count):
        one = plate(index, how, side, empty=index % 5 == 4)
        _write(folder / "images" / f"{index:04d}.png", one.pixels)
        _write(folder / "masks" / f"{index:04d}.png", one.mask)
    return folder


def classification_plates(folder: Path, how: str, *, count: int, side: int) -> Path:
    """A folder a class: plates with defects of that kind only, and good ones."""
    for index in range(count):
        kind = index % (len(CLASSES) + 1)
        good = kind == len(CLASSES)
        place = folder / (GOOD if good else CLASSES[kind])
        place.mkdir(parents=True, exist_ok=True)
        _write(place / f"{index:04d}.png", plate(index, how, side, kinds=(kind,), empty=good).pixels)
    return folder


def _write(path: Path, pixels: Pixels) -> None:
    assert cv2.imwrite(str(path), pixels)


PLATES: Mapping[str, Callable[..., Path]] = MappingProxyType(
    {"classification": classification_plates, "detection": detection_plates, "segmentation": segmentation_plates}
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=sorted(PLATES))
    parser.add_argument("how", choices=sorted(DIFFICULTIES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--side", type=int, default=640)
    asked = parser.parse_args()
    PLATES[asked.task](asked.folder, asked.how, count=asked.count, side=asked.side)


if __name__ == "__main__":
    main()
