"""Parity of a variant of a bundle with the trained network. numpy only, for any engine."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

import numpy as np

from inspector.bundles.bundle import Card
from inspector.bundles.variants import Parity
from inspector.core.message import Message, message
from inspector.core.sentence import sentence
from inspector.core.types import Annotation, Precision, Prediction
from inspector.tasks.base import task_of

MAX_DROP = 0.01  # largest accepted drop of the metric (macro F1, mAP, dice); thermal: times KELVIN
KELVIN = 20.0  # unit of the limits for temperatures: thermal cameras are accurate to 2 K, and a tenth of that is 1 %
_FLIPS = 0.02  # largest accepted share of images with a different verdict
# Largest accepted mean difference: of scores; of temperatures, times KELVIN.
_MEAN: Mapping[Precision, float] = MappingProxyType({"fp32": 0.001, "fp16": 0.01, "bf16": 0.02, "int8": 0.05})


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest accepted drop of the metric, share of changed verdicts, and mean difference.

    For temperatures these are shares of KELVIN.
    """

    drop: float = MAX_DROP
    flips: float = _FLIPS
    mean: float = _MEAN["int8"]


def limits_for(precision: Precision, *, max_drop: float = MAX_DROP) -> Limits:
    """Return the limits for a variant of this precision."""
    return Limits(drop=max_drop, mean=_MEAN[precision])


def compare(
    expected: Sequence[Prediction],
    found: Sequence[Prediction],
    truths: Sequence[Annotation],
    card: Card,
    *,
    limits: Limits,
    files: Mapping[str, str],
) -> Parity:
    """Compare a variant's predictions with the trained network's, frame by frame, and both with the truth.

    `files`: SHA-256 of the files for which the comparison is valid. Raises ValueError without frames.
    """
    task = task_of(card.task)
    differences = [task.difference(one, other, card) for one, other in zip(expected, found, strict=True)]
    flips = [
        task.decision(one, truth, card) != task.decision(other, truth, card) or task.differs(one, other, card)
        for one, other, truth in zip(expected, found, truths, strict=True)
    ]
    scale = KELVIN if task.unit == "kelvin" else 1.0
    parity = Parity(
        images=len(differences),
        unit=task.unit,
        max_difference=max(differences),
        mean_difference=float(np.mean(differences)),
        flips=sum(flips),
        metric=task.metrics(card).primary,
        before=quality(expected, truths, card),
        after=quality(found, truths, card),
        max_drop=limits.drop * scale,
        max_flips=math.floor(limits.flips * len(flips)),
        max_mean=limits.mean * scale,
        files=files,
        checked=datetime.now(UTC),
    )
    reason = _refusal(parity)
    return parity if reason is None else parity.model_copy(update={"refused": sentence(reason)})


def quality(predictions: Sequence[Prediction], truths: Sequence[Annotation], card: Card) -> float:
    """Return the task's primary metric."""
    metrics = task_of(card.task).metrics(card)
    for prediction, truth in zip(predictions, truths, strict=True):
        metrics.update(prediction, truth)
    return float(metrics.compute()[metrics.primary])


def excess(parity: Parity) -> float:
    """Return the variant's largest difference relative to its limits: 1 is just accepted, 0 is no difference."""
    tiny = 1e-9  # avoids division by a limit of 0
    drop = (parity.drop - tiny) / max(parity.max_drop, tiny)
    return max(0.0, drop, parity.flips / (parity.max_flips + 0.5), parity.mean_difference / parity.max_mean)


def _refusal(parity: Parity) -> Message | None:
    if parity.flips > parity.max_flips:
        return message(
            "it judges {flips} of {images} reference images differently from the trained network, more than {limit}.",
            flips=parity.flips,
            images=parity.images,
            limit=parity.max_flips,
        )
    if parity.mean_difference > parity.max_mean:
        return message(
            "its {unit} differs from the trained network's by {difference:.3g} on average, more than {limit:.3g}.",
            unit=parity.unit,
            difference=parity.mean_difference,
            limit=parity.max_mean,
        )
    if parity.drop > parity.max_drop:
        return message(
            "its {metric} on the reference images is {after:.4g}, the trained network's {before:.4g}: over {limit:.3g} lower.",
            metric=parity.metric,
            after=parity.after,
            before=parity.before,
            limit=parity.max_drop,
        )
    return None
