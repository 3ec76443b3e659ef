"""The interface of a task: encode, loss, decode, metrics and the texts about its answers.

To add a task: one file with a `Task`, one line in `core.registry.TASKS`. Abstract methods must be implemented; all others have
a default.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from inspector.bundles.bundle import Card
from inspector.core.message import Message
from inspector.core.registry import LOSSES, NETWORKS, TASKS, Entry, find
from inspector.core.types import Annotation, Answer, Floats, Frame, Prediction, Region, TaskName
from inspector.imaging.preprocessing import InputSpec, Prepared, View
from inspector.runs.report import Confusion, Curve, Interval
from inspector.tasks.statistics.mistakes import Mistake
from inspector.tasks.statistics.thresholds import Rated

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class DefaultRule:
    """A rule of a recipe as proposed by a task (see `recipes.recipe.Rule`)."""

    quantity: str
    limit: float
    review: float | None = None


@dataclass(frozen=True, slots=True)
class Sizing:
    """Limits from which `training.recommend` sizes a training.

    `usual`: side of the input in pixels; `usual_of_many`: the same for many images. `enlarged`: largest factor by which images
    may be enlarged. `object_px`: side in pixels that small objects should span in the input (`data.sizes`); for a detector two
    cells of its finest grid (8 px each); an edge or a class needs fewer. `thin_px`: width in pixels that cracks and scratches
    should keep. `seen`: images shown in all epochs together. `epochs`: smallest and largest number. `batch`: batch size, 0: the
    task's default; `batch_of_many`: for many images, 0: the usual one; `batch_of_few`: for few. `piece`: side of the pieces of
    a large input that are learnt, 0: none. `rates`: how a pretrained network learns; `rates_of_many`, `rates_of_few`: the same,
    or what differs. `larger`: whether a larger input is worth offering.
    """

    usual: int
    object_px: int
    seen: int
    epochs: tuple[int, int] = (20, 100)
    usual_of_many: int = 0
    thin_px: float = 2.5
    enlarged: float = 1.0
    batch: int = 0
    batch_of_many: int = 0
    batch_of_few: int = 8
    piece: int = 0
    rates: Mapping[str, float] = field(default_factory=lambda: {"lr": 1e-3, "backbone_rate": 0.5})
    rates_of_many: Mapping[str, float] = field(default_factory=dict)
    rates_of_few: Mapping[str, float] = field(default_factory=dict)
    larger: bool = True


Target = Mapping[str, NDArray[Any]]
ParityUnit = Literal["score", "kelvin"]
Mirrors = Literal["", "same", "mirrored", "points"]
DEFAULT_THRESHOLD = 0.5  # decision threshold of a card that names none


class Metrics(ABC):
    """Quality over many frames. `primary` names the number that selects the best epoch (larger is better)."""

    primary: ClassVar[str]
    best: ClassVar[float] = 1.0  # upper bound of `primary`

    @abstractmethod
    def update(self, prediction: Prediction, truth: Annotation, *, group: str = "") -> None:
        """Add one frame. Frames of one `group` show the same part or lot; a frame without a group counts as its own group."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Add the frames of `other`, which must have the same classes."""

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """Return all numbers so far, including `primary`."""

    @abstractmethod
    def intervals(self, *, seed: int = 0) -> dict[str, Interval]:
        """Return the numbers of `compute` with their 95 % confidence intervals (see `tasks.intervals`), under the
        same names.
        """

    @abstractmethod
    def support(self) -> dict[str, int]:
        """Return the number of samples or objects of each class."""

    def chance(self) -> float:
        """Return the best value of `primary` for answers that do not depend on the frame."""
        return 0.0

    def confusion_table(self) -> Confusion | None:
        """Return the confusion table; None for tasks without classes."""
        return None

    def curves(self) -> tuple[Curve, ...]:
        """Return the precision-recall curve of each class."""
        return ()


