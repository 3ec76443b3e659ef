"""Segmentation: which pixels belong to which class. Classes are independent; a pixel may be likely for several."""

from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.images import View
from inspector.core.types import Annotation, Floats, Frame, Prediction, TaskName
from inspector.tasks.base import Target, Task
from inspector.tasks.masks import MASK, class_planes, unknown_plane
from inspector.tasks.metrics import SegmentationMetrics


class Segmentation(Task):
    """A probability a class and pixel. Graph output: [N, K, h, w] at the input's size."""

    name: ClassVar[TaskName] = "segmentation"

    def outputs(self, card: Card) -> int:
        """One plane a class; background is the absence of all."""
        return len(card.classes)

    def encode(self, truth: Annotation, card: Card, view: View) -> Target:
        """`mask` uint8 [K, h, w]: the share of each input pixel that the class covers, times 255. Where the card says that
        masks have regions to ignore, `ignore` uint8 [1, h, w]: the share of those.

        Shares, not a vote: a scratch thinner than an input pixel still counts for what it covers. Raises ConfigError if the
        frame has no mask.
        """
        if truth.mask is None:
            raise ConfigError("A frame has no mask.", remedy="Give every frame a mask, an empty one if nothing is there.")
        region, content, count = view.region, view.content(card.input), len(card.classes)
        patch = truth.mask[region.y : region.bottom, region.x : region.right]
        drawn = [*class_planes(patch, count), *([unknown_plane(patch)] if card.training.get("ignored") else [])]
        planes = np.zeros((len(drawn), card.input.height, card.input.width), np.uint8)
        for plane, inside in zip(planes, drawn, strict=True):
            shrink = content.width <= region.width and content.height <= region.height
            method = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
            resized = cv2.resize(inside, (content.width, content.height), interpolation=method)
            plane[content.y : content.bottom, content.x : content.right] = resized
        return {"mask": planes} if len(drawn) == count else {"mask": planes[:count], "ignore": planes[count:]}

    def decode(self, raw: Floats, card: Card, views: Sequence[View], frames: Sequence[Frame]) -> list[Prediction]:
        """Probabilities float32 [N, K, h, w] -> `mask` uint8, cut to the part of the input that shows the region."""
        planes = to_bytes(raw)
        result = []
        for own, view in zip(planes, views, strict=True):
            content = view.content(card.input)
            mask = own[:, content.y : content.bottom, content.x : content.right]
            result.append(Prediction(card.name, self.name, view.camera, card.classes, view.region, mask=mask))
        return result

    def metrics(self, card: Card) -> SegmentationMetrics:
        return SegmentationMetrics(card.classes, threshold=card.thresholds.get("mask", MASK))


def to_bytes(raw: Floats) -> NDArray[np.uint8]:
    """Probabilities [N, K, h, w] -> uint8, times 255 and rounded, in one vectorised pass."""
    flat = np.ascontiguousarray(raw).reshape(-1, raw.shape[-1])
    return np.asarray(cv2.convertScaleAbs(flat, alpha=255.0), np.uint8).reshape(raw.shape)
