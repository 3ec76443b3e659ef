"""Quality in numbers: accuracy and F1, average precision, Dice and IoU, temperature error. numpy only.

`compute()` gives one flat table; a number for one class is called "dice/scratch". Every number is 0 when no frame was seen.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from inspector.core.types import Annotation, Boxes, Floats, Prediction
from inspector.tasks.base import Metrics
from inspector.tasks.boxes import box_iou, in_region
from inspector.tasks.masks import MASK, class_map

IOU_STEPS: NDArray[np.float64] = np.linspace(0.5, 0.95, 10)
_RECALL_STEPS = np.linspace(0.0, 1.0, 101)
_MAX_DETECTIONS = 100


class ClassificationMetrics(Metrics):
    """Accuracy and F1 of the most likely class. `confusion` int64 [C, C]: rows are the truth, columns the prediction."""

    primary: ClassVar[str] = "macro_f1"

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.confusion: NDArray[np.int64] = np.zeros((len(classes), len(classes)), np.int64)

    def update(self, prediction: Prediction, truth: Annotation) -> None:
        """A frame without a label is left out."""
        if prediction.scores is not None and truth.label is not None:
            self.confusion[truth.label, int(np.argmax(prediction.scores))] += 1

    def compute(self) -> dict[str, float]:
        """`accuracy`, `macro_f1` (over classes that occur in truth or predictions), and a class: precision, recall, f1."""
        hits, named, real = np.diag(self.confusion), self.confusion.sum(axis=0), self.confusion.sum(axis=1)
        f1 = _ratio(2 * hits, named + real)
        occurs = named + real > 0
        numbers = {
            "accuracy": float(_ratio(hits.sum(), self.confusion.sum())),
            "macro_f1": float(f1[occurs].mean()) if occurs.any() else 0.0,
        }
        for index, name in enumerate(self.classes):
            numbers[f"precision/{name}"] = float(_ratio(hits, named)[index])
            numbers[f"recall/{name}"] = float(_ratio(hits, real)[index])
            numbers[f"f1/{name}"] = float(f1[index])
        return numbers


class DetectionMetrics(Metrics):
    """Average precision as COCO defines it: 101 recall points, at most 100 boxes a frame and class, all sizes.

    `map50_95` is the mean over IoU 0.50, 0.55 ... 0.95 and over the classes that occur in the truth. `precision`, `recall`
    and `f1` are at IoU 0.5 and the decision threshold `score`.
    """

    primary: ClassVar[str] = "map50"

    def __init__(self, classes: Sequence[str], *, score: float) -> None:
        self.classes = tuple(classes)
        self.score = score
        self._truths = np.zeros(len(classes), np.int64)
        self._scores: list[list[Floats]] = [[] for _ in classes]
        self._hits: list[list[NDArray[np.bool_]]] = [[] for _ in classes]

    def update(self, prediction: Prediction, truth: Annotation) -> None:
        """A frame without a list of boxes is left out; an empty list means that nothing is there.

        Labelled boxes are cut at the region that was looked at.
        """
        if prediction.boxes is None or truth.boxes is None:
            return
        real = in_region(truth.boxes, prediction.region)
        for index in range(len(self.classes)):
            mine, theirs = _of_class(prediction.boxes, index), real.xyxy[real.classes == index]
            self._truths[index] += len(theirs)
            if len(mine):
                self._scores[index].append(mine.scores)
                self._hits[index].append(match(mine.xyxy, theirs))

    def compute(self) -> dict[str, float]:
        """`map50`, `map50_95`, `precision`, `recall`, `f1`, and a class: ap50, ap50_95."""
        table = np.stack([self._ap(index) for index in range(len(self.classes))])
        occurs = self._truths > 0
        mean = table[occurs].mean(axis=0) if occurs.any() else np.zeros(len(IOU_STEPS))
        scores, hits = self._all()
        chosen = scores >= self.score
        true = int(hits[chosen].sum())
        numbers = {"map50": float(mean[0]), "map50_95": float(mean.mean())}
        numbers["precision"] = float(_ratio(true, chosen.sum()))
        numbers["recall"] = float(_ratio(true, self._truths.sum()))
        numbers["f1"] = float(_ratio(2 * true, chosen.sum() + self._truths.sum()))
        for name, row in zip(self.classes, table, strict=True):
            numbers[f"ap50/{name}"] = float(row[0])
            numbers[f"ap50_95/{name}"] = float(row.mean())
        return numbers

    def best_score(self) -> float:
        """The decision threshold with the best F1 at IoU 0.5 on what was seen; the present one if nothing was."""
        scores, hits = self._all()
        if not len(scores) or not self._truths.sum():
            return self.score
        order = np.argsort(-scores, kind="stable")
        f1 = 2 * np.cumsum(hits[order]) / (np.arange(1, len(order) + 1) + self._truths.sum())
        best = int(np.argmax(f1))
        above = scores[order][best]
        below = scores[order][best + 1] if best + 1 < len(order) else above
        return float((above + below) / 2)

    def _all(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Scores of all boxes of all classes, and whether each hits at IoU 0.5."""
        scores = [part for parts in self._scores for part in parts]
        hits = [part[0] for parts in self._hits for part in parts]
        if not scores:
            return np.zeros(0, np.float32), np.zeros(0, bool)
        return np.concatenate(scores), np.concatenate(hits)

    def _ap(self, index: int) -> NDArray[np.float64]:
        if not self._scores[index]:
            return np.zeros(len(IOU_STEPS))
        scores, hits = np.concatenate(self._scores[index]), np.concatenate(self._hits[index], axis=1)
        return average_precision(scores, hits, int(self._truths[index]))


