"""Thermal: the highest, mean and lowest temperature of a region, and its hot spots.

In a radiometric frame (unit kelvin) the temperatures are measured from the pixels, and the network's numbers are kept for
comparison. Any other frame shows only relative warmth; there the network predicts the temperatures.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import cv2
import numpy as np

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.types import (
    KELVIN_AT_0_C,
    Annotation,
    Answer,
    Floats,
    Frame,
    HotSpot,
    Prediction,
    Region,
    TaskName,
    Temperatures,
)
from inspector.imaging.preprocessing import InputSpec, Prepared, View
from inspector.runs.report import Interval
from inspector.tasks.base import DefaultRule, ParityUnit, Sizing, Target, Task
from inspector.tasks.metrics import TemperatureMetrics
from inspector.tasks.statistics.mistakes import Mistake

_APART = 5.0  # kelvin; a larger difference counts as another verdict


class Thermal(Task):
    """Predicts temperatures in kelvin. Graph output: [N, 3] (maximum, mean, minimum)."""

    name: ClassVar[TaskName] = "thermal"
    answer: ClassVar[type[Answer]] = Temperatures
    scaled: ClassVar[bool] = True
    varied: ClassVar[bool] = False  # brightness is the measured quantity
    explained: ClassVar[str] = "highest temperature ({target:.1f} K)"
    sizing: ClassVar[Sizing] = Sizing(usual=160, object_px=8, seen=10_000, larger=False)
    threshold_key: ClassVar[str] = ""
    unit: ClassVar[ParityUnit] = "kelvin"
    proposal: ClassVar[DefaultRule | None] = DefaultRule("temperature_max", 60.0)

    def outputs(self, card: Card) -> int:
        """Return three outputs: maximum, mean, minimum."""
        return 3

    def encode(self, truth: Annotation, card: Card, view: View) -> Target:
        """Return `temperatures` float32 [3]: maximum, mean, minimum in kelvin. Raises ConfigError if the frame has none."""
        if truth.temperatures is None:
            raise ConfigError("A frame has no temperatures.", remedy="Give its maximum, mean and minimum in temperatures.csv.")
        return {"temperatures": np.asarray(truth.temperatures, np.float32)}

    def decode(self, raw: Floats, card: Card, views: Sequence[View], frames: Sequence[Frame]) -> list[Prediction]:
        """Decode kelvin float32 [N, 3] into `Temperatures`, measured from the pixels if the frame is radiometric."""
        limit = card.thresholds.get("hot_celsius")
        result = []
        for row, view, frame in zip(np.asarray(raw, np.float64).tolist(), views, frames, strict=True):
            predicted = (row[0], row[1], row[2])
            if frame.unit == "kelvin":
                temperatures = measure(frame, view.region, hot_celsius=limit, predicted=predicted)
            else:
                temperatures = Temperatures(*predicted, source="predicted")
            result.append(Prediction(card.name, self.name, view.camera, card.classes, view.region, temperatures))
        return result

    def metrics(self, card: Card) -> TemperatureMetrics:
        return TemperatureMetrics()

    def headline(self, numbers: Mapping[str, Interval], images: int) -> Message:
        error = numbers["mae_kelvin"]
        return message(
            "Temperatures are off by {value} K on average (95 % confidence: {low} to {high} K).",
            value=f"{error.value:.2f}",
            low=f"{error.low:.2f}",
            high=f"{error.high:.2f}",
        )

    def scaling(self, pixels: Prepared, targets: Target) -> Mapping[str, tuple[float, ...]]:
        """Return mean, std and target scaling of the data.

        Without batch normalisation the networks cannot adapt by themselves.
        """
        kelvin = targets["temperatures"].astype(np.float64)
        return {
            "mean": tuple(float(value) for value in pixels.mean((0, 1, 2), dtype=np.float64)),
            "std": tuple(float(value) for value in np.maximum(pixels.std((0, 1, 2), dtype=np.float64), 1e-3)),
            "target_mean": tuple(float(value) for value in kelvin.mean(0)),
            "target_std": tuple(float(value) for value in np.maximum(kelvin.std(0), 0.1)),
        }

    def truth(self, target: Target, spec: InputSpec) -> Annotation:
        high, mean, low = (float(value) for value in target["temperatures"])
        return Annotation(temperatures=(high, mean, low))

    def ideal(self, truth: Annotation, card: Card) -> Temperatures:
        """Return the known temperatures."""
        if truth.temperatures is None:
            raise ValueError("the frame has no temperatures")
        return Temperatures(*truth.temperatures, source="measured")

    def default_rules(self, thresholds: Mapping[str, float]) -> tuple[DefaultRule, ...]:
        """Return one rule: no temperature above the limit; none without a limit."""
        limit = thresholds.get("hot_celsius")
        return () if limit is None else (DefaultRule("temperature_max", limit),)

    def difference(self, one: Prediction, other: Prediction, card: Card) -> float:
        """Return the largest difference, in kelvin."""
        return float(np.abs(_predicted(one) - _predicted(other)).max())

    def differs(self, one: Prediction, other: Prediction, card: Card) -> bool:
        """Return whether the difference counts as another verdict, whatever the limit of the recipe."""
        return self.difference(one, other, card) > _APART

    def decision(self, prediction: Prediction, truth: Annotation, card: Card) -> object:
        """Return whether the frame is too hot, if the card has a limit."""
        hot = card.thresholds.get("hot_celsius")
        return None if hot is None else bool(_predicted(prediction)[0] > hot + KELVIN_AT_0_C)

    def mistake(self, prediction: Prediction, truth: Annotation, card: Card) -> Mistake | None:
        """Return any temperature error as a mistake."""
        if truth.temperatures is None:
            return None
        found = prediction.expect(Temperatures)
        said = found.predicted or (found.maximum, found.mean, found.minimum)
        error = float(np.abs(np.subtract(said, truth.temperatures)).mean())
        return Mistake(_in_words(truth.temperatures), _in_words(said), error, error)


def _predicted(prediction: Prediction) -> Floats:
    """Return the network's own temperatures, also where they were measured."""
    known = prediction.expect(Temperatures)
    return np.asarray(known.predicted or (known.maximum, known.mean, known.minimum), np.float32)


