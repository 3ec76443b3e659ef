"""Quality of classification: accuracy, precision, recall, F1."""

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from inspector.core.types import Annotation, Floats, Prediction, Scores
from inspector.runs.report import Confusion, Curve, Interval
from inspector.tasks.base import Metrics
from inspector.tasks.metrics.common import mean_where, precision_recall, ratio
from inspector.tasks.statistics.intervals import (
    bootstrap,
    f1_interval,
    group_numbers,
    mean_interval,
    proportion,
    share_interval,
)


class ClassificationMetrics(Metrics):
    """Accuracy and F1 of the most likely class. `confusion` int64 [C, C]: rows are the truth, columns the prediction."""

    primary: ClassVar[str] = "macro_f1"

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.confusion: NDArray[np.int64] = np.zeros((len(classes), len(classes)), np.int64)
        self._scores: list[Floats] = []
        self._labels: list[int] = []
        self._groups: list[str] = []

    def update(self, prediction: Prediction, truth: Annotation, *, group: str = "") -> None:
        """Add one frame; a frame without a label is ignored."""
        scores = prediction.expect(Scores)
        if truth.label is not None:
            self.confusion[truth.label, scores.best] += 1
            self._scores.append(scores.values)
            self._labels.append(truth.label)
            self._groups.append(group)

    def merge(self, other: Self) -> None:
        self.confusion = self.confusion + other.confusion
        self._scores += other._scores
        self._labels += other._labels
        self._groups += other._groups

    def compute(self) -> dict[str, float]:
        """Return `accuracy`, `balanced_accuracy`, `macro_f1`, and precision, recall and f1 of each class.

        `balanced_accuracy` is the mean recall of the classes that occur in the truth; `macro_f1` is over classes that occur in
        truth or predictions.
        """
        hits, named, real = np.diag(self.confusion), self.confusion.sum(axis=0), self.confusion.sum(axis=1)
        precision, recall, f1 = ratio(hits, named), ratio(hits, real), ratio(2 * hits, named + real)
        overall = _overall(self.confusion.astype(np.float64)[None])
        numbers = {name: float(values[0]) for name, values in overall.items()}
        for index, name in enumerate(self.classes):
            numbers[f"precision/{name}"] = float(precision[index])
            numbers[f"recall/{name}"] = float(recall[index])
            numbers[f"f1/{name}"] = float(f1[index])
        return numbers

    def chance(self) -> float:
        """Return the larger macro F1 of always naming the most frequent class and of guessing; 0 if only one class occurs."""
        real = self.confusion.sum(axis=1)
        occur = int((real > 0).sum())
        if occur < 2:
            return 0.0
        share = float(real.max() / real.sum())
        return max(2 * share / (1 + share) / occur, 1 / occur)

    def intervals(self, *, seed: int = 0) -> dict[str, Interval]:
        numbers = self.compute()
        if not self._labels:
            return {name: Interval(value=value, low=0.0, high=1.0) for name, value in numbers.items()}
        groups, real, said = group_numbers(self._groups), np.array(self._labels), self.answers().argmax(axis=1)
        count = int(groups.max()) + 1

        def counted(which: NDArray[np.bool_]) -> NDArray[np.int64]:
            return np.bincount(groups[which], minlength=count)

        cells = np.zeros((len(real), len(self.classes), len(self.classes)), np.float64)
        cells[np.arange(len(real)), real, said] = 1
        drawn = bootstrap(cells, groups, lambda sums: np.stack(list(_overall(sums).values()), axis=1), seed=seed)
        result = {
            name: share_interval(numbers[name], drawn[:, place], count)
            for place, name in enumerate(("accuracy", "balanced_accuracy", "macro_f1"))
        }
        result["accuracy"] = proportion(counted(said == real), counted(np.ones(len(real), bool)))
        for index, name in enumerate(self.classes):
            mine, theirs = said == index, real == index
            both = counted(mine & theirs)
            result[f"precision/{name}"] = proportion(both, counted(mine))
            result[f"recall/{name}"] = proportion(both, counted(theirs))
            result[f"f1/{name}"] = f1_interval(both, counted(mine ^ theirs))
        return result

    def confusion_table(self) -> Confusion:
        return Confusion(labels=self.classes, counts=tuple(tuple(row) for row in self.confusion.tolist()))

    def curves(self) -> tuple[Curve, ...]:
        """Return a precision-recall curve for each class against all others."""
        if not self._labels:
            return ()
        scores, real = self.answers(), np.array(self._labels)
        return tuple(
            precision_recall(name, scores[:, index], real == index, int((real == index).sum()))
            for index, name in enumerate(self.classes)
        )

    def support(self) -> dict[str, int]:
        """Return the number of frames of each class."""
        return dict(zip(self.classes, self.confusion.sum(axis=1).tolist(), strict=True))

    def answers(self) -> Floats:
        """Return the scores of all frames, float32 [frames, C]."""
        return np.stack(self._scores) if self._scores else np.zeros((0, len(self.classes)), np.float32)

    def mean_interval(self, values: NDArray[np.float64]) -> Interval:
        """Return the mean of per-frame values [frames], with its interval."""
        groups = group_numbers(self._groups)
        sums = np.bincount(groups, weights=values)
        drawn = bootstrap(
            np.column_stack((values, np.ones(len(values)))), groups, lambda total: ratio(total[:, 0], total[:, 1])
        )
        return mean_interval(float(values.mean()), drawn, sums / np.bincount(groups))

    def labels(self) -> NDArray[np.int64]:
        """Return the truth of all frames, int64 [frames]."""
        return np.array(self._labels, np.int64)


def _overall(confusion: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the numbers over all classes from confusion matrices [n, C, C], each as [n]."""
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    named, real = confusion.sum(axis=1), confusion.sum(axis=2)
    return {
        "accuracy": ratio(hits.sum(axis=1), confusion.sum(axis=(1, 2))),
        "balanced_accuracy": mean_where(ratio(hits, real), real > 0),
        "macro_f1": mean_where(ratio(2 * hits, named + real), named + real > 0),
    }
