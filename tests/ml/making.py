"""Small labelled folders that a small network learns in seconds."""

from pathlib import Path

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from inspector.ml.channel import Cancelled
from inspector.runs.settings import TrainSettings, train_settings
from tests.reports import Quiet

SIDE = 32


class Told(Quiet):
    """A report that remembers. `cancel_after`: cancelled from so many epochs on."""

    def __init__(self, cancel_after: int | None = None) -> None:
        super().__init__()
        self._cancel_after = cancel_after

    def pause_point(self) -> float:
        if self.cancelled():
            raise Cancelled
        return 0.0

    def cancelled(self) -> bool:
        return self._cancel_after is not None and len(self.metrics) >= self._cancel_after


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    assert cv2.imwrite(str(path), pixels)


def blob(index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], tuple[int, int, int, int]]:
    """A grey picture with one bright (odd index) or dark (even index) rectangle; its mask; its box in pixels."""
    rng = np.random.default_rng(index)
    picture = rng.integers(110, 130, (SIDE, SIDE, 3), dtype=np.uint8)
    width, height = (int(value) for value in rng.integers(9, 15, 2))
    left, top = int(rng.integers(1, SIDE - width)), int(rng.integers(1, SIDE - height))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[top : top + height, left : left + width] = index % 2 + 1
    picture[mask > 0] = 240 if index % 2 else 10
    return picture, mask, (left, top, left + width, top + height)


def classification_folder(folder: Path, count: int = 24) -> Path:
    for index in range(count):
        place = folder / ("bright" if index % 2 else "dark")
        place.mkdir(parents=True, exist_ok=True)
        write_png(place / f"{index:03d}.png", blob(index)[0])
    return folder


def segmentation_folder(folder: Path, count: int = 24) -> Path:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    (folder / "classes.txt").write_text("dark\nbright\n")
    for index in range(count):
        picture, mask, _ = blob(index)
        write_png(folder / "images" / f"{index:03d}.png", picture)
        write_png(folder / "masks" / f"{index:03d}.png", mask)
    return folder


def detection_folder(folder: Path, count: int = 24) -> Path:
    folder.mkdir(parents=True)
    for index in range(count):
        picture, _, (left, top, right, bottom) = blob(index)
        write_png(folder / f"{index:03d}.png", picture)
        corners = f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        name = "bright" if index % 2 else "dark"
        (folder / f"{index:03d}.xml").write_text(
            f"<annotation><object><name>{name}</name><bndbox>{corners}</bndbox></object></annotation>"
        )
    return folder


def thermal_folder(folder: Path, count: int = 24) -> Path:
    folder.mkdir(parents=True)
    rows = ["file,maximum,mean,minimum"]
    for index in range(count):
        rng = np.random.default_rng(index)
        scene = rng.uniform(295, 300, (24, 32)).astype(np.float32)
        scene = np.asarray(cv2.GaussianBlur(scene, (0, 0), 2), np.float32) + np.float32(rng.uniform(0, 20))
        scene[8:16, 8:16] += np.float32(rng.uniform(20, 80))
        tifffile.imwrite(folder / f"{index:03d}.tiff", scene, photometric="minisblack", metadata=None)
        rows.append(f"{index:03d}.tiff,{scene.max():.3f},{scene.mean():.3f},{scene.min():.3f}")
    (folder / "temperatures.csv").write_text("\n".join(rows))
    return folder


FOLDERS = {
    "classification": classification_folder,
    "detection": detection_folder,
    "segmentation": segmentation_folder,
    "thermal": thermal_folder,
}

# What is enough for these folders, by task.
TINY: dict[str, dict[str, object]] = {
    "classification": {"network": "simple_cnn", "options": {"head": "gap", "filters": 4}, "epochs": 5, "lr": 1e-2},
    "detection": {"network": "simple_yolo", "options": {"filters": 4}, "width": 64, "height": 64, "epochs": 3, "lr": 1e-2},
    "segmentation": {"network": "unet", "options": {"filters": 4}, "epochs": 8, "lr": 1e-2},
    "thermal": {"network": "thermal_cnn", "options": {"head": "stats", "filters": 4}, "epochs": 15, "lr": 1e-2},
}


def tiny(task: str, data: Path, out: Path, **changes: object) -> TrainSettings:
    """Settings for a training of a few seconds."""
    base = {
        "task": task,
        "data": data,
        "out": out,
        "width": SIDE,
        "height": SIDE,
        "batch": 4,
        "threads": 1,
        "val": 0.25,
        "test": 0.25,
    }
    return train_settings({**base, **TINY[task], **changes})
