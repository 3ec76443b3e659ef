"""Does a variant of a bundle judge as the trained network does? Numpy only, for any engine."""

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
from inspector.core.types import KELVIN_AT_0_C, Annotation, Boxes, Floats, Precision, Prediction
from inspector.tasks.base import task_of
from inspector.tasks.boxes import box_iou
from inspector.tasks.masks import class_map
from inspector.tasks.thresholds import card_threshold, rate

MAX_DROP = 0.01  # of the metric (macro F1, mAP, dice); thermal: times KELVIN
KELVIN = 20.0  # what limits for temperatures are shares of: thermal cameras are right to 2 K, and a tenth of that is 1 %
_MATCH = 0.5  # IoU from which two boxes or areas are the same one
_NEAR = 0.1  # a box that one side sees must reach the threshold less this on the other
_FLIPS = 0.02  # share of the images whose verdict may differ
# Accepted mean difference: of scores; of temperatures, times KELVIN.
_MEAN: Mapping[Precision, float] = MappingProxyType({"fp32": 0.001, "fp16": 0.01, "bf16": 0.02, "int8": 0.05})
_KELVIN_APART = 5.0  # temperatures further apart than this are another verdict, whatever the limit of the recipe


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest accepted drop of the metric, share of flips, and mean difference; of temperatures as shares of KELVIN."""

    drop: float = MAX_DROP
    flips: float = _FLIPS
    mean: float = _MEAN["int8"]


def limits_for(precision: Precision, *, max_drop: float = MAX_DROP) -> Limits:
    """Return what is accepted of a variant of this precision."""
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
    """Hold a variant's predictions against the trained network's, frame by frame, and both against the truth.

    `files`: SHA-256 of what the comparison holds for. Raises ValueError without frames.
    """
    differences = [difference(one, other, card) for one, other in zip(expected, found, strict=True)]
    flips = [
        _verdict(one, truth, card) != _verdict(other, truth, card) or _apart(one, other, card)
        for one, other, truth in zip(expected, found, truths, strict=True)
    ]
    metric = task_of(card.task).metrics(card).primary
    scale = KELVIN if card.task == "thermal" else 1.0
    parity = Parity(
        images=len(differences),
        unit="kelvin" if card.task == "thermal" else "score",
        max_difference=max(differences),
        mean_difference=float(np.mean(differences)),
        flips=sum(flips),
        metric=metric,
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
    """Return the task's metric that chooses the best epoch."""
    metrics = task_of(card.task).metrics(card)
    for prediction, truth in zip(predictions, truths, strict=True):
        metrics.update(prediction, truth)
    return float(metrics.compute()[metrics.primary])


def excess(parity: Parity) -> float:
    """Return how far a variant is from its limits: 1 is just accepted, 0 is no difference at all."""
    tiny = 1e-9  # a limit of 0 is one, too
    drop = (parity.drop - tiny) / max(parity.max_drop, tiny)
    return max(0.0, drop, parity.flips / (parity.max_flips + 0.5), parity.mean_difference / parity.max_mean)


def difference(one: Prediction, other: Prediction, card: Card) -> float:
    """Return how far two predictions of a frame are apart: of scores 0..1, of temperatures in kelvin; the largest in the frame.

    Boxes: scores of those that match (same class, IoU of at least one half), the whole score of one without a match, of the
    boxes that reach the threshold on either side. Masks: the mean over the pixels that either side calls a defect.
    """
    if one.scores is not None and other.scores is not None:
        return float(np.abs(one.scores - other.scores).max())
    if one.boxes is not None and other.boxes is not None:
        limit = card_threshold(card)
        sides = ((one.boxes, other.boxes), (other.boxes, one.boxes))
        return float(max(np.abs(_gaps(own, others, limit)).max(initial=0.0) for own, others in sides))
    if one.mask is not None and other.mask is not None:
        limit = round(card_threshold(card) * 255)
        seen = (one.mask >= limit) | (other.mask >= limit)
        apart = np.abs(one.mask.astype(np.int16) - other.mask.astype(np.int16))
        return float(apart[seen].mean() / 255) if seen.any() else 0.0
    return float(np.abs(_kelvin(one) - _kelvin(other)).max())


def _gaps(own: Boxes, others: Boxes, limit: float) -> Floats:
    """For each of `own` that reaches the limit: its score less that of the best match among `others`, 0 where there is none."""
    seen = own.at_least(limit)
    same = seen.classes[:, None] == others.classes[None, :]
    matches = (box_iou(seen.xyxy, others.xyxy) >= _MATCH) & same
    best = np.where(matches, others.scores[None, :], 0.0).max(axis=1, initial=0.0)
    gaps: Floats = (seen.scores - best).astype(np.float32)
    return gaps


def _apart(one: Prediction, other: Prediction, card: Card) -> bool:
    """Return whether they see other things, whatever the verdict is."""
    limit = card_threshold(card)
    if one.boxes is not None and other.boxes is not None:
        # The best match must at least come near the threshold: at the threshold itself, chance decides.
        return any(
            bool((own.at_least(limit).scores - _gaps(own, others, limit) < limit - _NEAR).any())
            for own, others in ((one.boxes, other.boxes), (other.boxes, one.boxes))
        )
    if one.mask is not None and other.mask is not None:
        first, second = class_map(one, limit), class_map(other, limit)
        union = np.count_nonzero((first > 0) | (second > 0))
        return bool(np.count_nonzero((first == second) & (first > 0)) < _MATCH * union)
    if one.temperatures is not None:
        return bool(np.abs(_kelvin(one) - _kelvin(other)).max() > _KELVIN_APART)
    return False


def _verdict(prediction: Prediction, truth: Annotation, card: Card) -> object:
    """Return what the bundle's own rule makes of it, and the class it names."""
    rated = rate(prediction, truth, card)
    verdict = None if rated is None else rated.verdict(card_threshold(card))
    hot = card.thresholds.get("hot_celsius")
    if prediction.temperatures is not None and hot is not None:
        return bool(_kelvin(prediction)[0] > hot + KELVIN_AT_0_C)
    return verdict, None if prediction.scores is None else int(prediction.scores.argmax())


def _kelvin(prediction: Prediction) -> Floats:
    """Return what the network says of the temperatures, also where they were measured."""
    assert prediction.temperatures is not None
    known = prediction.temperatures
    return np.asarray(known.predicted or (known.maximum, known.mean, known.minimum), np.float32)


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
