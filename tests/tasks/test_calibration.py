"""Temperature scaling: found where there is something to find, left alone where it is chance."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.metrics import brier_score_loss, log_loss

from inspector.core.types import Floats
from inspector.tasks.base import softmax
from inspector.tasks.calibration import (
    brier_score,
    calibration_error,
    chance_error,
    fit_temperature,
    negative_log_likelihood,
    scaled,
    surprise,
)


def answers(count: int, temperature: float, *, seed: int, classes: int = 2) -> tuple[Floats, NDArray[np.int64]]:
    """Scores of a network that is too sure (`temperature` above 1 mends it), and truths drawn from the true probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (count, classes)).astype(np.float32)
    true = softmax(logits)
    labels = np.minimum((rng.random((count, 1)) > np.cumsum(true, axis=1)).sum(axis=1), classes - 1).astype(np.int64)
    return softmax(logits * np.float32(temperature)), labels


@pytest.mark.parametrize("temperature", [0.5, 2.0, 4.0])
def test_the_temperature_is_the_likeliest(temperature: float) -> None:
    scores, labels = answers(600, temperature, seed=1, classes=3)
    found, refused = fit_temperature(scores, labels)
    assert refused is None

    def loss(log: float) -> float:
        exact = scaled(scores, float(np.exp(log))).astype(np.float64)
        return float(log_loss(labels, exact / exact.sum(axis=1, keepdims=True), labels=[0, 1, 2]))

    wanted = minimize_scalar(loss, bounds=(-3, 3), method="bounded")
    assert found == pytest.approx(float(np.exp(wanted.x)), rel=5e-3)
    assert found == pytest.approx(temperature, rel=0.25)


def test_true_probabilities_are_hardly_ever_changed() -> None:
    """A test at 5 %: of 100 faultless networks on 400 images about 5 may be scaled."""
    changed = sum(fit_temperature(*answers(400, 1.0, seed=seed))[0] != 1.0 for seed in range(100))
    assert changed < 12
    scores, labels = answers(400, 1.0, seed=0)
    found, reason = fit_temperature(scores, labels)
    assert found == 1.0
    assert reason is not None
    assert "no more than chance" in reason.text


def test_what_is_kept_helps_on_other_images() -> None:
    better, raised = 0, 0
    for seed in range(60):
        scores, labels = answers(300, 2.0, seed=seed)
        temperature, _ = fit_temperature(scores, labels)
        others, truths = answers(300, 2.0, seed=1000 + seed)
        after = scaled(others, temperature)
        better += negative_log_likelihood(after, truths, 1.0) <= negative_log_likelihood(others, truths, 1.0) + 1e-6
        raised += calibration_error(after, truths) > calibration_error(others, truths)
    assert better >= 58
    assert raised <= 6


def test_the_error_of_true_probabilities_is_not_nothing() -> None:
    """On few images it is chance, and rises although nothing is wrong."""
    limits = []
    for count in (100, 400, 1600):
        errors = [calibration_error(*answers(count, 1.0, seed=seed)) for seed in range(200)]
        limit = chance_error(answers(count, 1.0, seed=0)[0])
        assert 0.88 <= np.mean(np.array(errors) <= limit) <= 0.995
        limits.append(limit)
    assert limits[0] > 0.1
    assert limits[0] > 1.5 * limits[1] > 2.25 * limits[2]


def test_scores_are_those_of_scikit_learn() -> None:
    scores, labels = answers(200, 2.0, seed=3)
    exact = scores.astype(np.float64) / scores.sum(axis=1, dtype=np.float64, keepdims=True)
    assert surprise(scores, labels).mean() == pytest.approx(log_loss(labels, exact), rel=1e-5)
    assert brier_score(scores, labels) == pytest.approx(2 * brier_score_loss(labels, scores[:, 1]), rel=1e-5)
    assert brier_score(scores[:0], labels[:0]) == 0
