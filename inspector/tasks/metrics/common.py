"""Helpers shared by the metrics of several tasks."""

import numpy as np
from numpy.typing import NDArray

from inspector.runs.report import Curve

_CURVE_POINTS = 200


def ratio(top: object, bottom: object, nothing: float = 0.0) -> NDArray[np.float64]:
    """Return top / bottom, and `nothing` where bottom is 0."""
    above, below = np.asarray(top, np.float64), np.asarray(bottom, np.float64)
    above, below = np.broadcast_arrays(above, below)
    return np.asarray(np.divide(above, below, out=np.full(np.shape(below), nothing), where=below > 0))


def mean_where(values: NDArray[np.float64], used: NDArray[np.bool_], nothing: float = 0.0) -> NDArray[np.float64]:
    """Return the mean over the last axis of the values marked in `used`, and `nothing` where there are none."""
    return ratio(np.where(used, values, 0.0).sum(axis=-1), used.sum(axis=-1), nothing)


def last_of_equal(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the index of the last of each run of equal scores; the scores are sorted."""
    return np.flatnonzero(np.append(np.diff(scores) != 0, True)) if len(scores) else np.zeros(0, np.int64)


def precision_recall(
    name: str,
    scores: NDArray[np.float32],
    hits: NDArray[np.bool_],
    truths: int,
    *,
    area: float | None = None,
    weights: NDArray[np.float64] | None = None,
) -> Curve:
    """Return the precision-recall curve of answers with `scores` [n], of which `hits` [n] are right, for `truths` objects.

    Equal scores form one point. `weights` [n] and hits may be counts. `area`: the area under the curve; by default the average
    precision sum((recall - recall before) * precision), as in scikit-learn. At most 200 points, at even recalls.
    """
    order = np.argsort(-scores, kind="stable")
    true = np.cumsum(hits[order], dtype=np.float64)
    named = np.arange(1, len(order) + 1, dtype=np.float64) if weights is None else np.cumsum(weights[order])
    last = last_of_equal(scores[order])
    recall, precision = ratio(true[last], max(truths, 1)), ratio(true[last], named[last])
    steps = np.diff(recall, prepend=0.0)
    summed = float((steps * precision).sum()) if area is None else area
    keep = np.arange(len(last))
    if len(last) > _CURVE_POINTS:
        wanted = np.linspace(0, recall[-1], _CURVE_POINTS)
        keep = np.unique(np.clip(np.searchsorted(recall, wanted), 0, len(last) - 1))
    kept = [tuple(float(f"{value:.6g}") for value in part[keep]) for part in (recall, precision, scores[order][last])]
    return Curve(name=name, recall=kept[0], precision=kept[1], scores=kept[2], area=summed)