class Task(ABC):
    """One kind of problem. `decode` and the metrics use numpy only; every engine and validation share them."""

    name: ClassVar[TaskName]
    answer: ClassVar[type[Answer]]  # the kind of answer that `decode` returns
    proposal: ClassVar[DefaultRule | None] = None  # a rule to start from, for tasks without a default rule
    threshold_key: ClassVar[str] = "score"  # key of the decision threshold in a card; "": none
    unit: ClassVar[ParityUnit] = "score"  # unit of `difference`
    thresholds: ClassVar[Mapping[str, float]] = {}  # initial thresholds of a card
    lowest: ClassVar[float] = 0.0  # lowest decision threshold that may be chosen
    varied: ClassVar[bool] = True  # vary images in light and geometry during training; if False they are only mirrored
    cutout: ClassVar[bool] = False  # also cover pieces of the images, because labels carry no position
    # How answers to mirrored frames are averaged: not at all (""), unchanged, mirrored back, or point by mirrored point.
    mirrors: ClassVar[Mirrors] = ""
    scaled: ClassVar[bool] = False  # whether `scaling` returns anything
    sizing: ClassVar[Sizing] = Sizing(usual=224, object_px=12, seen=12_000)
    cam: ClassVar[Literal["gradcam", "layercam"]] = "gradcam"  # default method of a heat map
    explained: ClassVar[str] = "class {name} (score {target:.2f})"  # text for the number that a heat map explains
    tiled: ClassVar[bool] = False  # whether large images may be answered tile by tile (`join`)
    class_measure: ClassVar[str] = ""  # name of the number by which classes are compared

    @abstractmethod
    def outputs(self, card: Card) -> int:
        """Return the number of output channels for this card's classes and options."""

    @abstractmethod
    def encode(self, truth: Annotation, card: Card, view: View) -> Target:
        """Return the truth of one frame as named arrays in the network's input geometry.

        The loader collates them into batches.
        """

    @abstractmethod
    def decode(self, raw: Floats, card: Card, views: Sequence[View], frames: Sequence[Frame]) -> list[Prediction]:
        """Decode graph outputs [N, ...] into one Prediction per frame. The graph has already applied `activation`."""

    def join(self, found: Sequence[tuple[Region, Answer]], region: Region, card: Card) -> Answer:
        """Return the answer for a region from those for its tiles. Raises TypeError for a task that is not `tiled`."""
        raise TypeError(f"{self.name} answers for whole images")

    @abstractmethod
    def metrics(self, card: Card) -> Metrics:
        """Return an empty accumulator."""

    @abstractmethod
    def headline(self, numbers: Mapping[str, Interval], images: int) -> Message:
        """Return the result of a test in one sentence. `numbers` come from `Metrics.intervals`."""

    def output_shape(self, card: Card) -> tuple[int | None, ...]:
        """Return the shape of the graph's output for one frame; None stands for any length."""
        return (self.outputs(card),)

    def scaling(self, pixels: Prepared, targets: Target) -> Mapping[str, tuple[float, ...]]:
        """Return the `mean`, `std` and target scaling that the card takes from the training data; empty by default.

        They replace the network's own normalisation. `pixels` [N, H, W, C] are some of the inputs, `targets` all of them.
        """
        return {}

    @abstractmethod
    def truth(self, target: Target, spec: InputSpec) -> Annotation:
        """Decode the result of `encode` into the annotation of a frame that is the network's input."""

    @abstractmethod
    def ideal(self, truth: Annotation, card: Card) -> Answer:
        """Return the answer of a faultless network. Raises ValueError if the truth has no label of this task."""

    @abstractmethod
    def default_rules(self, thresholds: Mapping[str, float]) -> tuple[DefaultRule, ...]:
        """Return the rules for a bundle whose recipe has none. `thresholds`: the card's, overridden by the recipe's."""

    @abstractmethod
    def difference(self, one: Prediction, other: Prediction, card: Card) -> float:
        """Return the largest difference between two predictions of a frame, in `unit`."""

    @abstractmethod
    def mistake(self, prediction: Prediction, truth: Annotation, card: Card) -> Mistake | None:
        """Return the mistake in a prediction; None if the prediction is right or the truth is unknown."""

    def differs(self, one: Prediction, other: Prediction, card: Card) -> bool:
        """Return whether two predictions of a frame differ in content, whatever their `decision`."""
        return False

    def decision(self, prediction: Prediction, truth: Annotation, card: Card) -> object:
        """Return the outcome of the task's default rule, for comparison with that of another prediction."""
        rated = self.rate(prediction, truth, card)
        return None if rated is None else rated.verdict(self.threshold(card))

    def rate(self, prediction: Prediction, truth: Annotation, card: Card, *, group: str = "") -> Rated | None:
        """Return the frame's rating for choosing a decision threshold.

        None if the default rule has no threshold or the truth is unknown.
        """
        return None

    def may_mirror(self, card: Card) -> bool:
        """Return whether answers to mirrored frames can be averaged for this card's network and input."""
        return bool(self.mirrors)

    def mirrored_back(self, raw: "torch.Tensor", axes: Sequence[int], card: Card) -> "torch.Tensor":
        """Return the network's own output [N, ...] for frames mirrored along `axes` as it lies on the frames themselves.

        `axes`: of frames [N, H, W, C], 1 or 2 or both or none.
        """
        return raw

    def threshold(self, card: Card) -> float:
        """Return the card's decision threshold."""
        return card.thresholds.get(self.threshold_key, DEFAULT_THRESHOLD)

    def loss(self, out: "torch.Tensor", target: "Mapping[str, torch.Tensor]", card: Card) -> "torch.Tensor":
        """Return the scalar loss of the network's own output [N, ...] (before `activation`) against collated targets."""
        value: torch.Tensor = loss_of(self.name, card).load()().loss(out, target, card)
        return value

    def activation(self, out: "torch.Tensor", card: Card) -> "torch.Tensor":
        """Convert the network's own output to the exported graph's: probabilities, box fractions or kelvin."""
        value: torch.Tensor = loss_of(self.name, card).load()().activation(out, card)
        return value


def percent(share: float) -> str:
    """Format a share as a percentage for a sentence."""
    return f"{share * 100:.1f}"


def shares(interval: Interval) -> dict[str, str]:
    """Format a share and its interval as the values of a sentence."""
    return {"value": percent(interval.value), "low": percent(interval.low), "high": percent(interval.high)}


def defect_classes(card: Card) -> tuple[int, ...]:
    """Return the indices of the classes that are not good."""
    return tuple(index for index, name in enumerate(card.classes) if name not in card.ok_classes)


def card_threshold(card: Card) -> float:
    """Return the decision threshold of a card."""
    return task_of(card.task).threshold(card)


def task_of(name: str) -> Task:
    """Return the task called `name`. Raises ConfigError if there is none."""
    task: Task = find(TASKS, name, "task").load()()
    return task


def loss_of(task: TaskName, card: Card) -> Entry:
    """Return the loss and activation for the card's network: its own, otherwise the task's."""
    network = NETWORKS.get(card.network)
    return LOSSES[(network.loss if network else "") or task]


def softmax(logits: Floats, axis: int = -1) -> Floats:
    """Return the softmax of `logits` in float32, stable for large values."""
    shifted = np.exp(logits - logits.max(axis=axis, keepdims=True))
    result: Floats = (shifted / shifted.sum(axis=axis, keepdims=True)).astype(np.float32)
    return result
