"""Classes and areas in frame pixels from a predicted mask, for verdicts, metrics and pictures."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.types import IGNORE, Masks, Prediction, Region

MASK = 0.5
SPECK_PX = 16.0  # smallest connected area in pixels that counts as a defect; smaller areas are noise

ClassMap = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Area:
    """A connected area of one class: size and bounding box in frame pixels, centroid (x, y) in frame pixels."""

    class_index: int
    area_px: float
    bbox: Region
    centroid: tuple[float, float]


def class_map(prediction: Prediction, threshold: float = MASK) -> ClassMap:
    """Return the class map uint8 [region height, region width] in frame pixels: 0 background, k+1 the class with index k.

    A pixel gets its most probable class if that reaches `threshold` (0..1). Probabilities, not decisions, are interpolated.
    Raises TypeError for a prediction without masks.
    """
    planes = prediction.expect(Masks).planes
    size = (prediction.region.width, prediction.region.height)
    limit = max(1, round(threshold * 255))
    result = np.zeros((size[1], size[0]), np.uint8)
    best = np.full_like(result, limit - 1)
    for index, plane in enumerate(planes):
        if plane.max() < limit:  # shortcut: most parts are good, and interpolation exceeds no maximum
            continue
        large = _resize(plane, size)
        np.copyto(result, index + 1, where=large > best)
        np.maximum(best, large, out=best)
    return result


def areas(
    prediction: Prediction, threshold: float = MASK, class_index: int | None = None, *, min_area_px: float = 0.0
) -> list[Area]:
    """Return the connected areas (8 neighbours) of `class_index`, or of every class, largest first.

    Areas below `min_area_px` are left out.
    """
    return areas_of(class_map(prediction, threshold), prediction.region, class_index, min_area_px=min_area_px)


def areas_of(classes: ClassMap, region: Region, class_index: int | None = None, *, min_area_px: float = 0.0) -> list[Area]:
    """Return the same as `areas` from an existing class map."""
    wanted = range(int(classes.max(initial=0))) if class_index is None else [class_index]
    found: list[Area] = []
    for index in wanted:
        plane = np.asarray(classes == index + 1, np.uint8)
        if not plane.any():
            continue
        count, _, stats, centroids = cv2.connectedComponentsWithStats(plane, connectivity=8)
        for (x, y, width, height, area), (cx, cy) in zip(stats[1:count].tolist(), centroids[1:count].tolist(), strict=True):
            if area >= min_area_px:
                box = Region(region.x + x, region.y + y, width, height)
                found.append(Area(index, float(area), box, (region.x + cx, region.y + cy)))
    return sorted(found, key=lambda area: -area.area_px)


def class_planes(classes: ClassMap, count: int) -> list[NDArray[np.uint8]]:
    """Return one plane per class, 255 inside and 0 outside."""
    return [np.asarray(classes == index + 1, np.uint8) * np.uint8(255) for index in range(count)]


def unknown_plane(classes: ClassMap) -> NDArray[np.uint8]:
    """Return 255 where a labelled mask is unlabelled (unknown), else 0."""
    return np.asarray(classes == IGNORE, np.uint8) * np.uint8(255)


def without_unknown(prediction: Prediction, classes: ClassMap) -> Prediction:
    """Return the prediction of a mask with everything in unlabelled pixels removed.

    `classes` [H, W]: the labelled mask of the predicted region. Raises TypeError for a prediction without masks.
    """
    unknown, planes = unknown_plane(classes), prediction.expect(Masks).planes
    if not unknown.any():
        return prediction
    touched = cv2.resize(unknown, (planes.shape[2], planes.shape[1]), interpolation=cv2.INTER_AREA) > 0
    return replace(prediction, answer=Masks(np.where(touched, np.uint8(0), planes)))


def _resize(plane: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if (plane.shape[1], plane.shape[0]) == size:
        return plane
    return np.asarray(cv2.resize(np.ascontiguousarray(plane), size, interpolation=cv2.INTER_LINEAR), np.uint8)
