"""Frames for both pipelines, made without torch so that either process can make them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.cameras.demo.line import PLATE, WINDOW, DemoLine
from inspector.core.types import TaskName

WIDTH, HEIGHT = 640, 480
PICTURES = 8  # number of different frames; few enough to stay in the cache, like a camera's newest frame
Picture = NDArray[np.uint8]


def frames(count: int, *, seed: int = 0) -> list[Picture]:
    """Return `count` frames uint8 [480, 640, 3] of noise on a gradient, well exposed. The same seed gives the same frames."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(40, 180, WIDTH, dtype=np.float32)[None, :, None]
    made = []
    for _ in range(count):
        noise = rng.integers(0, 60, (HEIGHT, WIDTH, 3)).astype(np.float32)
        made.append((ramp + noise).astype(np.uint8))
    return made


def demo_frames(task: TaskName, count: int, *, seed: int) -> tuple[list[Picture], list[bool]]:
    """Return frames uint8 [480, 640, 3] of the region the task's shipped bundle inspects, and whether each part is good there.

    Classification shows the vessel's window; detection and segmentation show the plate. The parts come from the demo line with
    this seed.
    """
    line, region = DemoLine(seed), WINDOW if task == "classification" else PLATE
    pictures, good = [], []
    for index in range(count):
        frame, truth = line.visible(index)
        patch = np.ascontiguousarray(frame[region.y : region.bottom, region.x : region.right])
        pictures.append(np.asarray(cv2.resize(patch, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), np.uint8))
        good.append(truth.label == 0 if task == "classification" else not truth.boxes)
    return pictures, good
