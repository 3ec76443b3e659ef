"""k-fold cross-validation and learning curves. Needs no torch: the caller provides the training function.

`Fit` receives a split and a seed. It trains on `split.train`, selects the epoch on `split.val`, and measures on `split.test`,
which it does not learn from. It returns None to end the series; the earlier measurements then count.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.sentence import sentence
from inspector.data.samples import Sample
from inspector.data.split import Split
from inspector.runs.report import Folds, Interval, Learning, LearningPoint
from inspector.runs.settings import CURVE_REPEATS, CURVE_SHARES
from inspector.tasks.base import Metrics
from inspector.tasks.statistics.intervals import percentiles

Fit = Callable[[Split, int], Metrics | None]

_DRAWS = 500
_FURTHEST = 3.0  # largest extrapolation of a law, as a multiple of the images it was fitted on


def k_folds(samples: Sequence[Sample], folds: int, *, seed: int = 0, val: float = 0.15) -> list[Split]:
    """Return splits in which each sample is tested once. Groups stay together, strata are spread evenly.

    Each group goes to the fold that has the least of its stratum, largest groups first and otherwise in an order shuffled by
    `seed`. The share `val` of each fold's remaining groups is used to select the epoch. Raises ConfigError if there are fewer
    groups than folds.
    """
    groups = _grouped(samples)
    if len(groups) < max(folds, 3) or folds < 2:
        raise ConfigError(
            "{groups} groups of images are too few for {folds} folds.",
            remedy="Use fewer folds, or add labelled images.",
            groups=len(groups),
            folds=folds,
        )
    fold_of = _deal(groups, folds, seed)
    splits = []
    for fold in range(folds):
        rest = {name: members for name, members in groups.items() if fold_of[name] != fold}
        parts = max(2, round(1 / val))
        chooser = _deal(rest, parts, seed + 1 + fold)
        chosen = {name for name in rest if chooser[name] == parts - 1} or {min(rest, key=lambda name: _key(name, seed))}
        splits.append(
            Split(
                train=tuple(s for s in samples if s.group in rest and s.group not in chosen),
                val=tuple(s for s in samples if s.group in chosen),
                test=tuple(s for s in samples if fold_of[s.group] == fold),
            )
        )
    return splits


def cross_validate(fit: Fit, splits: Sequence[Split], *, seed: int = 0) -> Folds | None:
    """Train and measure each split. Returns None if none was measured.

    The pooled interval is over the answers of all folds together: every sample was answered once by a network that has not seen
    it.
    """
    values: list[float] = []
    pooled: Metrics | None = None
    for split in splits:
        metrics = fit(split, seed)
        if metrics is None:
            break
        values.append(metrics.compute()[metrics.primary])
        if pooled is None:
            pooled = metrics
        else:
            pooled.merge(metrics)
    if pooled is None:
        return None
    return Folds(values=tuple(values), pooled=pooled.intervals(seed=seed)[pooled.primary], planned=len(splits))


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of one training with its number of samples."""

    samples: int
    value: float


def nested(samples: Sequence[Sample], shares: Sequence[float], seed: int) -> list[tuple[Sample, ...]]:
    """Return nested subsets of the samples. Groups stay together, every stratum keeps its share."""
    groups = _grouped(samples)
    by_stratum: dict[str, list[str]] = defaultdict(list)
    for name, members in groups.items():
        by_stratum[min(sample.stratum for sample in members)].append(name)
    place: dict[str, float] = {}
    for names in by_stratum.values():
        for rank, name in enumerate(sorted(names, key=lambda name: _key(name, seed))):
            place[name] = rank / len(names)
    return [tuple(sample for sample in samples if place[sample.group] < share) for share in sorted(shares)]


def learning_plan(
    split: Split, *, shares: Sequence[float] = CURVE_SHARES, repeats: int = CURVE_REPEATS, seed: int = 0
) -> list[tuple[Split, int]]:
    """Return the trainings of a learning curve, each with its seed: nested subsets of `split.train`, redrawn `repeats` times.

    Validation and test parts stay the same.
    """
    return [
        (Split(train, split.val, split.test), seed + repeat)
        for repeat in range(repeats)
        for train in nested(split.train, shares, seed + repeat)
    ]


def learning_runs(fit: Fit, plan: Sequence[tuple[Split, int]]) -> list[Measured]:
    """Train and measure the planned splits."""
    runs: list[Measured] = []
    for split, seed in plan:
        metrics = fit(split, seed)
        if metrics is None:
            break
        runs.append(Measured(len(split.train), metrics.compute()[metrics.primary]))
    return runs


