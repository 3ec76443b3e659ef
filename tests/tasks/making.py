"""Cards, views, frames and predictions for the tests of the tasks."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from inspector.bundles.bundle import Card
from inspector.core.types import Answer, Boxes, Floats, Frame, Pixels, Prediction, Region, TaskName, Unit
from inspector.imaging.preprocessing import InputSpec, View, view

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def card(task: TaskName, classes: tuple[str, ...] = ("a", "b"), *, spec: InputSpec | None = None, **fields: Any) -> Card:
    spec = spec or InputSpec(width=64, height=48)
    if task == "thermal":
        fields = {"target_mean": (310.0, 300.0, 290.0), "target_std": (10.0, 5.0, 2.0)} | fields
    return Card(
        name="bundle",
        task=task,
        network="simple_cnn",
        classes=classes,
        input=spec,
        mean=(127.5,) * spec.channels,
        std=(127.5,) * spec.channels,
        created=NOW,
        software="test",
        **fields,
    )


def look(region: Region, spec: InputSpec) -> View:
    return view(region, spec, "camera")


def frame(pixels: Pixels, unit: Unit = "intensity") -> Frame:
    return Frame(pixels, "camera", 0, 0.0, NOW, unit)


def blank(width: int = 64, height: int = 48) -> Frame:
    return frame(np.zeros((height, width), np.uint8))


def some_boxes(rng: np.random.Generator, count: int, classes: int, *, size: float = 200.0) -> Boxes:
    """Boxes of all sizes in a square frame; scores rounded so that ties occur."""
    low = rng.uniform(0, size * 0.7, (count, 2))
    high = np.minimum(low + rng.uniform(3, size * 0.5, (count, 2)), size)
    scores = np.round(rng.uniform(0.05, 1, count), 2).astype(np.float32)
    return Boxes(np.concatenate((low, high), axis=1).astype(np.float32), scores, rng.integers(0, classes, count))


def boxes(xyxy: list[list[float]], classes: list[int], scores: list[float] | None = None) -> Boxes:
    return Boxes(
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.array(scores or [1.0] * len(xyxy), np.float32),
        np.array(classes, np.int64),
    )


def predicted(task: TaskName, region: Region, classes: tuple[str, ...] = ("a", "b"), *, answer: Answer) -> Prediction:
    return Prediction("bundle", task, "camera", classes, region, answer)


def softmaxed(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    values = rng.random(shape) ** 3 + 1e-3
    result: Floats = (values / values.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result
