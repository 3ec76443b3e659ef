"""95 % confidence intervals of quantities measured on a sample of parts. numpy only.

Frames of one group (a part, a lot) resemble each other, so groups are the sampling unit: proportions use the effective sample
size, all other numbers are bootstrapped over groups.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inspector.runs.report import Interval

Z95 = 1.959963984540054
_DRAWS = 1000
_FEW = 10  # smallest number of groups; with fewer, percentiles of a bootstrap are too narrow
# 97.5 % quantiles of Student's t distribution with 1, 2, ... 8 degrees of freedom.
_STUDENT = (12.7062, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462, 2.30600)
_MOST_WEIGHTS = 4_000_000  # largest size of the table of bootstrap weights

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]


def wilson(hits: float, count: float, z: float = Z95) -> tuple[float, float]:
    """Return the score interval (Wilson, JASA 22, 1927) of the proportion `hits` of `count`; (0, 1) if `count` is 0.

    `count` may be an effective, fractional sample size.
    """
    if count <= 0:
        return 0.0, 1.0
    share = hits / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (0.0 if hits <= 0 else max(0.0, centre - half)), (1.0 if hits >= count else min(1.0, centre + half))


def proportion(hits: Numbers | Indices, counts: Numbers | Indices) -> Interval:
    """Return a proportion counted in groups: `hits` [G] of `counts` [G].

    Wilson's interval with the effective sample size (Korn and Graubard, Survey Methodology 24, 1998), which is derived from the
    variance of the ratio over groups and clipped to between the number of groups and the number of frames. Groups of one frame
    each give Wilson's interval of the frames.
    """
    used = counts > 0
    right, seen = hits[used].astype(np.float64), counts[used].astype(np.float64)
    total, groups = float(seen.sum()), len(seen)
    if not groups:
        return Interval(value=0.0, low=0.0, high=1.0)
    share = float(right.sum()) / total
    effective = float(groups)
    if 0 < share < 1 and groups > 1:
        variance = groups / (groups - 1) * float(((right - share * seen) ** 2).sum()) / total**2
        if variance > 0:
            effective = min(max(share * (1 - share) / variance, float(groups)), total)
    if total == groups:
        effective = total
    low, high = wilson(share * effective, effective)
    return Interval(value=share, low=min(low, share), high=max(high, share))


def f1_interval(true: Numbers | Indices, wrong: Numbers | Indices) -> Interval:
    """Return F1 of one class, counted in groups: `true` positives [G], `wrong` = false positives + false negatives [G].

    F1 = 2 s / (1 + s) with s = true / (true + wrong), a proportion (Hand, Christen and Kirielle, Machine Learning 110, 2021),
    so that its interval is that of s, transformed.
    """
    share = proportion(true, true + wrong)
    if not (true + wrong).any():
        return Interval(value=0.0, low=0.0, high=1.0)
    value, low, high = (2 * number / (1 + number) for number in (share.value, share.low, share.high))
    return Interval(value=value, low=low, high=high)


def group_numbers(names: list[str]) -> Indices:
    """Map names to 0, 1, ... in order of appearance; each "" is a group of its own."""
    known: dict[str, int] = {}
    numbers = [known.setdefault(name or f"\0{index}", len(known)) for index, name in enumerate(names)]
    return np.array(numbers, np.int64)


def draw_weights(groups: int, *, seed: int = 0, draws: int = _DRAWS) -> Numbers:
    """Return bootstrap weights [draws, groups]: how often each draw contains each group (Efron, Annals of Statistics 7, 1979).

    Fewer draws if the table would be too large, but at least 200.
    """
    count = max(200, min(draws, _MOST_WEIGHTS // max(groups, 1)))
    rng = np.random.default_rng(seed)
    return rng.multinomial(groups, np.full(groups, 1 / groups), size=count).astype(np.float64)


def percentiles(value: float, drawn: Numbers) -> Interval:
    """Return the percentile interval of bootstrap values [draws] around the measured `value`; NaN values are ignored."""
    finite = drawn[np.isfinite(drawn)]
    if not len(finite):
        return Interval(value=value, low=value, high=value)
    low, high = np.percentile(finite, [2.5, 97.5])
    return Interval(value=value, low=min(float(low), value), high=max(float(high), value))


def share_interval(value: float, drawn: Numbers, groups: int) -> Interval:
    """Return the `percentiles` interval for numbers between 0 and 1, widened where the bootstrap is too narrow.

    A bootstrap of faultless answers has no width, and that of few groups is too narrow. With fewer than `_FEW` groups, or an
    interval narrower than the effect of one group, the interval is widened to Wilson's for a proportion of this value in
    `groups` cases. That is an upper bound: of all variables in 0..1 with this mean, a proportion has the largest variance
    (Bhatia and Davis, American Mathematical Monthly 107, 2000).
    """
    found = percentiles(value, drawn)
    if groups and (groups < _FEW or found.high - found.low < 1 / groups):
        inside = min(max(value, 0.0), 1.0)
        low, high = wilson(inside * groups, groups)
        return Interval(value=value, low=min(low, found.low), high=max(high, found.high))
    return found


def mean_interval(value: float, drawn: Numbers, groups: Numbers) -> Interval:
    """Return the `percentiles` interval for an unbounded mean; `groups` [G] holds the means of the groups.

    With fewer than `_FEW` groups the interval is widened to Student's (Biometrika 6, 1908). For a single group the spread
    between groups is unknown and taken to be as large as the value itself.
    """
    found = percentiles(value, drawn)
    count = len(groups)
    if not 0 < count < _FEW:
        return found
    spread = float(groups.std(ddof=1)) / math.sqrt(count) if count > 1 else abs(value)
    half = _STUDENT[max(count - 1, 1) - 1] * spread
    return Interval(value=value, low=min(found.low, value - half), high=max(found.high, value + half))


def bootstrap(values: Numbers, groups: Indices, statistic: Callable[[Numbers], Numbers], *, seed: int = 0) -> Numbers:
    """Apply `statistic` to bootstrap draws and return [draws, ...].

    `statistic` receives the sums [draws, ...] of `values` [frames, ...] over the frames of each draw.
    """
    count = int(groups.max(initial=-1)) + 1
    flat = values.reshape(len(values), -1).astype(np.float64)
    sums = np.zeros((count, flat.shape[1]))
    np.add.at(sums, groups, flat)
    drawn = draw_weights(count, seed=seed) @ sums
    return statistic(drawn.reshape(-1, *values.shape[1:]))


def binomial_cdf(hits: int, count: int, share: float) -> float:
    """Return P(X <= hits) for `count` trials of probability `share`, 0 < share < 1; summed in logarithms."""
    if hits >= count:
        return 1.0
    k = np.arange(hits + 1)
    logs = (
        math.lgamma(count + 1)
        - np.array([math.lgamma(i + 1) + math.lgamma(count - i + 1) for i in k.tolist()])
        + k * math.log(share)
        + (count - k) * math.log1p(-share)
    )
    return float(min(1.0, np.exp(logs).sum()))


def allowed_hits(count: int, share: float, risk: float = 0.05) -> int:
    """Return the most hits in `count` trials that still show a probability of at most `share`; -1: none.

    The confidence is 1 - `risk`. Clopper and Pearson (Biometrika 26, 1934): the one-sided upper bound of hits / count is at
    most `share`.
    """
    hits, low = -1, 0.0
    while hits + 1 < count:
        low = binomial_cdf(hits + 1, count, share)
        if low > risk:
            break
        hits += 1
    return hits


def needed(share: float, risk: float = 0.05) -> int:
    """Return the number of trials without a hit that shows a probability of at most `share` at 1 - `risk` confidence."""
    return math.ceil(math.log(risk) / math.log1p(-share))