class SegmentationMetrics(Metrics):
    """Dice and IoU over the pixels of all frames together, at the frame's resolution."""

    primary: ClassVar[str] = "dice"

    def __init__(self, classes: Sequence[str], *, threshold: float = MASK) -> None:
        self.classes = tuple(classes)
        self.threshold = threshold
        self._both, self._mine, self._real = (np.zeros(len(classes), np.int64) for _ in range(3))
        self._frames = 0

    def update(self, prediction: Prediction, truth: Annotation) -> None:
        """A frame without a mask is left out."""
        if prediction.mask is None or truth.mask is None:
            return
        region, count = prediction.region, len(self.classes) + 1
        real = truth.mask[region.y : region.bottom, region.x : region.right]
        pairs = class_map(prediction, self.threshold).astype(np.int64) * count + np.minimum(real, count - 1)
        table = np.bincount(pairs.ravel(), minlength=count * count).reshape(count, count)
        self._both += np.diag(table)[1:]
        self._mine += table.sum(axis=1)[1:]
        self._real += table.sum(axis=0)[1:]
        self._frames += 1

    def compute(self) -> dict[str, float]:
        """`dice`, `iou` (pixels of all classes pooled), `macro_dice`, `mean_iou` (means over the classes that occur in truth or
        predictions), and a class: dice, iou.

        With nothing to find and nothing found they are 1.
        """
        nothing = 1.0 if self._frames else 0.0
        sums, unions = self._mine + self._real, self._mine + self._real - self._both
        dice, iou = _ratio(2 * self._both, sums, nothing), _ratio(self._both, unions, nothing)
        occurs = sums > 0
        numbers = {
            "dice": float(_ratio(2 * self._both.sum(), sums.sum(), nothing)),
            "iou": float(_ratio(self._both.sum(), unions.sum(), nothing)),
            "macro_dice": float(dice[occurs].mean()) if occurs.any() else nothing,
            "mean_iou": float(iou[occurs].mean()) if occurs.any() else nothing,
        }
        for index, name in enumerate(self.classes):
            numbers[f"dice/{name}"] = float(dice[index])
            numbers[f"iou/{name}"] = float(iou[index])
        return numbers


