"""Detection: boxes around objects on a part.

Graph output float32 [N, A, 4 + C], the same for every detector: left, top, right and bottom of A boxes as fractions of the
input, then a score 0..1 for each class. The loss of a network (`tasks.losses`) defines the network's own numbers and converts
them.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.registry import LOSSES
from inspector.core.types import Annotation, Answer, Boxes, Floats, Frame, Prediction, Region, TaskName
from inspector.imaging.preprocessing import InputSpec, View
from inspector.runs.report import Interval
from inspector.tasks.base import (
    DEFAULT_THRESHOLD,
    DefaultRule,
    Mirrors,
    Sizing,
    Target,
    Task,
    defect_classes,
    loss_of,
    percent,
    shares,
)
from inspector.tasks.boxes import area, box_iou, in_region, suppress
from inspector.tasks.metrics import DetectionMetrics
from inspector.tasks.statistics.mistakes import Mistake, listed
from inspector.tasks.statistics.thresholds import NEVER, Rated
from inspector.tasks.tiles import join_boxes

if TYPE_CHECKING:
    import torch

MAX_OBJECTS = 300  # most labelled objects of a frame used in training
FLOOR = 0.05
NMS_IOU = 0.5
_COARSEST = 32  # stride of the coarsest points (`tasks.losses.points`)
_MATCH = 0.5  # smallest IoU of two boxes that count as the same
_NEAR = 0.1  # margin: the counterpart of a box must reach the threshold minus this value


class Detection(Task):
    """Finds boxes with class and score."""

    name: ClassVar[TaskName] = "detection"
    answer: ClassVar[type[Answer]] = Boxes
    thresholds: ClassVar[Mapping[str, float]] = {"score": DEFAULT_THRESHOLD, "floor": 0.02, "nms_iou": NMS_IOU}
    lowest: ClassVar[float] = 0.05
    cam: ClassVar[Literal["gradcam", "layercam"]] = "layercam"  # for small targets
    explained: ClassVar[str] = "boxes of class {name} (scores add up to {target:.2f})"
    mirrors: ClassVar[Mirrors] = "points"
    tiled: ClassVar[bool] = True
    class_measure: ClassVar[str] = "ap50"
    sizing: ClassVar[Sizing] = Sizing(
        usual=320,
        object_px=16,
        seen=25_000,
        enlarged=1.6,
        batch=8,
        batch_of_few=4,
        piece=320,
        rates={"lr": 2e-3, "backbone_rate": 0.5},
    )

    def outputs(self, card: Card) -> int:
        """Return the channels of the network's own output.

        At points: four numbers and one per class. On a grid: five per box and one per class.
        """
        numbers = 4 if loss_of(self.name, card) is LOSSES["detection_points"] else boxes_per_cell(card) * 5
        return numbers + len(card.classes)

    def may_mirror(self, card: Card) -> bool:
        """Return whether the network answers at points, and those of a mirrored input are the mirrored points."""
        whole = card.input.width % _COARSEST == 0 and card.input.height % _COARSEST == 0
        return whole and loss_of(self.name, card) is LOSSES["detection_points"]

    def mirrored_back(self, raw: "torch.Tensor", axes: Sequence[int], card: Card) -> "torch.Tensor":
        value: torch.Tensor = loss_of(self.name, card).load()().mirrored_back(raw, axes, card)
        return value

    def encode(self, truth: Annotation, card: Card, view: View) -> Target:
        """Return `boxes` float32 [MAX_OBJECTS, 4] and `classes` int64 (-1: none).

        A box is centre x, y, width, height as fractions of the input. Raises ConfigError if the frame has no list of boxes (an
        empty list is a frame without objects).
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
        """Decode graph output float32 [N, A, 4 + C] into `Boxes` above the card's floor, best first, after suppression.

        Boxes are cut at the region only after suppression: those of two objects at its edge become alike.
        """
        floor, overlap = card.thresholds.get("floor", FLOOR), card.thresholds.get("nms_iou", NMS_IOU)
        frame, xyxy, scores, classes = candidates(raw, floor)
        xyxy *= np.array([card.input.width, card.input.height] * 2, np.float32)
        ends = np.searchsorted(frame, np.arange(len(raw) + 1))
        result = []
        for index, view in enumerate(views):
            own = slice(ends[index], ends[index + 1])
            found = suppress(Boxes(xyxy[own], scores[own], classes[own]), overlap)
            cut = view.to_frame(found.xyxy)
            seen = area(cut) > 0
            boxes = Boxes(cut[seen], found.scores[seen], found.classes[seen])
            result.append(Prediction(card.name, self.name, view.camera, card.classes, view.region, boxes))
        return result

    def join(self, found: Sequence[tuple[Region, Answer]], region: Region, card: Card) -> Boxes:
        boxes = [(tile, answer) for tile, answer in found if isinstance(answer, Boxes)]
        return join_boxes(boxes, region, overlap=card.thresholds.get("nms_iou", NMS_IOU))

    def metrics(self, card: Card) -> DetectionMetrics:
        return DetectionMetrics(card.classes, score=self.threshold(card))

    def output_shape(self, card: Card) -> tuple[int | None, ...]:
        """Return the output shape, with any number of boxes."""
        return (None, 4 + len(card.classes))

    def headline(self, numbers: Mapping[str, Interval], images: int) -> Message:
        return message(
            "{value} % of the labelled objects were found (95 % confidence: {low} to {high} %), "
            "and {right} % of the boxes are right.",
            right=percent(numbers["precision"].value),
            **shares(numbers["recall"]),
        )

    def truth(self, target: Target, spec: InputSpec) -> Annotation:
        used = target["classes"] >= 0
        fractions, classes = target["boxes"][used], target["classes"][used]
        size = np.array([spec.width, spec.height] * 2, np.float32)
        xyxy = np.hstack([fractions[:, :2] - fractions[:, 2:] / 2, fractions[:, :2] + fractions[:, 2:] / 2]) * size
        return Annotation(boxes=Boxes(xyxy.astype(np.float32), np.ones(len(xyxy), np.float32), classes.astype(np.int64)))

    def ideal(self, truth: Annotation, card: Card) -> Boxes:
        """Return the labelled boxes."""
        if truth.boxes is None:
            raise ValueError("the frame has no list of boxes")
        return truth.boxes

    def default_rules(self, thresholds: Mapping[str, float]) -> tuple[DefaultRule, ...]:
        """Return one rule: no object may be found."""
        return (DefaultRule("count", 0),)

    def difference(self, one: Prediction, other: Prediction, card: Card) -> float:
        """Return the largest score difference of the boxes that reach the threshold on either side.

        Boxes match if they have the same class and an IoU of at least one half; of several matches the one with the nearest
        score counts, because networks without suppression answer with boxes that overlap. A box without a match counts with
        its whole score.
        """
        limit = self.threshold(card)
        return float(max(_nearest(own, others, limit).max(initial=0.0) for own, others in _both(one, other)))

    def differs(self, one: Prediction, other: Prediction, card: Card) -> bool:
        """Return whether a box of one side has no match on the other side, even at a slightly lower threshold.

        Exactly at the threshold chance would decide.
        """
        limit = self.threshold(card)
        return any(
            bool((own.at_least(limit).scores - _gaps(own, others, limit) < limit - _NEAR).any())
            for own, others in _both(one, other)
        )

    def rate(self, prediction: Prediction, truth: Annotation, card: Card, *, group: str = "") -> Rated | None:
        """Return the frame's rating: NG as soon as the best box of a defect reaches the threshold."""
        boxes = prediction.expect(Boxes)
        if truth.boxes is None:
            return None
        wanted = defect_classes(card)
        scores = boxes.scores[np.isin(boxes.classes, wanted)]
        good = not np.isin(truth.boxes.classes, wanted).any()
        return Rated(good, float(scores.max(initial=NEVER)), math.inf, group)

    def mistake(self, prediction: Prediction, truth: Annotation, card: Card) -> Mistake | None:
        """Return missed objects and false boxes. A box of the wrong class counts as both."""
        everything = prediction.expect(Boxes)
        if truth.boxes is None:
            return None
        mine, real = everything.at_least(self.threshold(card)), in_region(truth.boxes, prediction.region)
        iou = box_iou(mine.xyxy, real.xyxy) * (mine.classes[:, None] == real.classes[None, :])
        missed = ~(iou >= _MATCH).any(axis=0) if len(mine) else np.ones(len(real), bool)
        stray = ~(iou >= _MATCH).any(axis=1) if len(real) else np.ones(len(mine), bool)
        if not missed.any() and not stray.any():
            return None
        score = float(mine.scores[stray].max(initial=0.0))
        severity = float(missed.sum()) + float(mine.scores[stray].sum())
        focus = int(mine.classes[stray][mine.scores[stray].argmax()]) if stray.any() else int(real.classes[missed][0])
        if not stray.any():
            score = float(everything.scores.max(initial=0.0))
        names = [listed(boxes.classes.tolist(), card.classes) for boxes in (real, mine)]
        return Mistake(names[0], names[1], severity, score, focus)