def _in_words(values: tuple[float, float, float]) -> str:
    return " / ".join(f"{value:.1f} K" for value in values)


def measure(
    frame: Frame, region: Region, *, hot_celsius: float | None = None, predicted: tuple[float, float, float] | None = None
) -> Temperatures:
    """Measure the temperatures of a region of a radiometric frame; dead pixels (not finite) are left out.

    All three are NaN if the region has only dead pixels.
    """
    patch = frame.pixels[region.y : region.bottom, region.x : region.right].astype(np.float32, copy=False)
    alive = patch[np.isfinite(patch)]
    if alive.size == 0:
        return Temperatures(np.nan, np.nan, np.nan, "measured", predicted=predicted)
    spots = () if hot_celsius is None else hot_spots(patch, hot_celsius + KELVIN_AT_0_C, region)
    mean = float(alive.mean(dtype=np.float64))
    return Temperatures(float(alive.max()), mean, float(alive.min()), "measured", spots, predicted)


def hot_spots(patch: Floats, limit_kelvin: float, region: Region) -> tuple[HotSpot, ...]:
    """Return the connected areas (8 neighbours) of `patch` [H, W] in kelvin above a limit, hottest first.

    `region` is the position of the patch in its frame; positions are in frame pixels.
    """
    above = np.asarray((patch > limit_kelvin) & np.isfinite(patch), np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    spots = []
    for index in range(1, count):
        x, y, width, height, area = stats[index].tolist()
        inside = np.where(labels[y : y + height, x : x + width] == index, patch[y : y + height, x : x + width], -np.inf)
        row, column = divmod(int(np.argmax(inside)), width)
        spots.append(HotSpot(region.x + x + column, region.y + y + row, float(inside[row, column]), float(area)))
    return tuple(sorted(spots, key=lambda spot: -spot.kelvin))
