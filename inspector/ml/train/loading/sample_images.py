"""Pictures of some validation samples, epoch after epoch: truth and prediction side by side."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import PIL.Image

from inspector.bundles.bundle import Card
from inspector.core.types import Masks, Prediction
from inspector.data.samples import Sample
from inspector.imaging.visible import Picture, visible
from inspector.ml.evaluate import Infer, Item, predict_items
from inspector.tasks.base import task_of
from inspector.tasks.drawing import Pen, draw_prediction, fitted, jpeg, tint

SHOWN = 6
_SHORTEST, _LONGEST = 256, 384  # px, limits of the longer side of either half of a picture
_GAP = 6  # px between the halves
_EVERY_S = 10.0  # seconds between pictures,
_CHEAP = 0.02  # or less, if pictures take at most this share of the epoch


class Pace:
    """Decides when pictures are due."""

    def __init__(self) -> None:
        self._last = -np.inf
        self._cost = 0.0

    def due(self, epoch_s: float) -> bool:
        """Return whether pictures are due after an epoch of `epoch_s` seconds."""
        return time.monotonic() - self._last >= _EVERY_S or self._cost <= _CHEAP * epoch_s

    def done(self, seconds: float) -> None:
        """Note how long the pictures took."""
        self._last, self._cost = time.monotonic(), seconds


def chosen(samples: Sequence[Sample], count: int = SHOWN) -> list[int]:
    """Return the indices of the samples to show: deterministic, with every class in turn."""
    by_stratum: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        by_stratum[sample.stratum].append(index)
    ranked = sorted((rank, name, index) for name, members in by_stratum.items() for rank, index in enumerate(members))
    return sorted(index for _, _, index in ranked[:count])


def sample_pictures(infer: Infer, card: Card, items: Sequence[Item]) -> list[bytes]:
    """Return one JPEG per item: truth on the left, prediction on the right."""
    task = task_of(card.task)
    threshold = task.threshold(card)
    pictures = []
    for item, prediction in predict_items(infer, card, items, batch=SHOWN):
        left = _half(item, replace(prediction, answer=task.ideal(item.truth, card)), threshold, scores=False)
        right = _half(item, prediction, threshold, scores=True)
        gap = np.full((left.shape[0], _GAP, 3), 255, np.uint8)
        pictures.append(jpeg(np.hstack([left, gap, right])))
    return pictures


def _half(item: Item, prediction: Prediction, threshold: float, *, scores: bool) -> Picture:
    picture = visible(item.frame)
    if isinstance(prediction.answer, Masks):
        tint(picture, prediction, threshold)
    large, scale = fitted(picture, shortest=_SHORTEST, longest=_LONGEST)
    image = PIL.Image.fromarray(large)
    draw_prediction(Pen(image, scale), prediction, threshold, scores=scores)
    return np.asarray(image, np.uint8)
