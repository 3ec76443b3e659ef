"""Overlays as data; `painting.py` draws them. Coordinates are frame pixels."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.types import Boxes, Floats, HotSpot, Prediction, Region, Scores
from inspector.imaging.colormaps import TemperatureUnit, temperature_text
from inspector.imaging.thermography import Tool
from inspector.ui.canvas.interaction import Rect
from inspector.ui.shell.strings import class_name


@dataclass(frozen=True, slots=True)
class BoxMark:
    """A box with its label; `index` is its position in the prediction's boxes."""

    xyxy: Rect
    class_index: int
    label: str
    index: int


@dataclass(frozen=True, slots=True)
class SpotMark:
    """A hot spot with its temperature."""

    spot: HotSpot
    label: str


@dataclass(frozen=True, slots=True)
class RegionMark:
    """The outline of the region a bundle inspects."""

    region: Region
    label: str = ""


@dataclass(frozen=True, slots=True)
class ToolMark:
    """A measuring tool with its value; `index` is its position among the tools, None while it is being drawn."""

    tool: Tool
    label: str = ""
    index: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ClassLayer:
    """An area overlay: uint8 [height, width] of the region. 0 is clear; k + 1 is the class with index k."""

    region: Region
    class_map: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.class_map.shape != (self.region.height, self.region.width):
            raise ValueError(f"class map {self.class_map.shape} of {self.region}")


@dataclass(frozen=True, slots=True, eq=False)
class HeatLayer:
    """A heat map: float32 [height, width] of the region, 0..1."""

    region: Region
    values: Floats

    @classmethod
    def of(cls, values: Floats, region: Region) -> "HeatLayer":
        """Return a map of any size, resized to the region."""
        size = (region.width, region.height)
        fitted = cv2.resize(np.ascontiguousarray(values, np.float32), size, interpolation=cv2.INTER_LINEAR)
        return cls(region, np.clip(fitted, 0.0, 1.0).astype(np.float32, copy=False))


@dataclass(frozen=True, slots=True, eq=False)
class Overlays:
    """All overlays of one frame."""

    boxes: tuple[BoxMark, ...] = ()
    spots: tuple[SpotMark, ...] = ()
    regions: tuple[RegionMark, ...] = ()
    layers: tuple[ClassLayer | HeatLayer, ...] = field(default=())
    tools: tuple[ToolMark, ...] = ()

    def __add__(self, other: "Overlays") -> "Overlays":
        return Overlays(
            self.boxes + other.boxes,
            self.spots + other.spots,
            self.regions + other.regions,
            self.layers + other.layers,
            self.tools + other.tools,
        )


NOTHING = Overlays()


def box_marks(prediction: Prediction, threshold: float) -> tuple[BoxMark, ...]:
    """Return the boxes of a prediction that reach the threshold, best first, labelled with class and score.

    Predictions of other tasks give none.
    """
    boxes = prediction.answer
    if not isinstance(boxes, Boxes):
        return ()
    order = sorted((i for i in range(len(boxes)) if boxes.scores[i] >= threshold), key=lambda i: -float(boxes.scores[i]))
    return tuple(
        BoxMark(
            _rect(boxes.xyxy[i]),
            int(boxes.classes[i]),
            f"{class_name(prediction.classes[int(boxes.classes[i])])} {float(boxes.scores[i]):.2f}",
            i,
        )
        for i in order
    )


def spot_marks(spots: tuple[HotSpot, ...], unit: TemperatureUnit) -> tuple[SpotMark, ...]:
    """Return the hot spots labelled with their number and temperature."""
    return tuple(SpotMark(spot, f"{n}: {temperature_text(spot.kelvin, unit)}") for n, spot in enumerate(spots, start=1))


def region_mark(prediction: Prediction, *, label: str = "") -> RegionMark:
    """Return the outline of the prediction's region; a classification is labelled with its best class and score."""
    answer = prediction.answer
    if isinstance(answer, Scores) and len(answer.values):
        label = f"{class_name(prediction.classes[answer.best])} {float(answer.values[answer.best]):.2f}"
    return RegionMark(prediction.region, label)


def _rect(xyxy: Floats) -> Rect:
    left, top, right, bottom = (float(value) for value in xyxy)
    return (left, top, right, bottom)
