"""Quality of detection: COCO average precision, and counts at the decision threshold."""

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from inspector.core.types import Annotation, Boxes, Floats, Prediction
from inspector.runs.report import Confusion, Curve, Interval
from inspector.tasks.base import Metrics
from inspector.tasks.boxes import box_iou, in_region
from inspector.tasks.metrics.common import last_of_equal, mean_where, precision_recall, ratio
from inspector.tasks.statistics.intervals import draw_weights, f1_interval, group_numbers, proportion, share_interval

IOU_STEPS: NDArray[np.float64] = np.linspace(0.5, 0.95, 10)
NOTHING = "(none)"
_RECALL_STEPS = np.linspace(0.0, 1.0, 101)
_MAX_DETECTIONS = 100
_DRAWS = 400

Flags = NDArray[np.bool_]


class DetectionMetrics(Metrics):
    """COCO average precision: 101 recall points, at most 100 boxes per frame and class, all sizes.

    `map50_95` is the mean over IoU 0.50, 0.55 ... 0.95 and over the classes that occur in the truth. `precision`, `recall` and
    `f1` are at IoU 0.5 and the decision threshold `score`.
    """

    primary: ClassVar[str] = "map50"

    def __init__(self, classes: Sequence[str], *, score: float) -> None:
        self.classes = tuple(classes)
        self.score = score
        self._truths: list[NDArray[np.int64]] = []  # per frame: number of labelled boxes of each class
        self._found: list[list[tuple[Floats, Flags]]] = []  # per frame and class: scores [n], hits [10, n]
        self._groups: list[str] = []
        self._confusion = np.zeros((len(classes) + 1, len(classes) + 1), np.int64)

    def update(self, prediction: Prediction, truth: Annotation, *, group: str = "") -> None:
        """Add one frame; a frame without a list of boxes is ignored, an empty list means no objects.

        Labelled boxes are cut at the inspected region.
        """
        boxes = prediction.expect(Boxes)
        if truth.boxes is None:
            return
        real = in_region(truth.boxes, prediction.region)
        found = []
        for index in range(len(self.classes)):
            mine = _of_class(boxes, index)
            found.append((mine.scores, match(mine.xyxy, real.xyxy[real.classes == index])))
        self._found.append(found)
        self._truths.append(np.bincount(real.classes, minlength=len(self.classes)).astype(np.int64))
        self._groups.append(group)
        self._confusion += _confused(boxes.at_least(self.score), real, len(self.classes))

    def merge(self, other: Self) -> None:
        self._found += other._found
        self._truths += other._truths
        self._groups += other._groups
        self._confusion = self._confusion + other._confusion

    def compute(self) -> dict[str, float]:
        """Return `map50`, `map50_95`, `precision`, `recall`, `f1`, and ap50, ap50_95, precision, recall, f1 of each class."""
        truths = self._totals()
        ranked = [self._ranked(index) for index in range(len(self.classes))]
        table = np.stack(
            [average_precision(scores, hits, int(count)) for (scores, hits, _), count in zip(ranked, truths, strict=True)]
        )
        mean = mean_where(table.T, truths > 0)
        numbers = {"map50": float(mean[0]), "map50_95": float(mean.mean())}
        named = np.array([(scores >= self.score).sum() for scores, _, _ in ranked])
        true = np.array([hits[0, scores >= self.score].sum() for scores, hits, _ in ranked])
        numbers["precision"] = float(ratio(true.sum(), named.sum()))
        numbers["recall"] = float(ratio(true.sum(), truths.sum()))
        numbers["f1"] = float(ratio(2 * true.sum(), named.sum() + truths.sum()))
        for index, (name, row) in enumerate(zip(self.classes, table, strict=True)):
            numbers[f"ap50/{name}"] = float(row[0])
            numbers[f"ap50_95/{name}"] = float(row.mean())
            numbers[f"precision/{name}"] = float(ratio(true[index], named[index]))
            numbers[f"recall/{name}"] = float(ratio(true[index], truths[index]))
            numbers[f"f1/{name}"] = float(ratio(2 * true[index], named[index] + truths[index]))
        return numbers

    def intervals(self, *, seed: int = 0) -> dict[str, Interval]:
        numbers = self.compute()
        if not self._truths:
            return {name: Interval(value=value, low=0.0, high=1.0) for name, value in numbers.items()}
        groups = group_numbers(self._groups)
        count = int(groups.max()) + 1
        result = self._average_precisions(numbers, draw_weights(count, seed=seed, draws=_DRAWS)[:, groups], count)
        true, named, real = (self._by_group(groups, count, part) for part in ("true", "named", "real"))
        for index, name in enumerate(("", *self.classes)):
            # The first column is the total over all classes.
            suffix = f"/{name}" if index else ""
            t, n, r = true[:, index], named[:, index], real[:, index]
            result[f"precision{suffix}"] = proportion(t, n)
            result[f"recall{suffix}"] = proportion(t, r)
            result[f"f1{suffix}"] = f1_interval(t, n + r - 2 * t)
        return {name: result[name] for name in numbers}

    def confusion_table(self) -> Confusion:
        """Return the confusion table at the decision threshold and IoU 0.5, matched regardless of class.

        The last row holds false boxes, the last column missed objects.
        """
        counts = tuple(tuple(row) for row in self._confusion.tolist())
        return Confusion(labels=(*self.classes, NOTHING), counts=counts, unit="objects")

    def curves(self) -> tuple[Curve, ...]:
        """Return the curves at IoU 0.5; the area is COCO's average precision."""
        truths, result = self._totals(), []
        for index, name in enumerate(self.classes):
            scores, hits, _ = self._ranked(index)
            area = float(average_precision(scores, hits, int(truths[index]))[0])
            result.append(precision_recall(name, scores, hits[0], int(truths[index]), area=area))
        return tuple(result)

    def support(self) -> dict[str, int]:
        """Return the number of labelled boxes of each class."""
        return dict(zip(self.classes, self._totals().tolist(), strict=True))

    def best_score(self) -> float:
        """Return the decision threshold with the best F1 at IoU 0.5; the present one if no frame was added."""
        parts = [self._ranked(index) for index in range(len(self.classes))]
        scores, hits = np.concatenate([part[0] for part in parts]), np.concatenate([part[1][0] for part in parts])
        truths = int(self._totals().sum())
        if not len(scores) or not truths:
            return self.score
        order = np.argsort(-scores, kind="stable")
        f1 = 2 * np.cumsum(hits[order]) / (np.arange(1, len(order) + 1) + truths)
        last = last_of_equal(scores[order])
        best = int(np.argmax(f1[last]))
        above = scores[order][last[best]]
        below = scores[order][last[best + 1]] if best + 1 < len(last) else above
        return float((above + below) / 2)

    def _totals(self) -> NDArray[np.int64]:
        return np.sum(self._truths, axis=0, dtype=np.int64) if self._truths else np.zeros(len(self.classes), np.int64)

    def _ranked(self, index: int) -> tuple[Floats, Flags, NDArray[np.int64]]:
        """Return scores [n], hits [10, n] and frames [n] of all boxes of a class."""
        found = [frame[index] for frame in self._found]
        if not found:
            return np.zeros(0, np.float32), np.zeros((len(IOU_STEPS), 0), bool), np.zeros(0, np.int64)
        frames = np.repeat(np.arange(len(found)), [len(scores) for scores, _ in found])
        return np.concatenate([scores for scores, _ in found]), np.concatenate([hits for _, hits in found], axis=1), frames

    def _average_precisions(self, numbers: dict[str, float], weights: NDArray[np.float64], groups: int) -> dict[str, Interval]:
        """Return the intervals of all numbers derived from average precision. `weights` [draws, frames]."""
        truths = np.stack(self._truths)
        drawn = np.zeros((len(self.classes), len(weights), len(IOU_STEPS)))
        for index in range(len(self.classes)):
            scores, hits, frames = self._ranked(index)
            drawn[index] = weighted_precision(scores, hits, weights[:, frames], weights @ truths[:, index])
        there = (weights @ truths > 0).T  # [class, draw]
        result = {
            "map50": share_interval(numbers["map50"], mean_where(drawn[:, :, 0].T, there.T), groups),
            "map50_95": share_interval(numbers["map50_95"], mean_where(drawn.mean(axis=2).T, there.T), groups),
        }
        for index, name in enumerate(self.classes):
            for kind, values in (("ap50", drawn[index, :, 0]), ("ap50_95", drawn[index].mean(axis=1))):
                known = values[there[index]]
                result[f"{kind}/{name}"] = (
                    share_interval(numbers[f"{kind}/{name}"], known, groups)
                    if truths[:, index].any()
                    else Interval(value=0.0, low=0.0, high=1.0)
                )
        return result

    def _by_group(self, groups: NDArray[np.int64], count: int, what: str) -> NDArray[np.int64]:
        """Return the boxes at the decision threshold by group, [groups, 1 + C]; column 0 is the total over all classes."""
        table = np.zeros((count, len(self.classes) + 1), np.int64)
        for group, found, truths in zip(groups, self._found, self._truths, strict=True):
            if what == "real":
                row = truths
            else:
                row = np.array(
                    [(hits[0] if what == "true" else np.ones(len(s), bool))[s >= self.score].sum() for s, hits in found]
                )
            table[group, 1:] += row
        table[:, 0] = table[:, 1:].sum(axis=1)
        return table


