"""The four methods that make a problem: encode, loss, decode, metrics."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from inspector.core.bundle import Card
from inspector.core.images import View
from inspector.core.registry import LOSSES, NETWORKS, TASKS, Entry, find
from inspector.core.report import Confusion, Curve, Interval
from inspector.core.types import Annotation, Floats, Frame, Prediction, TaskName

if TYPE_CHECKING:
    import torch

Target = Mapping[str, NDArray[Any]]


class Metrics(ABC):
    """Quality over many frames. `primary` names the number that chooses the best epoch (larger is better)."""

    primary: ClassVar[str]

    @abstractmethod
    def update(self, prediction: Prediction, truth: Annotation, *, group: str = "") -> None:
        """Take in one frame. Frames of one `group` show the same part or lot; without one a frame stands alone."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Take in what `other`, of the same classes, has seen."""

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """All numbers so far; `primary` is among them."""

    @abstractmethod
    def intervals(self, *, seed: int = 0) -> dict[str, Interval]:
        """The same numbers with their 95 % confidence intervals (`tasks.intervals`), by the same names."""

    @abstractmethod
    def support(self) -> dict[str, int]:
        """How many samples or objects of each class there were."""

    def chance(self) -> float:
        """What `primary` is at best for answers that do not depend on the frame."""
        return 0.0

    def confusion_table(self) -> Confusion | None:
        """What was taken for what; None where there are no classes."""
        return None

    def curves(self) -> tuple[Curve, ...]:
        """Precision over recall of each class."""
        return ()


class Task(ABC):
    """One kind of problem. `decode` and the metrics are numpy, shared by every engine and by validation."""

    name: ClassVar[TaskName]

    @abstractmethod
    def outputs(self, card: Card) -> int:
        """How many output channels the network needs for this card's classes and options."""

    @abstractmethod
    def encode(self, truth: Annotation, card: Card, view: View) -> Target:
        """The truth of one frame as named arrays at the network's input geometry, collated into batches by the loader."""

    @abstractmethod
    def decode(self, raw: Floats, card: Card, views: Sequence[View], frames: Sequence[Frame]) -> list[Prediction]:
        """Graph outputs [N, ...] -> one Prediction a frame. The graph has already applied `activation`."""

    @abstractmethod
    def metrics(self, card: Card) -> Metrics:
        """An empty accumulator."""

    def loss(self, out: "torch.Tensor", target: "Mapping[str, torch.Tensor]", card: Card) -> "torch.Tensor":
        """Scalar loss of the network's own (not yet activated) output [N, ...] against collated targets."""
        value: torch.Tensor = loss_of(self.name, card).load()().loss(out, target, card)
        return value

    def activation(self, out: "torch.Tensor", card: Card) -> "torch.Tensor":
        """What the exported graph ends with: class probabilities, box fractions, mask probabilities, kelvin."""
        value: torch.Tensor = loss_of(self.name, card).load()().activation(out, card)
        return value


def task_of(name: str) -> Task:
    """The task called `name`. Raises ConfigError."""
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
