"""Augmentation: the same geometry for pixels, boxes and mask. numpy and OpenCV, because a batch must cost less than a step."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.images import Prepared
from inspector.core.types import Floats, TaskName
from inspector.tasks.base import Target

Matrix = NDArray[np.float64]

# A box of which less than this share is left in the input no longer shows what it is labelled as.
_LEAST_VISIBLE = 0.25
_PAD = 114


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a sample may be changed. `flip`: probability of mirroring left and right. `degrees`: largest rotation either
    way. `brightness`, `contrast`: largest relative change either way, uint8 inputs only.
    """

    flip: float = 0.5
    degrees: float = 10.0
    brightness: float = 0.2
    contrast: float = 0.2


def augmentation_for(task: TaskName) -> Augmentation:
    """What leaves a task's truth true: a thermal frame is only mirrored, since its values are what is learnt and a rotation
    could turn the hottest place out of it.
    """
    return Augmentation(degrees=0.0, brightness=0.0, contrast=0.0) if task == "thermal" else Augmentation()


def augment(pixels: Prepared, target: Target, how: Augmentation, rng: np.random.Generator) -> tuple[Prepared, Target]:
    """One random variant of `pixels` [H, W, C] and its encoded truth. Neither argument is written to."""
    height, width = pixels.shape[:2]
    mirrored = rng.random() < how.flip
    angle = float(rng.uniform(-how.degrees, how.degrees))
    if mirrored or angle:
        matrix = affine(width, height, angle, mirrored=mirrored)
        # A border filled by mirroring would show objects that have no box; a mask is mirrored with its pixels.
        border = cv2.BORDER_CONSTANT if "boxes" in target else cv2.BORDER_REFLECT_101
        pixels = _warp(pixels, matrix, border)
        target = warp_target(target, matrix, width, height)
    if pixels.dtype == np.uint8 and (how.brightness or how.contrast):
        pixels = _jitter(
            pixels,
            float(rng.uniform(1 - how.brightness, 1 + how.brightness)),
            float(rng.uniform(1 - how.contrast, 1 + how.contrast)),
        )
    return pixels, target


def warp_target(target: Target, matrix: Matrix, width: int, height: int) -> Target:
    """An encoded truth (see `Task.encode`) under an affine map of the input: `mask` planes and `boxes` follow it."""
    result = dict(target)
    if "mask" in target:
        result["mask"] = np.stack([_warp(plane, matrix, cv2.BORDER_REFLECT_101) for plane in target["mask"]])
    if "boxes" in target:
        boxes, visible = warp_boxes(target["boxes"], matrix, width, height)
        classes = np.where(visible, target["classes"], -1)
        used_first = np.argsort(classes < 0, kind="stable")
        result["boxes"], result["classes"] = boxes[used_first], classes[used_first]
    return result


def affine(width: int, height: int, angle: float, *, mirrored: bool) -> Matrix:
    """[2, 3] matrix in continuous pixel coordinates (a pixel's centre is at .5): rotation about the centre by `angle`
    degrees, after mirroring left and right.
    """
    radians = np.deg2rad(angle)
    cos, sin = np.cos(radians), np.sin(radians)
    linear = np.array([[cos, sin], [-sin, cos]]) @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    centre = np.array([width / 2, height / 2])
    return np.hstack([linear, (centre - linear @ centre)[:, None]])


def warp_boxes(boxes: Floats, matrix: Matrix, width: int, height: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Boxes [N, 4] (centre x, y, width, height as fractions of the input) under an affine map, clipped to the input, and
    which of them are still to be seen.

    A rotated box is bounded as the ellipse inscribed in it would be, which is closer to the object than bounding its
    corners (Kalra et al., "Towards Rotation Invariance in Object Detection", ICCV 2021).
    """
    size = np.array([width, height], np.float64)
    centres = (boxes[:, :2] * size) @ matrix[:, :2].T + matrix[:, 2]
    halves = np.sqrt((boxes[:, 2:] * size / 2) ** 2 @ (matrix[:, :2] ** 2).T)
    low, high = np.clip(centres - halves, 0, size), np.clip(centres + halves, 0, size)
    sides = high - low
    visible = (sides.min(axis=1) >= 1) & (sides.prod(axis=1) >= _LEAST_VISIBLE * 4 * halves.prod(axis=1))
    moved: Floats = np.hstack([(low + high) / 2 / size, sides / size]).astype(np.float32)
    return moved, visible


def _warp(image: Prepared, matrix: Matrix, border: int) -> Prepared:
    """Apply a matrix given in continuous coordinates; OpenCV counts from the centre of the first pixel."""
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    size = (image.shape[1], image.shape[0])
    warped = cv2.warpAffine(image, centred, size, flags=cv2.INTER_LINEAR, borderMode=border, borderValue=(_PAD,) * 4)
    return np.asarray(warped, image.dtype).reshape(image.shape)


def _jitter(pixels: Prepared, brightness: float, contrast: float) -> Prepared:
    """Scale the grey levels, then their distance from the mean, as torchvision's ColorJitter does."""
    bright = np.clip(np.arange(256) * brightness, 0, 255)
    mean = float(np.bincount(pixels.ravel(), minlength=256) @ bright) / pixels.size
    table = np.clip(np.rint((bright - mean) * contrast + mean), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, table), np.uint8).reshape(pixels.shape)
