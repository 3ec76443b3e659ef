"""Calibration of scores by temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017)."""

import math

import numpy as np
from numpy.typing import NDArray

from inspector.core.message import Message, message
from inspector.core.types import Floats
from inspector.tasks.base import softmax

BINS = 15  # as in the paper
FEWEST = 50  # smallest number of frames for fitting a temperature
FEWEST_WRONG = 5  # smallest number of wrong answers; with fewer, nothing limits how far scores may be raised
_COLDEST, _HOTTEST = 0.05, 20.0
_TINY = 1e-12
_PARTS = 5  # parts of the validation answers for cross-validation of the temperature
_SURE = 1.6448536269514722  # 95 % quantile of the normal distribution, one-sided
_DRAWS = 500

Bins = tuple[tuple[float, float, int], ...]


def scaled(probabilities: Floats, temperature: float) -> Floats:
    """Return the probabilities [n, C] after dividing their logits by `temperature`. The most likely class stays the same."""
    logits: Floats = (np.log(np.maximum(probabilities, _TINY)) / temperature).astype(np.float32)
    return softmax(logits)


def negative_log_likelihood(probabilities: Floats, labels: NDArray[np.int64], temperature: float) -> float:
    """Return the mean negative log-likelihood over the frames, after scaling."""
    return float(surprise(probabilities, labels, temperature).mean())


def surprise(probabilities: Floats, labels: NDArray[np.int64], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return each frame's negative log-likelihood [n] of the truth, after scaling."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), _TINY)) / temperature
    top = logits.max(axis=1)
    total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    found: NDArray[np.float64] = total - logits[np.arange(len(labels)), labels]
    return found


def fit_temperature(probabilities: Floats, labels: NDArray[np.int64]) -> tuple[float, Message | None]:
    """Return the temperature with the best likelihood on validation answers [n, C] and truths [n]; or 1 and the reason.

    The temperature is used only if cross-validation confirms it: temperatures fitted on four fifths of the frames must raise
    the likelihood of the remaining fifth significantly (one-sided test at 5 % of the mean gain per frame). The expected
    calibration error is not used for this: on few frames it is mostly noise (`chance_error`) and biased upwards.
    """
    if len(labels) < FEWEST:
        return 1.0, message(
            "The scores are not calibrated: {count} validation {count:|image is|images are} too few, it takes {needed}.",
            count=len(labels),
            needed=FEWEST,
        )
    found = _likeliest(probabilities, labels)
    wrong = int((probabilities.argmax(axis=1) != labels).sum())
    if found < 1 and wrong < FEWEST_WRONG:
        return 1.0, message(
            "The scores are not raised: {wrong} wrong answers in {count} validation {count:|image|images} are too few to "
            "tell how far.",
            wrong=wrong,
            count=len(labels),
        )
    gains = _cross_validated_gains(probabilities, labels)
    if gains.mean() <= _SURE * gains.std(ddof=1) / math.sqrt(len(gains)):
        return 1.0, message("The scores stay as they are: calibrating them would gain no more than chance does.")
    return float(f"{found:.4g}"), None


def _likeliest(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """Return the temperature with the smallest loss by golden-section search. The loss is convex in the inverse temperature."""
    low, high = math.log(_COLDEST), math.log(_HOTTEST)
    golden = (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        first, second = high - golden * (high - low), low + golden * (high - low)
        values = [negative_log_likelihood(probabilities, labels, math.exp(at)) for at in (first, second)]
        low, high = (low, second) if values[0] < values[1] else (first, high)
    return math.exp((low + high) / 2)


def _cross_validated_gains(probabilities: Floats, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each frame's gain in log-likelihood [n] from a temperature that was fitted without that frame."""
    part = np.random.default_rng(0).permutation(len(labels)) % _PARTS
    gains = np.zeros(len(labels))
    for number in range(_PARTS):
        mine = part == number
        temperature = _likeliest(probabilities[~mine], labels[~mine])
        gains[mine] = surprise(probabilities[mine], labels[mine]) - surprise(probabilities[mine], labels[mine], temperature)
    return gains


def brier_score(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """Return the mean squared distance between scores and one-hot truth, summed over the classes, 0..2 (Brier, 1950)."""
    if not len(labels):
        return 0.0
    right = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities.astype(np.float64) - right) ** 2).sum(axis=1).mean())


def chance_error(probabilities: Floats, *, seed: int = 0) -> float:
    """Return the 95th percentile of the expected calibration error of perfectly calibrated scores in a set of this size.

    Consistency resampling (Broecker and Smith, Weather and Forecasting 22, 2007): each answer is right with the probability of
    its score.
    """
    if not len(probabilities):
        return 0.0
    best = probabilities.max(axis=1).astype(np.float64)
    place = _bins(best)
    right = np.random.default_rng(seed).random((_DRAWS, len(best))) < best
    apart = np.stack([np.abs(((right - best) * (place == at)).sum(axis=1)) for at in np.unique(place)])
    return float(np.percentile(apart.sum(axis=0) / len(best), 95))


def calibration_error(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """Return the expected calibration error, 0..1: mean distance of score and accuracy over bins of equal width."""
    total = max(len(labels), 1)
    return sum(abs(score - right) * count for score, right, count in reliability(probabilities, labels)) / total


def reliability(probabilities: Floats, labels: NDArray[np.int64]) -> Bins:
    """Return (mean score, share right, frames) of every non-empty bin of the most likely class's score."""
    if not len(labels):
        return ()
    best, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = _bins(best.astype(np.float64))
    used = np.unique(place)
    rows = [(float(best[place == at].mean()), float(right[place == at].mean()), int((place == at).sum())) for at in used]
    return tuple((round(score, 6), round(share, 6), count) for score, share, count in rows)


def _bins(best: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bin of each score. Bins are open below and closed above, as in the paper."""
    return np.clip(np.ceil(best * BINS).astype(np.int64) - 1, 0, BINS - 1)
