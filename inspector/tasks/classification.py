"""Classification: which of the classes a region shows."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.images import View
from inspector.core.types import Annotation, Floats, Frame, Prediction, TaskName
from inspector.tasks.base import Target, Task
from inspector.tasks.metrics import ClassificationMetrics


class Classification(Task):
    """One label a region. Graph output: probabilities [N, C]."""

    name: ClassVar[TaskName] = "classification"

    def outputs(self, card: Card) -> int:
        """One logit a class."""
        return len(card.classes)

    def encode(self, truth: Annotation, card: Card, view: View) -> Target:
        """`label`: int64 scalar; `confidence`: float32 scalar, how sure it is.

        Raises ConfigError if the frame has no label or one that the card does not know.
        """
        if truth.label is None or not 0 <= truth.label < len(card.classes):
            raise ConfigError(
                "A frame has the label {label}, but the classes are {classes}.",
                remedy="Put every frame into the folder of its class.",
                label=truth.label,
                classes=", ".join(card.classes),
            )
        return {"label": np.array(truth.label, np.int64), "confidence": np.array(truth.confidence, np.float32)}

    def decode(self, raw: Floats, card: Card, views: Sequence[View], frames: Sequence[Frame]) -> list[Prediction]:
        """Probabilities float32 [N, C] -> `scores`."""
        return [
            Prediction(card.name, self.name, view.camera, card.classes, view.region, scores=scores)
            for scores, view in zip(np.array(raw, np.float32), views, strict=True)
        ]

    def metrics(self, card: Card) -> ClassificationMetrics:
        return ClassificationMetrics(card.classes)
