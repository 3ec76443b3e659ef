"""Intervals against scipy, and how often they hold the truth on few images."""

import numpy as np
import pytest
from scipy import stats

from inspector.core.types import Annotation, Prediction, Region, Scores
from inspector.tasks.metrics import ClassificationMetrics, TemperatureMetrics
from inspector.tasks.statistics.intervals import (
    _STUDENT,
    allowed_hits,
    binomial_cdf,
    draw_weights,
    mean_interval,
    needed,
    proportion,
    share_interval,
    wilson,
)


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (2, 3), (5, 5), (17, 40), (199, 200)])
def test_wilson_is_scipys(hits: int, count: int) -> None:
    wanted = stats.binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits, count) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    ones, single = np.arange(count) < hits, np.ones(count, np.int64)
    found = proportion(ones.astype(np.int64), single)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_clopper_and_pearson_are_scipys() -> None:
    for count in (20, 59, 60, 300):
        hits = allowed_hits(count, 0.05)
        for tried in range(count):
            upper = stats.binomtest(tried, count, alternative="less").proportion_ci(0.95, method="exact").high
            assert (tried <= hits) == (upper <= 0.05)
    assert needed(0.05) == 59
    assert allowed_hits(58, 0.05) == -1
    assert binomial_cdf(3, 50, 0.1) == pytest.approx(stats.binom.cdf(3, 50, 0.1))


def test_students_table_is_scipys() -> None:
    assert pytest.approx([stats.t.ppf(0.975, degrees) for degrees in range(1, 9)], rel=1e-5) == _STUDENT


def test_few_images_leave_a_wide_interval() -> None:
    """Two of three right is 0.21 to 0.94, not 0.667 to 0.667, whatever the bootstrap says."""
    found = share_interval(2 / 3, np.full(1000, 2 / 3), 3)
    assert (found.low, found.high) == pytest.approx(wilson(2, 3))
    metrics = ClassificationMetrics(("good", "bad"))
    for label, said in ((0, 0), (0, 0), (1, 0)):
        scores = np.eye(2, dtype=np.float32)[said]
        metrics.update(
            Prediction("", "classification", "", ("good", "bad"), Region(0, 0, 1, 1), Scores(scores)), Annotation(label=label)
        )
    for name, number in metrics.intervals().items():
        if metrics.support().get(name.partition("/")[2], 1):
            assert number.high - number.low > 0.3, name
    many = share_interval(0.5, np.random.default_rng(0).normal(0.5, 0.02, 1000), 600)
    assert many.high - many.low == pytest.approx(0.08, abs=0.01)  # enough images: the bootstrap's own
    narrow = share_interval(0.5, np.full(1000, 0.5), 100)
    assert narrow.high - narrow.low > 0.15


def test_a_mean_of_few_images_is_students() -> None:
    values = np.array([1.0, 2.0, 4.0])
    drawn = draw_weights(3) @ values / 3
    found = mean_interval(float(values.mean()), drawn, values)
    wanted = stats.t.interval(0.95, 2, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx(wanted, rel=1e-4)
    one = mean_interval(2.0, np.full(100, 2.0), np.array([2.0]))
    assert one.low < 0 < 25 < one.high
    metrics = TemperatureMetrics()
    assert metrics.intervals()["mae_kelvin"].value == 0


@pytest.mark.parametrize("count", [4, 6, 9])
def test_intervals_of_few_hold_the_truth(count: int) -> None:
    """Of mean overlaps between 0 and 1 whose truth is 0.7; the bootstrap alone holds it far less often."""
    rng = np.random.default_rng(0)
    held, alone = 0, 0
    weights = draw_weights(count, draws=400)
    for _ in range(300):
        values = rng.beta(7, 3, count)
        drawn = weights @ values / count
        found = share_interval(float(values.mean()), drawn, count)
        held += found.low <= 0.7 <= found.high
        low, high = np.percentile(drawn, [2.5, 97.5])
        alone += low <= 0.7 <= high
    assert held >= 0.95 * 300
    assert alone < 0.95 * 300