def match(mine: Floats, real: Floats) -> Flags:
    """Match predicted boxes (best first) to labelled boxes at each of IOU_STEPS and return the hits, bool [10, n].

    As in COCO, each predicted box in turn takes the free labelled box with the largest overlap.
    """
    hits: Flags = np.zeros((len(IOU_STEPS), len(mine)), bool)
    if not len(real):
        return hits
    iou = box_iou(mine, real)
    free: Flags = np.ones((len(IOU_STEPS), len(real)), bool)
    steps = np.arange(len(IOU_STEPS))
    for index, row in enumerate(iou):
        offered = np.where(free, row[None, :], -1.0)
        # On equal overlap COCO takes the later labelled box, so the last maximum counts.
        best = len(real) - 1 - np.argmax(offered[:, ::-1], axis=1)
        hits[:, index] = offered[steps, best] >= np.minimum(IOU_STEPS, 1 - 1e-10)
        free[steps[hits[:, index]], best[hits[:, index]]] = False
    return hits


def average_precision(scores: Floats, hits: Flags, truths: int) -> NDArray[np.float64]:
    """Return COCO's average precision of one class at each of IOU_STEPS.

    `scores` [n] and `hits` [10, n] are of the boxes of all frames.
    """
    result: NDArray[np.float64] = weighted_precision(scores, hits, np.ones((1, len(scores))), np.array([float(truths)]))[0]
    return result


