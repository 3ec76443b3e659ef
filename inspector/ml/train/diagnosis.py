"""Diagnosis of a training: whether it learns, which epoch is best, and the likely cause if it does not learn."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from inspector.bundles.bundle import Card
from inspector.core.message import Message, message
from inspector.core.registry import NETWORKS
from inspector.ml.train.checkpoint import Best
from inspector.ml.train.loading.dataset import Inputs
from inspector.runs.measures import measure_of
from inspector.runs.settings import TrainSettings

_MARGIN = 0.02  # smallest improvement over chance that counts as learnt, as a share of chance or of one half
_FIRST_LOOK, _SHARE, _LAST_LOOK = 3, 0.15, 10  # epochs after which a message says that nothing is learnt yet
_LOOKED_AT = 200  # most images in which objects are measured
_TINY_PX = 6  # objects narrower than this in the input are hard to find
_STEADY, _FALLEN, _RISEN = 0.98, 0.9, 1.15  # relative to the loss at the start, or to its minimum


def learnt(value: float, chance: float) -> bool:
    """Return whether the primary number of an epoch is better than `chance`, that of answers which ignore the image.

    True if `chance` is unknown.
    """
    return not math.isfinite(chance) or value > chance + _MARGIN * max(abs(chance), 0.5)


def is_better(value: float, loss: float, best: Best | None, chance: float) -> bool:
    """Return whether an epoch is better than the best so far.

    The primary number decides if it is informative, otherwise the loss on validation images.
    """
    if best is None:
        return True
    if learnt(value, chance) or learnt(best.value, chance):
        return value > best.value
    return loss < best.loss or (not math.isfinite(best.loss) and math.isfinite(loss))


def look_after(epochs: int) -> int:
    """Return the epoch, counted from 1, after which a training of this length should have learnt something."""
    return min(max(_FIRST_LOOK, math.ceil(_SHARE * epochs)), _LAST_LOOK)


def nothing_learnt(
    card: Card, settings: TrainSettings, curve: Sequence[Mapping[str, Any]], chance: float, object_px: float | None
) -> tuple[Message, Message]:
    """Return the message that nothing was learnt in the validated epochs of `curve`, and the likely cause with the next step.

    `object_px`: see `narrow_side`.
    """
    last = curve[-1]
    name, value = str(last["name"]), max(float(row["value"]) for row in curve)
    measure = measure_of(name.removeprefix("minus_"))
    label = measure.label if measure is not None else name
    values = {"epochs": last["epoch"], "name": label, "value": f"{abs(value):.3g}"}
    said = (
        message(
            "After {epochs} {epochs:|epoch|epochs} the network finds nothing in the validation images ({name} {value}).",
            **values,
        )
        if chance == 0
        else message(
            "After {epochs} {epochs:|epoch|epochs} the network has learnt nothing: {name} on validation images is "
            "{value}, and answers that "
            "ignore the image reach {chance}.",
            chance=f"{abs(chance):.3g}",
            **values,
        )
    )
    return said, _cause(card, settings, curve, object_px)


def _cause(card: Card, settings: TrainSettings, curve: Sequence[Mapping[str, Any]], object_px: float | None) -> Message:
    """Return the likely cause and the next step."""
    losses, checked = ([float(row[name]) for row in curve] for name in ("loss", "val_loss"))
    if len(curve) < _FIRST_LOOK:
        return message("That was too short to learn anything: train for more epochs, and allow the time for them.")
    if losses[-1] > _STEADY * losses[0]:
        return message(
            "The loss does not fall: the learning rate is too large, or the labels do not belong to the images. Try a learning "
            "rate of {rate}, and look at some labelled images in the preview.",
            rate=f"{settings.lr / 5:.2g}",
        )
    if losses[-1] > _FALLEN * losses[0]:
        return message(
            "The loss falls very slowly: train for more epochs, or with a learning rate of {rate}.",
            rate=f"{settings.lr * 5:.2g}",
        )
    if object_px is not None and object_px < _TINY_PX:
        return message(
            "Half of the labelled objects are narrower than {px} px in an input of {width} x {height} px. Use a larger input, "
            "or cut the images into pieces.",
            px=f"{object_px:.1f}",
            width=card.input.width,
            height=card.input.height,
        )
    if checked[-1] > _RISEN * min(checked):
        return message(
            "The loss falls on training images and rises on validation images: the network learns its images by heart. Add "
            "images, or choose a stronger augmentation."
        )
    if NETWORKS[settings.network].pretrained and not settings.pretrained:
        return message(
            "It started from nothing. Start from weights that know pictures already (start weights: imagenet), or train for "
            "more epochs."
        )
    return message("The loss still falls: train for more epochs, or choose another network.")


def narrow_side(inputs: Inputs) -> float | None:
    """Return the median shorter side of the labelled boxes in pixels of the input; None without boxes."""
    sides: list[float] = []
    for index in range(0, len(inputs), max(1, len(inputs) // _LOOKED_AT)):
        sample = inputs.readable(index)
        if "boxes" not in sample.target:
            return None
        height, width = sample.pixels.shape[:2]
        boxes = sample.target["boxes"][sample.target["classes"] >= 0]
        sides.extend((boxes[:, 2:] * (width, height)).min(axis=1).tolist())
    return float(median(sides)) if sides else None