class TemperatureMetrics(Metrics):
    """Mean absolute error, in kelvin, of what the network predicts, also where the frame was measured."""

    primary: ClassVar[str] = "minus_mae_kelvin"
    names: ClassVar[tuple[str, str, str]] = ("maximum", "mean", "minimum")

    def __init__(self) -> None:
        self._sum = np.zeros(3)
        self._frames = 0

    def update(self, prediction: Prediction, truth: Annotation) -> None:
        """A frame without temperatures is left out."""
        temperatures = prediction.temperatures
        if temperatures is None or truth.temperatures is None:
            return
        said = temperatures.predicted or (temperatures.maximum, temperatures.mean, temperatures.minimum)
        self._sum += np.abs(np.subtract(said, truth.temperatures))
        self._frames += 1

    def compute(self) -> dict[str, float]:
        """`mae_kelvin` over the three temperatures, each of them, and `minus_mae_kelvin` (larger is better)."""
        each = self._sum / max(1, self._frames)
        numbers = {"mae_kelvin": float(each.mean()), "minus_mae_kelvin": -float(each.mean())}
        return numbers | {f"mae_kelvin/{name}": float(value) for name, value in zip(self.names, each, strict=True)}


def match(mine: Floats, real: Floats) -> NDArray[np.bool_]:
    """Which predicted boxes (best first) find a labelled one, at each of IOU_STEPS: bool [10, n].

    As in COCO: each box in turn takes the labelled box with which it overlaps most among those still free.
    """
    hits: NDArray[np.bool_] = np.zeros((len(IOU_STEPS), len(mine)), bool)
    if not len(real):
        return hits
    iou = box_iou(mine, real)
    free: NDArray[np.bool_] = np.ones((len(IOU_STEPS), len(real)), bool)
    steps = np.arange(len(IOU_STEPS))
    for index, row in enumerate(iou):
        offered = np.where(free, row[None, :], -1.0)
        # COCO goes on to a later labelled box when the overlap is equal, so the last maximum counts.
        best = len(real) - 1 - np.argmax(offered[:, ::-1], axis=1)
        hits[:, index] = offered[steps, best] >= np.minimum(IOU_STEPS, 1 - 1e-10)
        free[steps[hits[:, index]], best[hits[:, index]]] = False
    return hits


def average_precision(scores: Floats, hits: NDArray[np.bool_], truths: int) -> NDArray[np.float64]:
    """COCO's average precision of one class at each of IOU_STEPS, from all frames' boxes: `scores` [n], `hits` [10, n]."""
    if not truths or not len(scores):
        return np.zeros(len(hits))
    order = np.argsort(-scores, kind="mergesort")
    true = np.cumsum(hits[:, order], axis=1, dtype=np.float64)
    recall = true / truths
    precision = true / np.arange(1, len(order) + 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    result = np.zeros(len(hits))
    for step in range(len(hits)):
        at = np.searchsorted(recall[step], _RECALL_STEPS, side="left")
        result[step] = envelope[step][at[at < len(order)]].sum() / len(_RECALL_STEPS)
    return result


def _of_class(boxes: Boxes, index: int) -> Boxes:
    """The best boxes of one class, best first."""
    own = np.flatnonzero(boxes.classes == index)
    own = own[np.argsort(-boxes.scores[own], kind="mergesort")][:_MAX_DETECTIONS]
    return Boxes(boxes.xyxy[own], boxes.scores[own], boxes.classes[own])


def _ratio(top: object, bottom: object, nothing: float = 0.0) -> NDArray[np.float64]:
    """top / bottom, `nothing` where bottom is 0."""
    above, below = np.asarray(top, np.float64), np.asarray(bottom, np.float64)
    return np.asarray(np.divide(above, below, out=np.full(np.shape(below), nothing), where=below > 0))
