"""Augmentation, compared with torchvision's transforms and with drawn shapes."""

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

import cv2
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from inspector.ml.transforms import Augmentation, affine, augment, augmentation_for, warp_boxes, warp_target

WIDTH, HEIGHT = 96, 64
MIRROR = Augmentation(flip=1.0, degrees=0.0, brightness=0.0, contrast=0.0)


def picture(seed: int = 0) -> NDArray[np.uint8]:
    """Smooth, so that interpolation methods agree."""
    noise = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 4)


def fractions(*corners: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """Corners in pixels -> centre and size as fractions."""
    xyxy = np.array(corners, np.float32)
    size = np.array([WIDTH, HEIGHT], np.float32)
    return np.hstack([(xyxy[:, :2] + xyxy[:, 2:]) / 2 / size, (xyxy[:, 2:] - xyxy[:, :2]) / size]).astype(np.float32)


def corners(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    size = np.array([WIDTH, HEIGHT], np.float32)
    centre, half = boxes[:, :2] * size, boxes[:, 2:] * size / 2
    return np.hstack([centre - half, centre + half])


def test_mirroring_agrees_with_torchvision() -> None:
    pixels = picture()
    mask = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    mask[0, 5:20, 3:40], mask[1, 30:50, 60:90] = 255, 128
    target = {"mask": mask, "boxes": fractions((3, 5, 40, 20), (60, 30, 90, 50)), "classes": np.array([1, 0])}
    mirrored, followed = augment(pixels, target, MIRROR, np.random.default_rng(0))
    image = tv_tensors.Image(torch.from_numpy(pixels).permute(2, 0, 1))
    boxes = tv_tensors.BoundingBoxes(
        torch.tensor([[3.0, 5, 40, 20], [60, 30, 90, 50]]),
        format=tv_tensors.BoundingBoxFormat.XYXY,
        canvas_size=(HEIGHT, WIDTH),
    )
    wanted_image, wanted_boxes, wanted_mask = v2.RandomHorizontalFlip(1.0)(
        image, boxes, tv_tensors.Mask(torch.from_numpy(mask))
    )
    np.testing.assert_array_equal(mirrored, wanted_image.permute(1, 2, 0).numpy())
    np.testing.assert_array_equal(followed["mask"], wanted_mask.numpy())
    np.testing.assert_allclose(corners(followed["boxes"]), wanted_boxes.numpy(), atol=1e-4)
    np.testing.assert_array_equal(followed["classes"], [1, 0])


@pytest.mark.parametrize("angle", [-10.0, 7.5])
def test_rotation_agrees_with_torchvision(angle: float) -> None:
    pixels = picture()
    how = Augmentation(flip=0.0, degrees=abs(angle), brightness=0.0, contrast=0.0)

    class Fixed:
        """A generator that rotates as far as allowed."""

        def random(self) -> float:
            return 1.0

        def uniform(self, low: float, high: float) -> float:
            return low if angle < 0 else high

    rotated, _ = augment(pixels, {}, how, Fixed())  # type: ignore[arg-type] # only these two methods are used
    image = torch.from_numpy(pixels).permute(2, 0, 1).float()
    wanted = v2.functional.rotate(image, angle, interpolation=v2.InterpolationMode.BILINEAR).permute(1, 2, 0).numpy()
    inside = (slice(14, -14), slice(14, -14))  # away from the border, which is filled in another way
    assert np.abs(rotated[inside].astype(float) - wanted[inside]).max() <= 2


@pytest.mark.parametrize("angle", [-10.0, 4.0, 10.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_box_bounds_the_turned_ellipse(angle: float, mirrored: bool) -> None:
    scale = 8  # draw large, to measure exactly
    width, height = WIDTH * scale, HEIGHT * scale
    canvas = np.zeros((height, width), np.uint8)
    cv2.ellipse(canvas, (45 * scale, 30 * scale), (25 * scale, 6 * scale), 0, 0, 360, 255, -1)
    plane = warp_target({"mask": canvas[None]}, affine(width, height, angle, mirrored=mirrored), width, height)["mask"][0]
    ys, xs = np.nonzero(plane > 127)
    drawn = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) / scale
    moved, visible = warp_boxes(fractions((20, 24, 70, 36)), affine(WIDTH, HEIGHT, angle, mirrored=mirrored), WIDTH, HEIGHT)
    assert visible.all()
    np.testing.assert_allclose(corners(moved)[0], drawn, atol=0.3)


def test_boxes_turned_out_of_the_picture_are_dropped_and_the_others_come_first() -> None:
    target = {
        "boxes": fractions((0, 0, 5, 4), (40, 20, 60, 40), (0, 0, 0, 0)),
        "classes": np.array([2, 1, -1]),
    }
    turned = warp_target(target, affine(WIDTH, HEIGHT, 45, mirrored=False), WIDTH, HEIGHT)
    np.testing.assert_array_equal(turned["classes"], [1, -1, -1])
    left, top, right, bottom = corners(turned["boxes"])[0]
    # The centre (50, 30) lies at (2, -2) from the picture's, and turns to (0, -2 sqrt 2).
    np.testing.assert_allclose([(left + right) / 2, (top + bottom) / 2], [48, 32 - 2 * np.sqrt(2)], atol=1e-3)
    np.testing.assert_array_equal(target["classes"], [2, 1, -1])


@pytest.mark.parametrize(("brightness", "contrast"), [(0.8, 1.0), (1.2, 1.0), (1.0, 0.8), (1.0, 1.2), (0.9, 1.15)])
def test_jitter_agrees_with_torchvision(brightness: float, contrast: float) -> None:
    grey = np.repeat(picture()[..., :1], 3, axis=2)
    how = Augmentation(flip=0.0, degrees=0.0, brightness=0.2, contrast=0.2)

    class Chosen:
        def __init__(self) -> None:
            self.values = iter([0.0, brightness, contrast])

        def random(self) -> float:
            return 1.0

        def uniform(self, low: float, high: float) -> float:
            value = next(self.values)
            assert low <= value <= high
            return value

    changed, _ = augment(grey, {}, how, Chosen())  # type: ignore[arg-type] # only these two methods are used
    image = torch.from_numpy(grey).permute(2, 0, 1).float() / 255
    bright = v2.functional.adjust_brightness(image, brightness)
    wanted = v2.functional.adjust_contrast(bright, contrast).permute(1, 2, 0).numpy() * 255
    assert np.abs(changed.astype(float) - wanted).max() <= 1.01


def test_values_of_a_thermal_frame_are_only_mirrored() -> None:
    kelvin = np.random.default_rng(0).uniform(280, 400, (HEIGHT, WIDTH, 1)).astype(np.float32)
    how = augmentation_for("thermal")
    seen = set()
    for seed in range(20):
        changed, _ = augment(kelvin, {}, how, np.random.default_rng(seed))
        same, mirrored = np.array_equal(changed, kelvin), np.array_equal(changed, kelvin[:, ::-1])
        assert same or mirrored
        seen.add(same)
    assert seen == {True, False}


def test_augmentation_is_repeatable_and_leaves_its_arguments() -> None:
    pixels = picture()
    mask = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    mask[0, 10:30, 10:50] = 255
    target = {"mask": mask}
    before, mask_before = pixels.copy(), mask.copy()
    first = augment(pixels, target, augmentation_for("segmentation"), np.random.default_rng(5))
    again = augment(pixels, target, augmentation_for("segmentation"), np.random.default_rng(5))
    other = augment(pixels, target, augmentation_for("segmentation"), np.random.default_rng(6))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1]["mask"], again[1]["mask"])
    assert not np.array_equal(first[0], other[0])
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(mask, mask_before)
