"""Truths as the network is trained on them, turned back: what `Task.encode` made of a label, for the input's own pixels."""

import numpy as np

from inspector.core.images import InputSpec, View, view, whole
from inspector.core.types import Annotation, Boxes
from inspector.tasks.base import Target


def truth_of(target: Target, spec: InputSpec) -> Annotation:
    """An encoded truth as the annotation of a frame that is the network's input."""
    label = int(target["label"]) if "label" in target else None
    temperatures, boxes, mask = None, None, None
    if "temperatures" in target:
        high, mean, low = (float(value) for value in target["temperatures"])
        temperatures = (high, mean, low)
    if "boxes" in target:
        used = target["classes"] >= 0
        fractions, classes = target["boxes"][used], target["classes"][used]
        size = np.array([spec.width, spec.height] * 2, np.float32)
        xyxy = np.hstack([fractions[:, :2] - fractions[:, 2:] / 2, fractions[:, :2] + fractions[:, 2:] / 2]) * size
        boxes = Boxes(xyxy.astype(np.float32), np.ones(len(xyxy), np.float32), classes.astype(np.int64))
    if "mask" in target:
        planes = target["mask"]
        mask = np.where(planes.max(axis=0) >= 128, planes.argmax(axis=0) + 1, 0).astype(np.uint8)
    return Annotation(label, boxes, mask, temperatures)


def input_view(spec: InputSpec) -> View:
    """The view of a frame that is the network's input itself."""
    return view(whole(np.empty((spec.height, spec.width), np.uint8)), spec)
