"""What makes a problem: encode, loss, decode, metrics, and all else that is said about its answers.

To add a task: one file with a `Task`, one line in `core.registry.TASKS`. Whatever is abstract here must be said; the rest has
a default that a task may do without.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from inspector.bundles.bundle import Card
from inspector.core.images import InputSpec, Prepared, View
from inspector.core.message import Message
from inspector.core.registry import LOSSES, NETWORKS, TASKS, Entry, find
from inspector.core.types import Annotation, Answer, Floats, Frame, Prediction, TaskName
from inspector.runs.report import Confusion, Curve, Interval
from inspector.tasks.mistakes import Mistake
from inspector.tasks.thresholds import Rated

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class DefaultRule:
    """A rule of a recipe, as a task proposes it: see `recipes.recipe.Rule`."""

    quantity: str
    limit: float
    review: float | None = None


@dataclass(frozen=True, slots=True)
class Sizing:
    """How the advice sizes a training (see `training.recommend`, by whose rules these are used).

    `usual`: a side of the input in pixels, `usual_of_many` for many images. `enlarged`: over the images, at the most.
    `object_px`: pixels a side that the median object should span in the input: two cells of the detector's finest grid, which
    is 8 px; an edge or a class can be told from fewer. `seen`: images that are shown in all epochs together. `epochs`: the
    fewest and the most. `batch_of_many`: of many images, 0: as of few. `rates`, `rates_of_many`: of a network that knows
    pictures already. `larger`: whether a larger input is worth offering.
    """

    usual: int
    object_px: int
    seen: int
    epochs: tuple[int, int] = (20, 100)
    usual_of_many: int = 0
    enlarged: float = 1.0
    batch_of_many: int = 0
    rates: Mapping[str, float] = field(default_factory=lambda: {"lr": 1e-3, "backbone_rate": 0.5})
    rates_of_many: Mapping[str, float] = field(default_factory=dict)
    larger: bool = True


Target = Mapping[str, NDArray[Any]]
ParityUnit = Literal["score", "kelvin"]
Mirrors = Literal["", "same", "mirrored"]
DEFAULT_THRESHOLD = 0.5  # where a card has none


class Metrics(ABC):
    """Quality over many frames. `primary` names the number that chooses the best epoch (larger is better)."""

    primary: ClassVar[str]
    best: ClassVar[float] = 1.0  # what `primary` cannot exceed

    @abstractmethod
    def update(self, prediction: Prediction, truth: Annotation, *, group: str = "") -> None:
        """Take in one frame. Frames of one `group` show the same part or lot; without one a frame stands alone."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Take in what `other`, of the same classes, has seen."""

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """Return all numbers so far; `primary` is among them."""

    @abstractmethod
    def intervals(self, *, seed: int = 0) -> dict[str, Interval]:
        """Return the same numbers with their 95 % confidence intervals (`tasks.intervals`), by the same names."""

    @abstractmethod
    def support(self) -> dict[str, int]:
        """Return how many samples or objects of each class there were."""

    def chance(self) -> float:
        """Return what `primary` is at best for answers that do not depend on the frame."""
        return 0.0

    def confusion_table(self) -> Confusion | None:
        """Return what was taken for what; None where there are no classes."""
        return None

    def curves(self) -> tuple[Curve, ...]:
        """Precision over recall of each class."""
        return ()


