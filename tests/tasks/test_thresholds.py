"""The threshold for an allowed false-reject rate: kept with its confidence, refused where the data cannot show it."""

import numpy as np
import pytest
from scipy import stats

from inspector.tasks.statistics.thresholds import Choice, Rated, choose, measure_threshold

DEFAULT = Choice(0.5, "default")


def good(scores: list[float], groups: list[str] | None = None) -> list[Rated]:
    return [Rated(True, score, 1.0, "" if groups is None else groups[at]) for at, score in enumerate(scores)]


@pytest.mark.parametrize(("allowed", "fewest"), [(0.05, 59), (0.01, 299), (0.1, 29)])
def test_too_few_good_images_are_refused_with_how_many_it_takes(allowed: float, fewest: int) -> None:
    rng = np.random.default_rng(0)
    few = choose(good((0.9 * rng.random(fewest - 1)).tolist()), allowed, default=DEFAULT, lowest=0.5)
    assert (few.score, few.how, few.needed) == (0.5, "default", fewest)
    assert few.refused is not None
    assert f"takes {fewest} good validation images, there are {fewest - 1}" in few.refused.text
    enough = choose(good((0.9 * rng.random(fewest)).tolist()), allowed, default=DEFAULT, lowest=0.5)
    assert (enough.how, enough.refused) == ("false_reject", None)
    lots = good((0.9 * rng.random(fewest)).tolist(), [f"lot {at // 2}" for at in range(fewest)])
    assert choose(lots, allowed, default=DEFAULT, lowest=0.5).refused is not None  # two images of a lot are one case


def test_no_good_image_and_hopeless_scores_are_refused() -> None:
    nothing = choose([Rated(False, 0.9, -1.0)], 0.05, default=DEFAULT, lowest=0.5)
    assert nothing.refused is not None
    hopeless = choose(good([0.9999] * 100), 0.05, default=DEFAULT, lowest=0.5)
    assert hopeless.refused is not None
    assert "cannot be reached" in hopeless.refused.text
    assert hopeless.score == 0.5


@pytest.mark.parametrize(("count", "allowed"), [(59, 0.05), (200, 0.05), (400, 0.02)])
def test_the_promise_is_kept_in_19_of_20_cases(count: int, allowed: float) -> None:
    """Of good parts whose scores are even over 0..0.9, those above the threshold are the rate."""
    rng = np.random.default_rng(1)
    broken = 0
    for _ in range(400):
        found = choose(good((0.9 * rng.random(count)).tolist()), allowed, default=DEFAULT, lowest=0.0)
        assert found.refused is None
        broken += 1 - found.score / 0.9 > allowed + 1e-3  # thresholds have four digits
    assert broken <= stats.binom.ppf(0.999, 400, 0.05)


@pytest.mark.parametrize("sizes", [(300, *(1,) * 99), (1, 2, 5, 20, 80) * 20])
@pytest.mark.parametrize("alike", [0.0, 3.0])
def test_the_promise_holds_for_lots_of_unequal_size(sizes: tuple[int, ...], alike: float) -> None:
    """Scores of a lot differ less than those of different lots; a large lot of good ones makes no room for the others."""
    rng = np.random.default_rng(2)
    broken, rates = 0, []
    for _ in range(200):
        values = np.concatenate([alike * rng.normal() + rng.normal(size=size) for size in sizes])
        lots = [f"lot {number}" for number, size in enumerate(sizes) for _ in range(size)]
        scores = (0.95 * stats.norm.cdf(values / 2)).tolist()
        found = choose(good(scores, lots), 0.05, default=DEFAULT, lowest=0.0)
        assert found.refused is None
        limit = 2 * stats.norm.ppf(min(found.score / 0.95, 1.0))
        rates.append(float(stats.norm.sf(limit / np.hypot(1, alike))))  # of parts of other lots
        broken += rates[-1] > 0.0502
    assert broken <= stats.binom.ppf(0.999, 200, 0.05)
    assert np.mean(rates) > 0.005  # and the threshold is of use


def test_equal_scores_are_rejected_together_or_not_at_all() -> None:
    scores = [0.9] * 10 + [0.3] * 90
    found = choose(good(scores), 0.05, default=DEFAULT, lowest=0.0)
    assert found.score == pytest.approx(0.9001)
    found = choose(good(scores), 0.2, default=DEFAULT, lowest=0.0)  # 13 of 100 may lie above
    assert found.score == pytest.approx(0.3001)


def test_what_it_costs_is_shown_with_wilsons_interval() -> None:
    frames = [*good([0.2] * 76 + [0.9] * 4), *(Rated(False, 0.95, -1.0) for _ in range(15)), *(Rated(False, 0.1, 0.9),) * 5]
    choice = choose(frames, 0.1, default=DEFAULT, lowest=0.5)
    assert choice.how == "false_reject"
    found = measure_threshold(frames, Choice(0.5, "given"), allowed=0.1)
    assert found.false_reject is not None
    assert found.miss is not None
    wanted = stats.binomtest(4, 80).proportion_ci(method="wilson")
    assert (found.false_reject.value, found.false_reject.low, found.false_reject.high) == pytest.approx(
        (0.05, wanted.low, wanted.high)
    )
    wanted = stats.binomtest(5, 20).proportion_ci(method="wilson")
    assert (found.miss.value, found.miss.low, found.miss.high) == pytest.approx((0.25, wanted.low, wanted.high))
    assert (found.good, found.bad) == (80, 20)