def boxes_per_cell(card: Card) -> int:
    """Return the option `boxes` of a network with a grid; 2 by default."""
    return int(card.network_options.get("boxes", 2))


def _both(one: Prediction, other: Prediction) -> tuple[tuple[Boxes, Boxes], tuple[Boxes, Boxes]]:
    """Return (own, others) for both sides: the boxes of each, paired with those of the other."""
    first, second = one.expect(Boxes), other.expect(Boxes)
    return (first, second), (second, first)


def _gaps(own: Boxes, others: Boxes, limit: float) -> Floats:
    """Return how far each of `own` that reaches the limit exceeds the score of its best match among `others`.

    Without a match the whole score counts.
    """
    seen = own.at_least(limit)
    best = np.where(_matches(seen, others), others.scores[None, :], 0.0).max(axis=1, initial=0.0)
    gaps: Floats = (seen.scores - best).astype(np.float32)
    return gaps


def _nearest(own: Boxes, others: Boxes, limit: float) -> Floats:
    """Return how far the score of each of `own` that reaches the limit is from that of its nearest match among `others`."""
    seen = own.at_least(limit)
    apart = np.abs(seen.scores[:, None] - others.scores[None, :])
    whole = seen.scores[:, None]
    nearest: Floats = np.hstack([np.where(_matches(seen, others), apart, whole), whole]).min(axis=1)
    return nearest


def _matches(own: Boxes, others: Boxes) -> NDArray[np.bool_]:
    """Return which boxes have the same class and overlap, [own, others]."""
    same: NDArray[np.bool_] = own.classes[:, None] == others.classes[None, :]
    return (box_iou(own.xyxy, others.xyxy) >= _MATCH) & same


def candidates(raw: Floats, floor: float) -> tuple[NDArray[np.int64], Floats, Floats, NDArray[np.int64]]:
    """Return every (box, class) pair of a batch whose score reaches `floor`.

    `raw` [N, A, 4 + C] -> index of the frame int64 [n], ascending; box as fractions of the input (left, top, right, bottom) [n,
    4]; score [n]; class int64 [n].
    """
    frame, box, classes = np.nonzero(raw[..., 4:] >= floor)
    scores = raw[frame, box, 4 + classes].astype(np.float32)
    return frame, raw[frame, box, :4].astype(np.float32), scores, classes.astype(np.int64)
