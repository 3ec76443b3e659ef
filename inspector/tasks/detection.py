"""Detection: boxes around what is on a part. One grid, B boxes a cell (after Redmon et al., CVPR 2016).

Graph output [N, gh, gw, B*5 + C], all in 0..1: B times (x, y, w, h, confidence), then one probability a class for the
cell. A box's centre lies at cell + offset * (1 + 2 REACH) - REACH, in cells: its own cell and a margin of REACH around,
so that the cells next to an object's centre can find it too. w and h are fractions of the input. The confidence is the
expected IoU of the box with the object; a box's score for a class is confidence times the class's probability.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from inspector.core.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.images import View
from inspector.core.types import Annotation, Boxes, Floats, Frame, Prediction, TaskName
from inspector.tasks.base import Target, Task
from inspector.tasks.boxes import area, in_region, suppress
from inspector.tasks.metrics import DetectionMetrics

REACH = 0.5
MAX_OBJECTS = 100  # labelled objects a frame that training looks at
FLOOR = 0.05
SCORE = 0.5
NMS_IOU = 0.5


class Detection(Task):
    """Boxes with class and score. See the module's text for the graph output."""

    name: ClassVar[TaskName] = "detection"

    def outputs(self, card: Card) -> int:
        """Five numbers a box and one a class."""
        return boxes_per_cell(card) * 5 + len(card.classes)

    def encode(self, truth: Annotation, card: Card, view: View) -> Target:
        """`boxes` float32 [MAX_OBJECTS, 4]: centre x, y, width, height as fractions of the input; `classes` int64, -1: none.

        Raises ConfigError if the frame has no list of boxes (an empty list is a frame without objects).
        """
        if truth.boxes is None:
            raise ConfigError(
                "A frame has no list of boxes.", remedy="Give every frame an annotation file, an empty one if nothing is there."
            )
        seen = in_region(truth.boxes, view.region)
        size: Floats = np.array([card.input.width, card.input.height] * 2, np.float32)
        xyxy: Floats = np.divide(view.to_input(seen.xyxy), size)
        order = np.argsort(-area(xyxy), kind="stable")[:MAX_OBJECTS]
        boxes, classes = np.zeros((MAX_OBJECTS, 4), np.float32), np.full(MAX_OBJECTS, -1, np.int64)
        boxes[: len(order), :2] = (xyxy[order, :2] + xyxy[order, 2:]) / 2
        boxes[: len(order), 2:] = xyxy[order, 2:] - xyxy[order, :2]
        classes[: len(order)] = seen.classes[order]
        return {"boxes": boxes, "classes": classes}

    def decode(self, raw: Floats, card: Card, views: Sequence[View], frames: Sequence[Frame]) -> list[Prediction]:
        """Graph output float32 [N, gh, gw, B*5 + C] -> `boxes` above the card's floor, best first, after suppression."""
        floor, overlap = card.thresholds.get("floor", FLOOR), card.thresholds.get("nms_iou", NMS_IOU)
        frame, xyxy, scores, classes = candidates(raw, boxes_per_cell(card), floor)
        xyxy *= np.array([card.input.width, card.input.height] * 2, np.float32)
        ends = np.searchsorted(frame, np.arange(len(raw) + 1))
        result = []
        for index, view in enumerate(views):
            own = slice(ends[index], ends[index + 1])
            found = Boxes(view.to_frame(xyxy[own]), scores[own], classes[own])
            boxes = suppress(found, overlap)
            result.append(Prediction(card.name, self.name, view.camera, card.classes, view.region, boxes=boxes))
        return result

    def metrics(self, card: Card) -> DetectionMetrics:
        return DetectionMetrics(card.classes, score=card.thresholds.get("score", SCORE))


def boxes_per_cell(card: Card) -> int:
    """The option `boxes` of the card's network, 2 if left out."""
    return int(card.network_options.get("boxes", 2))


def candidates(raw: Floats, boxes: int, floor: float) -> tuple[NDArray[np.int64], Floats, Floats, NDArray[np.int64]]:
    """Every (box, class) of a batch whose score reaches `floor`.

    `raw` [N, gh, gw, B*5 + C] -> index of the frame int64 [n], ascending; box as fractions of the input (left, top, right,
    bottom) [n, 4]; score [n]; class int64 [n].
    """
    rows, columns = raw.shape[1:3]
    confidence = raw[..., 4 : boxes * 5 : 5]
    n, y, x, b = np.nonzero(confidence >= floor)
    score = confidence[n, y, x, b][:, None] * raw[n, y, x, boxes * 5 :]
    row, classes = np.nonzero(score >= floor)
    n, y, x, b = n[row], y[row], x[row], b[row]
    box = raw[n, y, x][np.arange(len(n))[:, None], (b * 5)[:, None] + np.arange(4)]
    cell = np.stack((x, y), axis=1).astype(np.float32)
    centre = (cell + box[:, :2] * (1 + 2 * REACH) - REACH) / np.array([columns, rows], np.float32)
    half = box[:, 2:] / 2
    xyxy = np.concatenate((centre - half, centre + half), axis=1).astype(np.float32)
    return n, xyxy, score[row, classes].astype(np.float32), classes.astype(np.int64)
