"""A fifth task from outside the package, in one file: taught by images that are good or odd, it answers with a map of oddness.

What it takes is a `Task`, a loss, and the lines of the registry (`register`). Its answer is one of the four kinds; a kind of
its own would extend the union `Answer`, and mypy would name each place that it concerns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np
import pytest
from torch import Tensor
from torch.nn import functional

from inspector.bundles.bundle import Card
from inspector.core.message import Message, message
from inspector.core.registry import LOSSES, NETWORKS, TASKS, Entry, TaskEntry
from inspector.core.types import Annotation, Answer, Floats, Frame, Masks, Prediction
from inspector.imaging.preprocessing import InputSpec, View
from inspector.recipes.quantities import QUANTITIES, Measured, Quantity, Subject
from inspector.runs.report import Interval
from inspector.tasks.base import DefaultRule, Metrics, Target, Task, percent
from inspector.tasks.statistics.intervals import group_numbers, proportion
from inspector.tasks.statistics.mistakes import Mistake

NAME = "oddness"


def peak(prediction: Prediction) -> float:
    """Return the oddness, 0..1, of the oddest place."""
    return float(prediction.expect(Masks).planes[1].max()) / 255


class OddnessMetrics(Metrics):
    """Share of the frames that are told right at one half."""

    primary: ClassVar[str] = "accuracy"

    def __init__(self) -> None:
        self._right: list[bool] = []
        self._groups: list[str] = []

    def update(self, prediction: Prediction, truth: Annotation, *, group: str = "") -> None:
        self._right.append((peak(prediction) >= 0.5) == (truth.label == 1))
        self._groups.append(group)

    def merge(self, other: Self) -> None:
        self._right += other._right
        self._groups += other._groups

    def compute(self) -> dict[str, float]:
        return {"accuracy": float(np.mean(self._right)) if self._right else 0.0}

    def intervals(self, *, seed: int = 0) -> dict[str, Interval]:
        groups = group_numbers(self._groups)
        return {
            "accuracy": proportion(
                np.bincount(groups[np.array(self._right, bool)], minlength=groups.max() + 1), np.bincount(groups)
            )
        }

    def support(self) -> dict[str, int]:
        return {"frames": len(self._right)}


class Oddness(Task):
    """Classes are good and odd, in this order. Graph output [N, 2, h, w]: probabilities."""

    name: ClassVar[str] = NAME
    answer: ClassVar[type[Answer]] = Masks
    threshold_key: ClassVar[str] = "mask"
    explained: ClassVar[str] = "oddest place ({target:.2f})"

    def outputs(self, card: Card) -> int:
        return len(card.classes)

    def output_shape(self, card: Card) -> tuple[int | None, ...]:
        return (self.outputs(card), card.input.height, card.input.width)

    def encode(self, truth: Annotation, card: Card, view: View) -> Target:
        return {"label": np.array(truth.label, np.int64)}

    def truth(self, target: Target, spec: InputSpec) -> Annotation:
        return Annotation(label=int(target["label"]))

    def ideal(self, truth: Annotation, card: Card) -> Masks:
        planes = np.zeros((len(card.classes), 8, 8), np.uint8)
        planes[truth.label or 0] = 255
        return Masks(planes)

    def decode(self, raw: Floats, card: Card, views: Sequence[View], frames: Sequence[Frame]) -> list[Prediction]:
        planes = np.rint(raw * 255).astype(np.uint8)
        return [
            Prediction(card.name, self.name, view.camera, card.classes, view.region, Masks(own))
            for own, view in zip(planes, views, strict=True)
        ]

    def metrics(self, card: Card) -> OddnessMetrics:
        return OddnessMetrics()

    def default_rules(self, thresholds: Mapping[str, float]) -> tuple[DefaultRule, ...]:
        return (DefaultRule("oddness", 0.5),)

    def headline(self, numbers: Mapping[str, Interval], images: int) -> Message:
        return message(
            "{value} % of {count} {count:|image was|images were} told right.",
            value=percent(numbers["accuracy"].value),
            count=images,
        )

    def difference(self, one: Prediction, other: Prediction, card: Card) -> float:
        return abs(peak(one) - peak(other))

    def mistake(self, prediction: Prediction, truth: Annotation, card: Card) -> Mistake | None:
        found = peak(prediction)
        said = int(found >= 0.5)
        wrong = truth.label is not None and said != truth.label
        return Mistake(card.classes[1 - said], card.classes[said], abs(found - 0.5), found, 1) if wrong else None


class OddnessLoss:
    """The oddest place of an odd image is odd, and no place of a good one."""

    def loss(self, out: Tensor, target: Mapping[str, Tensor], card: Card) -> Tensor:
        return functional.binary_cross_entropy_with_logits(out[:, 1].float().amax((1, 2)), target["label"].float())

    def activation(self, out: Tensor, card: Card) -> Tensor:
        return out.sigmoid()

    def cam_target(
        self, raw: Tensor, card: Card, *, class_index: int | None, box: tuple[float, ...] | None
    ) -> tuple[Tensor, int | None]:
        return raw[0, 1].max(), 1


def _oddness(subject: Subject) -> Measured:
    return Measured(subject.prediction.classes[1], peak(subject.prediction))


def register(patch: pytest.MonkeyPatch) -> None:
    """Write the lines of the registry and of the rule quantities."""
    entry = TaskEntry(
        f"{__name__}:Oddness",
        "Oddness",
        about="Where an image looks odd",
        labels="label",
        defaults={"network": "unet", "width": 32, "height": 32, "batch": 4, "lr": 1e-2},
    )
    patch.setitem(TASKS, NAME, entry)
    patch.setitem(LOSSES, NAME, Entry(f"{__name__}:OddnessLoss", "Loss of oddness"))
    patch.setitem(NETWORKS, "unet", replace(NETWORKS["unet"], tasks=(*NETWORKS["unet"].tasks, NAME)))
    quantity = Quantity(
        "",
        above="oddness of {value}, more than {limit}",
        below="oddness of {value}, less than {limit}",
        asks="NG if the oddest place is odder than",
        fits=(Masks,),
        measure=_oddness,
        decimals=2,
    )
    patch.setitem(QUANTITIES, "oddness", quantity)
