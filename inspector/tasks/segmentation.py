"""Segmentation: which pixels belong to which class. Classes are independent; a pixel may be likely for several."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.types import IGNORE, Annotation, Answer, Floats, Frame, Masks, Prediction, Region, TaskName
from inspector.imaging.preprocessing import InputSpec, View, resize
from inspector.runs.report import Interval
from inspector.tasks.base import DefaultRule, Mirrors, Sizing, Target, Task, defect_classes, shares
from inspector.tasks.masks import MASK, SPECK_PX, areas, class_map, class_planes, unknown_plane, without_unknown
from inspector.tasks.metrics import SegmentationMetrics
from inspector.tasks.metrics.segmentation import HALF
from inspector.tasks.statistics.mistakes import NOTHING, Mistake
from inspector.tasks.statistics.thresholds import NEVER, Rated
from inspector.tasks.tiles import join_masks

if TYPE_CHECKING:
    import torch

_MATCH = 0.5  # smallest IoU of two areas that count as the same
_WELL_FOUND = 0.8  # smallest Dice of a frame that is not a mistake


class Segmentation(Task):
    """Predicts a probability per class and pixel. Graph output: [N, K, h, w] at the input's size."""

    name: ClassVar[TaskName] = "segmentation"
    answer: ClassVar[type[Answer]] = Masks
    thresholds: ClassVar[Mapping[str, float]] = {"mask": MASK}
    lowest: ClassVar[float] = 0.1
    mirrors: ClassVar[Mirrors] = "mirrored"
    explained: ClassVar[str] = "mask of class {name}"
    tiled: ClassVar[bool] = True
    class_measure: ClassVar[str] = "iou"
    sizing: ClassVar[Sizing] = Sizing(usual=256, object_px=8, thin_px=3.5, seen=17_000, batch_of_few=4, piece=256)
    threshold_key: ClassVar[str] = "mask"

    def outputs(self, card: Card) -> int:
        """Return one plane per class; background is the absence of all."""
        return len(card.classes)

    def mirrored_back(self, raw: "torch.Tensor", axes: Sequence[int], card: Card) -> "torch.Tensor":
        return raw.flip([axis + 1 for axis in axes]) if axes else raw  # [N, K, H, W]; ONNX cannot flip along no axis

    def encode(self, truth: Annotation, card: Card, view: View) -> Target:
        """Return `mask` uint8 [K, h, w]: the share of each input pixel that the class covers, times 255.

        If the card has masks with regions to ignore, also `ignore` uint8 [1, h, w]: the share of those regions. Shares keep a
        scratch thinner than an input pixel. Raises ConfigError if the frame has no mask.
        """
        if truth.mask is None:
            raise ConfigError("A frame has no mask.", remedy="Give every frame a mask, an empty one if nothing is there.")
        region, content, count = view.region, view.content(card.input), len(card.classes)
        patch = truth.mask[region.y : region.bottom, region.x : region.right]
        drawn = [*class_planes(patch, count), *([unknown_plane(patch)] if card.training.get("ignored") else [])]
        planes = np.zeros((len(drawn), card.input.height, card.input.width), np.uint8)
        for plane, inside in zip(planes, drawn, strict=True):
            resize(inside, plane[content.y : content.bottom, content.x : content.right])
        return {"mask": planes} if len(drawn) == count else {"mask": planes[:count], "ignore": planes[count:]}

    def decode(self, raw: Floats, card: Card, views: Sequence[View], frames: Sequence[Frame]) -> list[Prediction]:
        """Decode probabilities float32 [N, K, h, w] into `Masks`, cut to the part of the input that shows the region."""
        planes = to_bytes(raw)
        result = []
        for own, view in zip(planes, views, strict=True):
            content = view.content(card.input)
            mask = own[:, content.y : content.bottom, content.x : content.right]
            result.append(Prediction(card.name, self.name, view.camera, card.classes, view.region, Masks(mask)))
        return result

    def join(self, found: Sequence[tuple[Region, Answer]], region: Region, card: Card) -> Masks:
        return join_masks([(tile, answer) for tile, answer in found if isinstance(answer, Masks)], region)

    def metrics(self, card: Card) -> SegmentationMetrics:
        return SegmentationMetrics(card.classes, threshold=self.threshold(card))

    def output_shape(self, card: Card) -> tuple[int | None, ...]:
        """Return the output shape: one plane per class of the input's size."""
        return (self.outputs(card), card.input.height, card.input.width)

    def headline(self, numbers: Mapping[str, Interval], images: int) -> Message:
        return message(
            "In {value} % of the images with a defect something was found (95 % confidence: {low} to {high} %); "
            "the areas overlap the labelled ones with an IoU of {iou}.",
            iou=f"{numbers['iou'].value:.2f}",
            **shares(numbers["image_recall"]),
        )

    def truth(self, target: Target, spec: InputSpec) -> Annotation:
        planes = target["mask"]
        mask = np.where(planes.max(axis=0) >= HALF, planes.argmax(axis=0) + 1, 0).astype(np.uint8)
        if "ignore" in target:
            mask[target["ignore"][0] > 0] = IGNORE
        return Annotation(mask=mask)

    def ideal(self, truth: Annotation, card: Card) -> Masks:
        """Return the labelled mask, one plane per class."""
        if truth.mask is None:
            raise ValueError("the frame has no mask")
        return Masks(np.stack(class_planes(truth.mask, len(card.classes))))

    def default_rules(self, thresholds: Mapping[str, float]) -> tuple[DefaultRule, ...]:
        """Return one rule: no area may be larger than a speck."""
        return (DefaultRule("largest_px", SPECK_PX),)

    def difference(self, one: Prediction, other: Prediction, card: Card) -> float:
        """Return the mean difference over the pixels that either side calls a defect."""
        first, second, limit = one.expect(Masks).planes, other.expect(Masks).planes, round(self.threshold(card) * 255)
        seen = (first >= limit) | (second >= limit)
        apart = np.abs(first.astype(np.int16) - second.astype(np.int16))
        return float(apart[seen].mean() / 255) if seen.any() else 0.0

    def differs(self, one: Prediction, other: Prediction, card: Card) -> bool:
        """Return whether the two sides agree on less than half of the pixels that either calls a defect."""
        first, second = (class_map(prediction, self.threshold(card)) for prediction in (one, other))
        union = np.count_nonzero((first > 0) | (second > 0))
        return bool(np.count_nonzero((first == second) & (first > 0)) < _MATCH * union)

    def rate(self, prediction: Prediction, truth: Annotation, card: Card, *, group: str = "") -> Rated | None:
        """Return the frame's rating: NG if any area of a defect is larger than a speck."""
        if truth.mask is None:
            return None
        region, wanted = prediction.region, defect_classes(card)
        seen = truth.mask[region.y : region.bottom, region.x : region.right]
        known = without_unknown(prediction, seen)
        return Rated(not np.isin(seen, [index + 1 for index in wanted]).any(), _score(known, wanted), math.inf, group)

    def mistake(self, prediction: Prediction, truth: Annotation, card: Card) -> Mistake | None:
        """Return areas that hardly overlap the labelled areas as a mistake."""
        if truth.mask is None:
            return None
        region = prediction.region
        real = truth.mask[region.y : region.bottom, region.x : region.right]
        said = class_map(prediction, self.threshold(card))
        known = real != IGNORE  # the truth of all other pixels is unknown
        real, said = np.where(known, real, np.uint8(0)), np.where(known, said, np.uint8(0))
        both, total = int(((real == said) & (real > 0)).sum()), int((real > 0).sum() + (said > 0).sum())
        dice = 2 * both / total if total else 1.0
        if dice >= _WELL_FOUND:
            return None
        sizes = [np.bincount(part.ravel(), minlength=len(card.classes) + 1)[1:] for part in (real, said)]
        focus = int((sizes[1] if sizes[1].any() else sizes[0]).argmax())
        # Of two frames without any overlap, the one with the larger area is worse.
        severity = 1 - dice + min(total / real.size, 0.5)
        names = [_areas(size.tolist(), card) for size in sizes]
        return Mistake(names[0], names[1], severity, dice, focus)


def _score(prediction: Prediction, wanted: Sequence[int]) -> float:
    """Return the highest mask threshold at which an area larger than a speck remains. Areas shrink as the threshold rises."""
    low, high = 0, 256  # bisection in 255ths: an area remains at `low`, none at `high`
    while high - low > 1:
        level = (low + high) // 2
        found = areas(prediction, level / 255, min_area_px=SPECK_PX)
        left = any(area.area_px > SPECK_PX and area.class_index in wanted for area in found)
        low, high = (level, high) if left else (low, level)
    return (low + 0.49) / 255 if low else NEVER


def _areas(sizes: list[int], card: Card) -> str:
    return ", ".join(f"{card.classes[index]} {size} px" for index, size in enumerate(sizes) if size) or NOTHING


def to_bytes(raw: Floats) -> NDArray[np.uint8]:
    """Convert probabilities [N, K, h, w] to uint8, times 255 and rounded, in one vectorised pass."""
    flat = np.ascontiguousarray(raw).reshape(-1, raw.shape[-1])
    return np.asarray(cv2.convertScaleAbs(flat, alpha=255.0), np.uint8).reshape(raw.shape)
