"""Classification: which of the classes a region shows."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.message import ClassName, Message, message
from inspector.core.types import Annotation, Answer, Floats, Frame, Prediction, Scores, TaskName
from inspector.imaging.preprocessing import InputSpec, View
from inspector.runs.report import Interval
from inspector.tasks.base import DEFAULT_THRESHOLD, DefaultRule, Mirrors, Sizing, Target, Task, defect_classes, shares
from inspector.tasks.metrics import ClassificationMetrics
from inspector.tasks.statistics.mistakes import Mistake
from inspector.tasks.statistics.thresholds import NEVER, Rated


class Classification(Task):
    """Assigns one label to a region. Graph output: probabilities [N, C]."""

    name: ClassVar[TaskName] = "classification"
    answer: ClassVar[type[Answer]] = Scores
    lowest: ClassVar[float] = 0.5
    cutout: ClassVar[bool] = True
    mirrors: ClassVar[Mirrors] = "same"
    explained: ClassVar[str] = "class {name} (score before the softmax {target:.2f})"
    class_measure: ClassVar[str] = "f1"
    sizing: ClassVar[Sizing] = Sizing(
        usual=224,
        usual_of_many=256,
        object_px=12,
        seen=12_000,
        epochs=(12, 60),
        batch_of_many=32,
        rates={"lr": 5e-4},
        rates_of_many={"lr": 1e-3, "backbone_rate": 0.3},
        rates_of_few={"freeze_epochs": 3, "backbone_rate": 0.3},
    )

    def outputs(self, card: Card) -> int:
        """Return one logit per class."""
        return len(card.classes)

    def encode(self, truth: Annotation, card: Card, view: View) -> Target:
        """Return `label` (int64 scalar) and the `confidence` in it (float32 scalar).

        Raises ConfigError if the frame has no label or a label that the card does not know.
        """
        if truth.label is None or not 0 <= truth.label < len(card.classes):
            raise ConfigError(
                "A frame has the label {label}, but the classes are {classes}.",
                remedy="Put every frame into the folder of its class.",
                label=truth.label,
                classes=ClassName(", ".join(card.classes)),
            )
        return {"label": np.array(truth.label, np.int64), "confidence": np.array(truth.confidence, np.float32)}

    def decode(self, raw: Floats, card: Card, views: Sequence[View], frames: Sequence[Frame]) -> list[Prediction]:
        """Decode probabilities float32 [N, C] into `Scores`."""
        return [
            Prediction(card.name, self.name, view.camera, card.classes, view.region, Scores(scores))
            for scores, view in zip(np.array(raw, np.float32), views, strict=True)
        ]

    def metrics(self, card: Card) -> ClassificationMetrics:
        return ClassificationMetrics(card.classes)

    def headline(self, numbers: Mapping[str, Interval], images: int) -> Message:
        return message(
            "{value} % of {count} {count:|image was|images were} recognised (95 % confidence: {low} to {high} %).",
            count=images,
            **shares(numbers["accuracy"]),
        )

    def truth(self, target: Target, spec: InputSpec) -> Annotation:
        return Annotation(label=int(target["label"]))

    def ideal(self, truth: Annotation, card: Card) -> Scores:
        """Return a score of 1 for the labelled class."""
        if truth.label is None:
            raise ValueError("the frame has no label")
        return Scores(np.eye(len(card.classes), dtype=np.float32)[truth.label])

    def default_rules(self, thresholds: Mapping[str, float]) -> tuple[DefaultRule, ...]:
        """Return one rule: the most likely class must be good; below the threshold a person decides."""
        limit = thresholds.get(self.threshold_key, DEFAULT_THRESHOLD)
        return (DefaultRule("class", limit, review=limit),)

    def difference(self, one: Prediction, other: Prediction, card: Card) -> float:
        """Return the largest difference between the scores."""
        return float(np.abs(one.expect(Scores).values - other.expect(Scores).values).max())

    def decision(self, prediction: Prediction, truth: Annotation, card: Card) -> object:
        """Return the verdict of the default rule and the class."""
        return super().decision(prediction, truth, card), prediction.expect(Scores).best

    def rate(self, prediction: Prediction, truth: Annotation, card: Card, *, group: str = "") -> Rated | None:
        """Return the frame's rating; None if no class is good."""
        scores = prediction.expect(Scores)
        if truth.label is None or not card.ok_classes:
            return None
        wanted = defect_classes(card)
        score, bad = float(scores.values[scores.best]), scores.best in wanted
        return Rated(truth.label not in wanted, score if bad else NEVER, NEVER if bad else score, group)

    def mistake(self, prediction: Prediction, truth: Annotation, card: Card) -> Mistake | None:
        """Return a mistake if the class is not the labelled class."""
        scores = prediction.expect(Scores)
        best, score = scores.best, float(scores.values[scores.best])
        if truth.label is None or best == truth.label:
            return None
        # A confident wrong answer is worse than a doubtful one; a missed defect is worse than a false reject.
        passed = card.classes[best] in card.ok_classes and card.classes[truth.label] not in card.ok_classes
        return Mistake(card.classes[truth.label], card.classes[best], score + passed, score, best)
