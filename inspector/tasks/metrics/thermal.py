"""Quality of predicted temperatures: mean absolute error."""

from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from inspector.core.types import Annotation, Prediction, Temperatures
from inspector.runs.report import Interval
from inspector.tasks.base import Metrics
from inspector.tasks.metrics.common import ratio
from inspector.tasks.statistics.intervals import bootstrap, group_numbers, mean_interval


class TemperatureMetrics(Metrics):
    """Mean absolute error in kelvin of the network's own prediction, also for frames with measured temperatures."""

    primary: ClassVar[str] = "minus_mae_kelvin"
    best: ClassVar[float] = 0.0
    names: ClassVar[tuple[str, str, str]] = ("maximum", "mean", "minimum")

    def __init__(self) -> None:
        self._errors: list[NDArray[np.float64]] = []
        self._groups: list[str] = []
        self._truths: list[tuple[float, float, float]] = []

    def update(self, prediction: Prediction, truth: Annotation, *, group: str = "") -> None:
        """Add one frame; a frame without temperatures is ignored."""
        temperatures = prediction.expect(Temperatures)
        if truth.temperatures is None:
            return
        said = temperatures.predicted or (temperatures.maximum, temperatures.mean, temperatures.minimum)
        self._errors.append(np.abs(np.subtract(said, truth.temperatures)))
        self._groups.append(group)
        self._truths.append(truth.temperatures)

    def merge(self, other: Self) -> None:
        self._errors += other._errors
        self._groups += other._groups
        self._truths += other._truths

    def compute(self) -> dict[str, float]:
        """Return `mae_kelvin` over the three temperatures, the error of each, and `minus_mae_kelvin` (larger is better)."""
        each = np.mean(self._errors, axis=0) if self._errors else np.zeros(3)
        numbers = {"mae_kelvin": float(each.mean()), "minus_mae_kelvin": -float(each.mean())}
        return numbers | {f"mae_kelvin/{name}": float(value) for name, value in zip(self.names, each, strict=True)}

    def chance(self) -> float:
        """Return `primary` of predicting the medians of these frames for every frame."""
        if not self._truths:
            return 0.0
        truths = np.array(self._truths, np.float64)
        return -float(np.abs(truths - np.median(truths, axis=0)).mean())

    def intervals(self, *, seed: int = 0) -> dict[str, Interval]:
        numbers = self.compute()
        if not self._errors:
            return {name: Interval(value=value, low=value, high=value) for name, value in numbers.items()}
        errors, groups = np.stack(self._errors), group_numbers(self._groups)
        table = np.column_stack((errors, np.ones(len(errors))))
        drawn = bootstrap(table, groups, lambda sums: ratio(sums[:, :3], sums[:, 3:]), seed=seed)
        each = np.stack([np.bincount(groups, weights=column) for column in errors.T], axis=1) / np.bincount(groups)[:, None]

        def interval(name: str, draws: NDArray[np.float64], parts: NDArray[np.float64]) -> Interval:
            found = mean_interval(numbers[name], draws, parts)
            return Interval(value=found.value, low=max(found.low, 0.0), high=found.high)

        result = {"mae_kelvin": interval("mae_kelvin", drawn.mean(axis=1), each.mean(axis=1))}
        whole = result["mae_kelvin"]
        result["minus_mae_kelvin"] = Interval(value=-whole.value, low=-whole.high, high=-whole.low)
        for index, name in enumerate(self.names):
            result[f"mae_kelvin/{name}"] = interval(f"mae_kelvin/{name}", drawn[:, index], each[:, index])
        return result

    def support(self) -> dict[str, int]:
        """Return the number of frames."""
        return dict.fromkeys(self.names, len(self._errors))
