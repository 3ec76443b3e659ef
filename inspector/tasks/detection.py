"""Detection: boxes around what is on a part.

Graph output float32 [N, A, 4 + C], the same for every detector: left, top, right and bottom of A boxes as fractions of the
input, then a score 0..1 for each class. What a network's own numbers mean, and how they become this, its loss says
(`tasks.losses`).
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.images import View
from inspector.core.registry import LOSSES
from inspector.core.types import Annotation, Boxes, Floats, Frame, Prediction, TaskName
from inspector.tasks.base import Target, Task, loss_of
from inspector.tasks.boxes import area, in_region, suppress
from inspector.tasks.metrics import DetectionMetrics

MAX_OBJECTS = 100  # labelled objects a frame that training looks at
FLOOR = 0.05
SCORE = 0.5
NMS_IOU = 0.5


class Detection(Task):
    """Boxes with class and score."""

    name: ClassVar[TaskName] = "detection"

    def outputs(self, card: Card) -> int:
        """Channels of the network's own output: one a class, and four numbers at points or five for each box of a grid."""
        numbers = 4 if loss_of(self.name, card) is LOSSES["detection_points"] else boxes_per_cell(card) * 5
        return numbers + len(card.classes)

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
        """Graph output float32 [N, A, 4 + C] -> `boxes` above the card's floor, best first, after suppression."""
        floor, overlap = card.thresholds.get("floor", FLOOR), card.thresholds.get("nms_iou", NMS_IOU)
        frame, xyxy, scores, classes = candidates(raw, floor)
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
    """Of a network with a grid: its option `boxes`, 2 if left out."""
    return int(card.network_options.get("boxes", 2))


def candidates(raw: Floats, floor: float) -> tuple[NDArray[np.int64], Floats, Floats, NDArray[np.int64]]:
    """Return every (box, class) of a batch whose score reaches `floor`.

    `raw` [N, A, 4 + C] -> index of the frame int64 [n], ascending; box as fractions of the input (left, top, right, bottom)
    [n, 4]; score [n]; class int64 [n].
    """
    frame, box, classes = np.nonzero(raw[..., 4:] >= floor)
    scores = raw[frame, box, 4 + classes].astype(np.float32)
    return frame, raw[frame, box, :4].astype(np.float32), scores, classes.astype(np.int64)
