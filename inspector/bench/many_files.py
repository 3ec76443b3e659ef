"""A cheap folder of very many labelled images: most are hard links to a few thousand files."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

_CLASSES = ("good", "scratch", "good", "stain", "good", "dent", "good")  # classes in turn; most are good, as on a line
_DISTINCT = 20_000  # distinct files; the others are links to them
_SIDE = 96


def write_many(folder: Path, files: int, *, tick: Callable[[int], None], distinct: int = _DISTINCT) -> None:
    """Write `files` images in one folder a class; `distinct` of them differ.

    Calls `tick(done)` now and then. Raises OSError.
    """
    for name in set(_CLASSES):
        (folder / name).mkdir(parents=True)
    own: list[Path] = []
    for number in range(files):
        path = folder / _CLASSES[number % len(_CLASSES)] / f"part-{number:06d}.jpg"
        if number < distinct:
            path.write_bytes(_picture(number))
            own.append(path)
        else:
            _link(own[number % len(own)], path)
        if number % 1000 == 0:
            tick(number)


def _picture(seed: int) -> bytes:
    """Return the JPEG bytes of a random texture."""
    rng = np.random.default_rng(seed)
    rough = rng.integers(40, 215, (_SIDE // 4, _SIDE // 4, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.resize(rough, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC))[1].tobytes()


def _link(source: Path, path: Path) -> None:
    try:
        os.link(source, path)
    except OSError:  # no links on this file system, or too many for this file
        shutil.copyfile(source, path)
