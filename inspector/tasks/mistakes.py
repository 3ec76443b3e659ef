"""What is wrong with one prediction, and how badly: for the list of worst errors."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from inspector.core.bundle import Card
from inspector.core.types import IGNORE, Annotation, Boxes, Prediction
from inspector.tasks.boxes import box_iou, in_region
from inspector.tasks.masks import class_map
from inspector.tasks.thresholds import card_threshold

_OVERLAP = 0.5  # IoU from which a box counts as found
_WELL_FOUND = 0.8  # Dice of a frame from which it is no mistake
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Mistake:
    """`truth` and `said` as a person would say them. `severity` orders mistakes of one task. `score`: how sure the network was.

    `focus` is the class whose heat map tells most, None for temperatures.
    """

    truth: str
    said: str
    severity: float
    score: float
    focus: int | None = None


def mistake(prediction: Prediction, truth: Annotation, card: Card) -> Mistake | None:
    """None where the prediction is right, or nothing is known about it."""
    if prediction.scores is not None and truth.label is not None:
        best = int(prediction.scores.argmax())
        score = float(prediction.scores[best])
        if best == truth.label:
            return None
        # A sure wrong answer is worse than a doubtful one, and a defect taken for good worse than the other way round.
        passed = card.classes[best] in card.ok_classes and card.classes[truth.label] not in card.ok_classes
        return Mistake(card.classes[truth.label], card.classes[best], score + passed, score, best)
    if prediction.boxes is not None and truth.boxes is not None:
        real = in_region(truth.boxes, prediction.region)
        return _boxes(prediction.boxes.at_least(card_threshold(card)), prediction.boxes, real, card)
    if prediction.mask is not None and truth.mask is not None:
        return _mask(prediction, truth, card)
    if prediction.temperatures is not None and truth.temperatures is not None:
        found = prediction.temperatures
        said = found.predicted or (found.maximum, found.mean, found.minimum)
        error = float(np.abs(np.subtract(said, truth.temperatures)).mean())
        return Mistake(_kelvin(truth.temperatures), _kelvin(said), error, error)
    return None


def _boxes(mine: Boxes, everything: Boxes, real: Boxes, card: Card) -> Mistake | None:
    """Objects that were not found, and boxes where none is; either of the wrong class counts as both."""
    iou = box_iou(mine.xyxy, real.xyxy) * (mine.classes[:, None] == real.classes[None, :])
    missed = ~(iou >= _OVERLAP).any(axis=0) if len(mine) else np.ones(len(real), bool)
    stray = ~(iou >= _OVERLAP).any(axis=1) if len(real) else np.ones(len(mine), bool)
    if not missed.any() and not stray.any():
        return None
    score = float(mine.scores[stray].max(initial=0.0))
    severity = float(missed.sum()) + float(mine.scores[stray].sum())
    focus = int(mine.classes[stray][mine.scores[stray].argmax()]) if stray.any() else int(real.classes[missed][0])
    if not stray.any():
        score = float(everything.scores.max(initial=0.0))
    return Mistake(_listed(real.classes.tolist(), card), _listed(mine.classes.tolist(), card), severity, score, focus)


def _mask(prediction: Prediction, truth: Annotation, card: Card) -> Mistake | None:
    assert truth.mask is not None
    region = prediction.region
    real = truth.mask[region.y : region.bottom, region.x : region.right]
    said = class_map(prediction, card_threshold(card))
    known = real != IGNORE  # elsewhere nobody knows what is right
    real, said = np.where(known, real, np.uint8(0)), np.where(known, said, np.uint8(0))
    both, total = int(((real == said) & (real > 0)).sum()), int((real > 0).sum() + (said > 0).sum())
    dice = 2 * both / total if total else 1.0
    if dice >= _WELL_FOUND:
        return None
    sizes = [np.bincount(part.ravel(), minlength=len(card.classes) + 1)[1:] for part in (real, said)]
    focus = int((sizes[1] if sizes[1].any() else sizes[0]).argmax())
    # Of two frames without any overlap, the one with more at stake is worse.
    severity = 1 - dice + min(total / real.size, 0.5)
    names = [_areas(size.tolist(), card) for size in sizes]
    return Mistake(names[0], names[1], severity, dice, focus)


def _listed(classes: Iterable[int], card: Card) -> str:
    counts = Counter(classes)
    return ", ".join(f"{count} {card.classes[index]}" for index, count in sorted(counts.items())) or _NOTHING


def _areas(sizes: list[int], card: Card) -> str:
    return ", ".join(f"{card.classes[index]} {size} px" for index, size in enumerate(sizes) if size) or _NOTHING


def _kelvin(values: tuple[float, float, float]) -> str:
    return " / ".join(f"{value:.1f} K" for value in values)
