"""Boxes (left, top, right, bottom): overlap, cutting at a region, non-maximum suppression."""

import numpy as np
from numpy.typing import NDArray

from inspector.core.types import Boxes, Floats, Region

MAX_CANDIDATES = 500  # boxes of a frame that enter non-maximum suppression, best first
AnyFloats = NDArray[np.float32 | np.float64]
_VISIBLE = 0.3  # share of a labelled box that must lie in the region to count


def box_iou(first: AnyFloats, second: AnyFloats) -> NDArray[np.float64]:
    """Intersection over union of boxes (left, top, right, bottom) [n, 4] and [m, 4] -> [n, m]; 0 for empty boxes."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=2)
    size = [np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1) for boxes in (first, second)]
    union = size[0][:, None] + size[1][None, :] - both
    iou: NDArray[np.float64] = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    return iou


def suppress(found: Boxes, overlap: float) -> Boxes:
    """Greedy non-maximum suppression within each class: a box goes if a better one of its class has an IoU above `overlap`.

    The best MAX_CANDIDATES boxes enter; empty boxes are dropped. Result sorted by score, best first.
    """
    order = np.argsort(-found.scores, kind="stable")
    order = order[area(found.xyxy[order]) > 0][:MAX_CANDIDATES]
    xyxy, classes = found.xyxy[order], found.classes[order]
    over = (box_iou(xyxy, xyxy) > overlap) & (classes[:, None] == classes[None, :])
    gone = np.zeros(len(order), bool)
    for index in range(len(order)):
        if not gone[index]:
            gone[index + 1 :] |= over[index, index + 1 :]
    keep = order[~gone]
    return Boxes(found.xyxy[keep], found.scores[keep], found.classes[keep])


def in_region(boxes: Boxes, region: Region) -> Boxes:
    """Boxes cut at the region's edge, in frame pixels; those with less than 30 % of their area inside are left out."""
    low, high = np.array([region.x, region.y] * 2, np.float32), np.array([region.right, region.bottom] * 2, np.float32)
    cut = np.clip(boxes.xyxy, low, high).astype(np.float32)
    keep = (area(cut) > 0) & (area(cut) >= _VISIBLE * area(boxes.xyxy))
    return Boxes(cut[keep], boxes.scores[keep], boxes.classes[keep])


def area(xyxy: Floats) -> Floats:
    """Areas [n] of boxes [n, 4]; 0 for boxes turned inside out."""
    size: Floats = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0)
    product: Floats = size[:, 0] * size[:, 1]
    return product
