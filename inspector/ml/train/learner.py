"""The interface of every entry of LEARNERS: learning a task from prepared inputs. Gradient descent is one (`ml.train.fit`)."""

from collections.abc import Sequence
from typing import Protocol

from torch import nn

from inspector.bundles.bundle import Card
from inspector.core.message import Message
from inspector.core.registry import LEARNERS, TASKS
from inspector.ml.graph import Graph
from inspector.ml.train.checkpoint import Best
from inspector.ml.train.loading.dataset import Inputs
from inspector.ml.train.run_folder import RunFolder
from inspector.runs.settings import TrainSettings
from inspector.workers.messages import Report


class Learner(Protocol):
    """One training. After `run()`, `best` holds the result, and `load_best()` loads it into the graph."""

    settings: TrainSettings
    card: Card
    inputs: dict[str, Inputs]
    folder: RunFolder | None
    best: Best | None
    epochs_done: int

    @property
    def seconds(self) -> float:
        """Return the training time in seconds, without pauses."""

    def run(self, *, resume: bool = False) -> None:
        """Train. `resume`: continue from the state on disk. Raises Cancelled, JobError, StorageError or ConfigError."""

    def nothing_learnt(self) -> Sequence[Message]:
        """Return why the best result is no better than chance, with the next step; empty if it is better."""

    def load_best(self) -> Graph:
        """Return the graph with the best weights, in evaluation mode."""


def learner_for(
    settings: TrainSettings,
    card: Card,
    network: nn.Module,
    inputs: dict[str, Inputs],
    report: Report,
    *,
    folder: RunFolder | None = None,
) -> Learner:
    """Return the learner of the task, ready to run. `folder`: where it saves its state; None: nowhere."""
    learner: Learner = LEARNERS[TASKS[settings.task].learner].load()(settings, card, network, inputs, report, folder=folder)
    return learner