class Task(ABC):
    """One kind of problem. `decode` and the metrics are numpy, shared by every engine and by validation."""

    name: ClassVar[TaskName]
    answer: ClassVar[type[Answer]]  # the kind that `decode` gives
    proposal: ClassVar[DefaultRule | None] = None  # for a person to start from, where there is no default rule
    threshold_key: ClassVar[str] = "score"  # of its decision threshold in a card; "": it has none
    unit: ClassVar[ParityUnit] = "score"  # of `difference`
    thresholds: ClassVar[Mapping[str, float]] = {}  # that a card begins with
    lowest: ClassVar[float] = 0.0  # decision threshold that may be chosen
    varied: ClassVar[bool] = True  # images are varied in light and geometry while it learns; else they are mirrored only
    cutout: ClassVar[bool] = False  # ... and pieces of them are covered, because labels do not say where something is
    mirrors: ClassVar[Mirrors] = ""  # what is said of a mirrored frame: nothing that could be averaged, the same, or mirrored
    scaled: ClassVar[bool] = False  # whether `scaling` has something to say
    sizing: ClassVar[Sizing] = Sizing(usual=224, object_px=12, seen=12_000)
    cam: ClassVar[Literal["gradcam", "layercam"]] = "gradcam"  # how it is explained, if nobody says
    explained: ClassVar[str] = "class {name} (score {target:.2f})"  # what a heat map explains
    class_measure: ClassVar[str] = ""  # the number by which classes are compared

    @abstractmethod
    def outputs(self, card: Card) -> int:
        """Return how many output channels the network needs for this card's classes and options."""

    @abstractmethod
    def encode(self, truth: Annotation, card: Card, view: View) -> Target:
        """Return the truth of one frame as named arrays at the network's input geometry, collated into batches by the
        loader.
        """

    @abstractmethod
    def decode(self, raw: Floats, card: Card, views: Sequence[View], frames: Sequence[Frame]) -> list[Prediction]:
        """Graph outputs [N, ...] -> one Prediction a frame. The graph has already applied `activation`."""

    @abstractmethod
    def metrics(self, card: Card) -> Metrics:
        """Return an empty accumulator."""

    @abstractmethod
    def headline(self, numbers: Mapping[str, Interval], images: int) -> Message:
        """Return the result of a test in one sentence. `numbers`: those of `Metrics.intervals`."""

    def output_shape(self, card: Card) -> tuple[int | None, ...]:
        """Return the shape of the graph's output for one frame; None where any number will do."""
        return (self.outputs(card),)

    def scaling(self, pixels: Prepared, targets: Target) -> Mapping[str, tuple[float, ...]]:
        """Return what the card takes from the training data instead of the network's own normalisation: its `mean` and
        `std`, and the scaling of the targets; nothing by default. `pixels` [N, H, W, C] are some of the inputs, `targets` all.
        """
        return {}

    @abstractmethod
    def truth(self, target: Target, spec: InputSpec) -> Annotation:
        """Return what `encode` made, as the annotation of a frame that is the network's input."""

    @abstractmethod
    def ideal(self, truth: Annotation, card: Card) -> Answer:
        """Return the answer of a faultless network. Raises ValueError where the truth has no label of this task."""

    @abstractmethod
    def default_rules(self, thresholds: Mapping[str, float]) -> tuple[DefaultRule, ...]:
        """Return rules for a bundle whose recipe has none. `thresholds`: the card's, with the recipe's written over them."""

    @abstractmethod
    def difference(self, one: Prediction, other: Prediction, card: Card) -> float:
        """Return how far two predictions of a frame are apart, in `unit`; the largest in the frame."""

    @abstractmethod
    def mistake(self, prediction: Prediction, truth: Annotation, card: Card) -> Mistake | None:
        """Return what is wrong with a prediction; None where it is right, or nothing is known about it."""

    def differs(self, one: Prediction, other: Prediction, card: Card) -> bool:
        """Return whether two predictions of a frame see other things, whatever their `decision` is."""
        return False

    def decision(self, prediction: Prediction, truth: Annotation, card: Card) -> object:
        """Return what the task's default rule makes of a prediction, to be compared with that of another."""
        rated = self.rate(prediction, truth, card)
        return None if rated is None else rated.verdict(self.threshold(card))

    def rate(self, prediction: Prediction, truth: Annotation, card: Card, *, group: str = "") -> Rated | None:
        """Return the frame as a decision threshold sees it; None where the default rule has no threshold, or the truth is
        unknown.
        """
        return None

    def threshold(self, card: Card) -> float:
        """Return the card's decision threshold."""
        return card.thresholds.get(self.threshold_key, DEFAULT_THRESHOLD)

    def loss(self, out: "torch.Tensor", target: "Mapping[str, torch.Tensor]", card: Card) -> "torch.Tensor":
        """Scalar loss of the network's own (not yet activated) output [N, ...] against collated targets."""
        value: torch.Tensor = loss_of(self.name, card).load()().loss(out, target, card)
        return value

    def activation(self, out: "torch.Tensor", card: Card) -> "torch.Tensor":
        """Return what the exported graph ends with: class probabilities, box fractions, mask probabilities, kelvin."""
        value: torch.Tensor = loss_of(self.name, card).load()().activation(out, card)
        return value


def percent(share: float) -> str:
    """Return a share for a sentence."""
    return f"{share * 100:.1f}"


def shares(interval: Interval) -> dict[str, str]:
    """Return a share with its interval, as the values of a sentence."""
    return {"value": percent(interval.value), "low": percent(interval.low), "high": percent(interval.high)}


def defect_classes(card: Card) -> tuple[int, ...]:
    """Return the indices of the classes that are not good ones."""
    return tuple(index for index, name in enumerate(card.classes) if name not in card.ok_classes)


def card_threshold(card: Card) -> float:
    """Return the decision threshold of a card."""
    return task_of(card.task).threshold(card)


def task_of(name: str) -> Task:
    """Return the task called `name`. Raises ConfigError."""
    task: Task = find(TASKS, name, "task").load()()
    return task


def loss_of(task: TaskName, card: Card) -> Entry:
    """Loss and activation for the outputs of the card's network: its own, or else the task's."""
    network = NETWORKS.get(card.network)
    return LOSSES[(network.loss if network else "") or task]


def softmax(logits: Floats, axis: int = -1) -> Floats:
    """Softmax in float32, stable for large logits."""
    shifted = np.exp(logits - logits.max(axis=axis, keepdims=True))
    result: Floats = (shifted / shifted.sum(axis=axis, keepdims=True)).astype(np.float32)
    return result
