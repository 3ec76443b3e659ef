"""What the network says of a few validation samples, epoch after epoch: the truth, and beside it the prediction."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import PIL.Image

from inspector.bundles.bundle import Card
from inspector.core.pictures import Picture, visible
from inspector.core.types import Masks, Prediction
from inspector.data.samples import Sample
from inspector.ml.evaluate import Infer, Item, predict_items
from inspector.tasks.base import task_of
from inspector.tasks.drawing import Pen, draw_prediction, fitted, jpeg, tint

SHOWN = 6
_SHORTEST, _LONGEST = 256, 384  # px of the longer side of a picture's halves
_GAP = 6  # px between them
_EVERY_S = 10.0  # pictures are made no more often,
_CHEAP = 0.02  # unless they take no more than this share of the epoch


class Pace:
    """Whether it is time for pictures again."""

    def __init__(self) -> None:
        self._last = -np.inf
        self._cost = 0.0

    def due(self, epoch_s: float) -> bool:
        """After an epoch of so many seconds."""
        return time.monotonic() - self._last >= _EVERY_S or self._cost <= _CHEAP * epoch_s

    def done(self, seconds: float) -> None:
        """They took so long."""
        self._last, self._cost = time.monotonic(), seconds


def chosen(samples: Sequence[Sample], count: int = SHOWN) -> list[int]:
    """Indices of the samples that are shown: the same for the same samples, and every class in turn."""
    by_stratum: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        by_stratum[sample.stratum].append(index)
    ranked = sorted((rank, name, index) for name, members in by_stratum.items() for rank, index in enumerate(members))
    return sorted(index for _, _, index in ranked[:count])


def sample_pictures(infer: Infer, card: Card, items: Sequence[Item]) -> list[bytes]:
    """Return a JPEG each: left what is labelled, right what the network says."""
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
