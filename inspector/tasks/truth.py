"""The network's input as a frame, with its truth: what `prepare` and `Task.encode` made, turned back into frames and labels."""

from datetime import UTC, datetime

import numpy as np

from inspector.core.images import InputSpec, Prepared, View, view, whole
from inspector.core.types import IGNORE, Annotation, Boxes, Frame
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
        if "ignore" in target:
            mask[target["ignore"][0] > 0] = IGNORE
    return Annotation(label, boxes, mask, temperatures)


def input_frame(pixels: Prepared, spec: InputSpec, sequence: int) -> Frame:
    """A frame that is the network's input itself, as `prepare` made it."""
    picture = pixels[..., 0] if spec.channels == 1 else pixels
    if spec.kind == "float":
        picture = np.rint(picture).astype(np.uint8)  # a frame holds no fractions; its picture is not looked at again
    return Frame(picture, "data", sequence, 0.0, datetime.now(UTC), "kelvin" if spec.kind == "kelvin" else "intensity")


def input_view(spec: InputSpec) -> View:
    """The view of a frame that is the network's input itself."""
    return view(whole(np.empty((spec.height, spec.width), np.uint8)), spec)
