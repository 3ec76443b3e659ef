"""Boxes (left, top, right, bottom): overlap, cutting at a region, non-maximum suppression."""

import numpy as np
from numpy.typing import NDArray

from inspector.core.types import Boxes, Region

MAX_CANDIDATES = 500  # most boxes of a frame that enter non-maximum suppression, best first
AnyFloats = NDArray[np.float32 | np.float64]
_VISIBLE = 0.3  # smallest share of a labelled box inside the region for the box to count


def box_iou(first: AnyFloats, second: AnyFloats) -> NDArray[np.float64]:
    """Return the intersection over union [n, m] of boxes (left, top, right, bottom) [n, 4] and [m, 4]; 0 for empty boxes."""
    a, b = (boxes.astype(np.float64).T for boxes in (first, second))
    sides = (np.minimum.outer(a[i + 2], b[i + 2]) - np.maximum.outer(a[i], b[i]) for i in (0, 1))
    both = np.prod([np.maximum(side, 0) for side in sides], axis=0)
    union = np.add.outer(area(first), area(second)) - both
    iou: NDArray[np.float64] = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    return iou


def suppress(found: Boxes, overlap: float) -> Boxes:
    """Apply greedy non-maximum suppression within each class.

    A box is dropped if a better box of its class has an IoU above `overlap`. The best MAX_CANDIDATES boxes enter; empty boxes
    are dropped. Result sorted by score, best first.
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
    """Return the boxes cut at the region's edge, in frame pixels.

    Boxes with less than 30 % of their area inside are left out.
    """
    low, high = np.array([region.x, region.y] * 2, np.float32), np.array([region.right, region.bottom] * 2, np.float32)
    cut = np.clip(boxes.xyxy, low, high).astype(np.float32)
    keep = (area(cut) > 0) & (area(cut) >= _VISIBLE * area(boxes.xyxy))
    return Boxes(cut[keep], boxes.scores[keep], boxes.classes[keep])


def area(xyxy: AnyFloats) -> NDArray[np.float64]:
    """Return the areas [n] of boxes [n, 4]; 0 for inverted boxes."""
    size: NDArray[np.float64] = np.maximum(xyxy[:, 2:].astype(np.float64) - xyxy[:, :2], 0)
    product: NDArray[np.float64] = size[:, 0] * size[:, 1]
    return product
