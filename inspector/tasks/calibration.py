"""Scores that are probabilities: temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017)."""

import math

import numpy as np
from numpy.typing import NDArray

from inspector.core.message import Message, message
from inspector.core.types import Floats
from inspector.tasks.base import softmax

BINS = 15  # as in the paper
FEWEST = 50  # frames that a temperature is fitted on
FEWEST_WRONG = 5  # wrong answers without which nothing says how far scores may be raised
_COLDEST, _HOTTEST = 0.05, 20.0
_TINY = 1e-12

Bins = tuple[tuple[float, float, int], ...]


def scaled(probabilities: Floats, temperature: float) -> Floats:
    """Probabilities [n, C] as if their logits had been divided by `temperature`; the most likely class stays the same."""
    logits: Floats = (np.log(np.maximum(probabilities, _TINY)) / temperature).astype(np.float32)
    return softmax(logits)


def negative_log_likelihood(probabilities: Floats, labels: NDArray[np.int64], temperature: float) -> float:
    """Mean over the frames, after scaling."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), _TINY)) / temperature
    top = logits.max(axis=1)
    total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return float((total - logits[np.arange(len(labels)), labels]).mean())


def fit_temperature(probabilities: Floats, labels: NDArray[np.int64]) -> tuple[float, Message | None]:
    """The temperature with the best likelihood on validation answers [n, C] and truths [n]; or 1 and why there is none.

    The loss has one minimum over the temperature (it is convex in its inverse), found by golden-section search.
    """
    if len(labels) < FEWEST:
        return 1.0, message(
            "The scores are not calibrated: {count} validation images are too few, it takes {needed}.",
            count=len(labels),
            needed=FEWEST,
        )
    low, high = math.log(_COLDEST), math.log(_HOTTEST)
    golden = (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        first, second = high - golden * (high - low), low + golden * (high - low)
        values = [negative_log_likelihood(probabilities, labels, math.exp(at)) for at in (first, second)]
        low, high = (low, second) if values[0] < values[1] else (first, high)
    found = math.exp((low + high) / 2)
    wrong = int((probabilities.argmax(axis=1) != labels).sum())
    if found < 1 and wrong < FEWEST_WRONG:
        return 1.0, message(
            "The scores are not raised: {wrong} wrong answers in {count} validation images are too few to tell how far.",
            wrong=wrong,
            count=len(labels),
        )
    return float(f"{found:.4g}"), None


def calibration_error(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """Expected calibration error: mean distance of score and share of right answers over bins of equal width, 0..1."""
    total = max(len(labels), 1)
    return sum(abs(score - right) * count for score, right, count in reliability(probabilities, labels)) / total


def reliability(probabilities: Floats, labels: NDArray[np.int64]) -> Bins:
    """(mean score, share right, frames) of every bin of the most likely class's score that is not empty."""
    if not len(labels):
        return ()
    best, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    # Bins are open below and closed above, as in the paper.
    place = np.clip(np.ceil(best.astype(np.float64) * BINS).astype(np.int64) - 1, 0, BINS - 1)
    used = np.unique(place)
    rows = [(float(best[place == at].mean()), float(right[place == at].mean()), int((place == at).sum())) for at in used]
    return tuple((round(score, 6), round(share, 6), count) for score, share, count in rows)