def learning_curve(runs: Sequence[Measured], *, more: int, best: float = 1.0, seed: int = 0) -> Learning:
    """Return the forecast for `more` samples from measured runs.

    The error `best` - value is modelled as a power law of the samples, a n^-b + c (Cortes et al., NeurIPS 1993; Hestness et
    al., arXiv 1712.00409), fitted by least squares with 0 <= b <= 2, c >= 0. The interval is a bootstrap over the runs of each
    size. `best`: the highest possible value of the metric (1 for shares, 0 for the negative error of temperatures). Returns the
    reason instead of a forecast with fewer than three sizes or five runs, if the results do not rise, or if `more` is too far
    beyond the measured sizes.
    """
    sizes = sorted({run.samples for run in runs})
    points = tuple(_point(size, [run.value for run in runs if run.samples == size]) for size in sizes)
    refused = _refused(runs, sizes, more)
    if refused is not None:
        return Learning(points=points, more=more, refused=sentence(refused))
    n, error = np.array([run.samples for run in runs], np.float64), best - np.array([run.value for run in runs])
    rng = np.random.default_rng(seed)
    a, b, c = fit_power_law(n, error)
    now, then = sizes[-1], sizes[-1] + more

    def value(law: tuple[float, float, float], at: float) -> float:
        return float(best - (law[0] * at ** -law[1] + law[2]))

    laws = [fit_power_law(n, _redrawn(n, error, (a, b, c), rng)) for _ in range(_DRAWS)]
    gains = np.array([value(law, then) - value(law, now) for law in laws])
    if np.percentile(gains, 2.5) < 1e-4:
        return Learning(
            points=points,
            more=more,
            refused=sentence(
                message("No gain can be promised: results vary more from one training to the next than with the images.")
            ),
        )
    measured = (a, b, c)
    drawn = np.array([value(law, then) for law in laws])
    curve = tuple((float(at), value(measured, float(at))) for at in np.linspace(sizes[0], then, 40))
    return Learning(
        points=points,
        more=more,
        forecast=percentiles(value(measured, then), drawn),
        gain=percentiles(value(measured, then) - value(measured, now), gains),
        curve=curve,
    )


def fit_power_law(n: NDArray[np.float64], error: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return (a, b, c) of error = a n^-b + c by least squares with a >= 0, 0 <= b <= 2, 0 <= c.

    For each b of a fine grid the problem is linear: the better of the free solution and the two at the bounds is exact.
    """
    exponents = np.linspace(0.05, 2.0, 79)
    x = n[None, :] ** -exponents[:, None]
    mean_x, mean_y = x.mean(axis=1, keepdims=True), error.mean()
    spread = ((x - mean_x) ** 2).sum(axis=1)
    slope = ((x - mean_x) * (error - mean_y)).sum(axis=1) / np.maximum(spread, 1e-300)
    offset = mean_y - slope * mean_x[:, 0]
    through = np.maximum((x * error).sum(axis=1) / (x * x).sum(axis=1), 0)
    free = (slope >= 0) & (offset >= 0)
    a = np.where(free, slope, np.where(slope < 0, 0.0, through))
    c = np.where(free, offset, np.where(slope < 0, max(mean_y, 0.0), 0.0))
    residual = ((a[:, None] * x + c[:, None] - error) ** 2).sum(axis=1)
    best = int(residual.argmin())
    return float(a[best]), float(exponents[best]), float(c[best])


def _redrawn(
    n: NDArray[np.float64], error: NDArray[np.float64], law: tuple[float, float, float], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the law's errors with resampled residuals of all runs, scaled for the degrees of freedom of the fit."""
    fitted = law[0] * n ** -law[1] + law[2]
    residuals = (error - fitted) * math.sqrt(len(n) / max(len(n) - 3, 1))
    drawn: NDArray[np.float64] = fitted + rng.choice(residuals - residuals.mean(), len(n))
    return drawn


def _refused(runs: Sequence[Measured], sizes: Sequence[int], more: int) -> Message | None:
    if len(sizes) < 3 or len(runs) < 5:
        return message(
            "A forecast takes five trainings on three numbers of images; there are {runs} on {sizes}.",
            runs=len(runs),
            sizes=len(sizes),
        )
    if sizes[-1] + more > _FURTHEST * sizes[-1]:
        return message(
            "{more} more images are too many to forecast from {count}; ask again when there are more.",
            more=more,
            count=sizes[-1],
        )
    return None


def _point(size: int, values: Sequence[float]) -> LearningPoint:
    """Return mean and range of the runs of one size."""
    mean = sum(values) / len(values)
    return LearningPoint(samples=size, result=Interval(value=mean, low=min(values), high=max(values)))


def _grouped(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    return groups


def _deal(groups: dict[str, list[Sample]], hands: int, seed: int) -> dict[str, int]:
    """Distribute groups over hands so that the hands hold similar numbers of samples of every stratum.

    Returns the hand of each group.
    """
    strata = {name: min(sample.stratum for sample in members) for name, members in groups.items()}
    order = sorted(groups, key=lambda name: (strata[name], -len(groups[name]), _key(name, seed)))
    own: dict[tuple[str, int], int] = defaultdict(int)
    total = [0] * hands
    dealt: dict[str, int] = {}
    for name in order:
        hand = min(range(hands), key=lambda at: (own[strata[name], at], total[at]))
        own[strata[name], hand] += len(groups[name])
        total[hand] += len(groups[name])
        dealt[name] = hand
    return dealt


def _key(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}\0{name}".encode()).hexdigest()