def weighted_precision(
    scores: Floats, hits: Flags, weights: NDArray[np.float64], truths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the average precision [draws, 10] of bootstrap draws with `truths` [draws] objects.

    Box n counts `weights` [draws, n] times. The result equals an evaluation of the drawn frames: the interpolated curve does
    not change between copies of one box.
    """
    result = np.zeros((len(weights), len(hits)))
    if not len(scores) or not truths.any():
        return result
    order = np.argsort(-scores, kind="mergesort")
    ranked = weights[:, order]
    named = np.maximum(np.cumsum(ranked, axis=1), 1e-300)
    for step in range(len(hits)):
        true = np.cumsum(ranked * hits[step, order], axis=1)
        envelope = np.maximum.accumulate((true / named)[:, ::-1], axis=1)[:, ::-1]
        for draw in np.flatnonzero(truths > 0):
            at = np.searchsorted(true[draw] / truths[draw], _RECALL_STEPS, side="left")
            result[draw, step] = envelope[draw][at[at < len(order)]].sum() / len(_RECALL_STEPS)
    return result


def _confused(mine: Boxes, real: Boxes, classes: int) -> NDArray[np.int64]:
    """Return the confusion table of one frame, [C + 1, C + 1].

    Each box, best first, takes the free labelled box with the largest IoU of at least one half.
    """
    table = np.zeros((classes + 1, classes + 1), np.int64)
    order = np.argsort(-mine.scores, kind="stable")[:_MAX_DETECTIONS]
    taken = np.zeros(len(real), bool)
    iou = box_iou(mine.xyxy[order], real.xyxy)
    for row, said in zip(iou, mine.classes[order], strict=True):
        offered = np.where(taken, -1.0, row)
        best = int(offered.argmax()) if len(offered) else -1
        if best >= 0 and offered[best] >= IOU_STEPS[0]:
            taken[best] = True
            table[real.classes[best], said] += 1
        else:
            table[classes, said] += 1
    np.add.at(table[:, classes], real.classes[~taken], 1)
    return table


def _of_class(boxes: Boxes, index: int) -> Boxes:
    """Return the best boxes of one class, best first."""
    own = np.flatnonzero(boxes.classes == index)
    own = own[np.argsort(-boxes.scores[own], kind="mergesort")][:_MAX_DETECTIONS]
    return Boxes(boxes.xyxy[own], boxes.scores[own], boxes.classes[own])
