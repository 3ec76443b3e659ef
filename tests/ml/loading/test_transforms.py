"""Augmentation, compared with torchvision's transforms and with drawn shapes."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

import cv2
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from inspector.core.errors import ConfigError
from inspector.ml.train.loading.transforms import (
    PRESETS,
    Augmentation,
    affine,
    augment,
    augmentation_for,
    warp_boxes,
    warp_target,
)
from inspector.runs.settings import Augmentations, areas_of, train_settings

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
            self.values = iter([brightness, contrast])

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
    assert how is not None
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
    how = augmentation_for("segmentation", "strong")
    assert how is not None
    before, mask_before = pixels.copy(), mask.copy()
    first = augment(pixels, target, how, np.random.default_rng(5))
    again = augment(pixels, target, how, np.random.default_rng(5))
    other = augment(pixels, target, how, np.random.default_rng(6))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1]["mask"], again[1]["mask"])
    assert not np.array_equal(first[0], other[0])
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(mask, mask_before)


@pytest.mark.parametrize("preset", [name for name, how in PRESETS.items() if how is not None])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_boxes_and_masks_follow_the_picture_in_every_preset(preset: Augmentations, dtype: str) -> None:
    """A white disc on black, its mask or its box: wherever the disc goes, they go."""
    how = augmentation_for("segmentation", preset)
    assert how is not None
    # The geometry is drawn first, so that it is the same without the change of light.
    still = replace(how, brightness=0.0, contrast=0.0, gamma=0.0, blur=0.0, noise=0.0)
    side = 96
    disc = np.zeros((side, side), np.uint8)
    cv2.circle(disc, (40, 56), 14, 255, -1)
    pixels = np.repeat(disc[..., None], 3, axis=2).astype(dtype)
    masked = {"mask": disc[None]}
    boxed = {"boxes": np.array([[40.5, 56.5, 29, 29]], np.float32) / side, "classes": np.array([0])}
    for seed in range(25):
        changed, followed = augment(pixels, masked, how, np.random.default_rng(seed))
        assert (changed.dtype.name, changed.shape) == (dtype, pixels.shape)
        assert 0 <= changed.min() <= changed.max() <= 255
        mask = followed["mask"][0] > 127
        seen = augment(pixels, masked, still, np.random.default_rng(seed))[0][..., 0] > 127
        assert (seen != mask).sum() <= 0.02 * mask.sum()
        moved, followed = augment(pixels, boxed, still, np.random.default_rng(seed))
        ys, xs = np.nonzero(moved[..., 0] > 127)
        drawn = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        centre, half = followed["boxes"][0, :2] * side, followed["boxes"][0, 2:] * side / 2
        assert followed["classes"][0] == 0
        np.testing.assert_allclose(np.hstack([centre - half, centre + half]), drawn, atol=1.6)


def test_a_part_that_lies_one_way_is_never_mirrored_and_a_fixed_one_never_moved() -> None:
    wedge = np.zeros((64, 64, 3), np.uint8)
    cv2.fillPoly(wedge, [np.array([[8, 8], [8, 56], [40, 56]])], (255, 255, 255))
    part, window, surface = (augmentation_for("classification", name) for name in ("part", "window", "surface"))
    assert part is not None
    assert window is not None
    assert surface is not None
    views = set()
    for seed in range(40):
        turned = augment(wedge, {}, part, np.random.default_rng(seed))[0]
        assert turned[:, :32].mean() > 2 * turned[:, 32:].mean()
        assert turned[32:].mean() > turned[:32].mean()
        fixed = augment(wedge, {}, window, np.random.default_rng(seed))[0]
        assert ((fixed[..., 0] > int(fixed.min()) / 2 + int(fixed.max()) / 2) != (wedge[..., 0] > 127)).mean() < 0.03
        seen = augment(wedge, {}, surface, np.random.default_rng(seed))[0]
        quarters = [seen[:32, :32].mean(), seen[:32, 32:].mean(), seen[32:, :32].mean(), seen[32:, 32:].mean()]
        views.add(tuple(np.argsort(quarters)[[0, 3]]))
    assert len(views) >= 4


def test_frames_that_are_not_square_keep_their_sides() -> None:
    how = Augmentation(quarter_turns=True)
    pixels, seen = picture(), set()
    for seed in range(12):
        turned = augment(pixels, {}, how, np.random.default_rng(seed))[0]
        same, half = np.array_equal(turned, pixels), np.array_equal(turned, pixels[::-1, ::-1])
        assert same or half
        seen.add(same)
    assert seen == {True, False}


def test_every_preset_of_the_settings_is_there() -> None:
    assert tuple(PRESETS) == get_args(Augmentations)


def test_holes_are_for_classes_only() -> None:
    assert PRESETS["strong"] == augmentation_for("classification", "strong")
    for task in ("detection", "segmentation"):
        how = augmentation_for(task, "strong")
        assert how is not None
        assert how.cutout == 0
    assert augmentation_for("classification", "none") is None
    assert augmentation_for("thermal", "window") is None


def test_regions_that_are_ignored_follow_the_input() -> None:
    mask, ignore = np.zeros((2, 16, 16), np.uint8), np.zeros((1, 16, 16), np.uint8)
    mask[1, 2:6, 2:6] = ignore[0, 8:11, 4:8] = 255
    moved = warp_target({"mask": mask, "ignore": ignore}, np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 0.0]]), 16, 16)
    np.testing.assert_array_equal(moved["ignore"][0, 8:11, 7:11], np.full((3, 4), 255))
    assert int((moved["ignore"] > 0).sum()) == 12
    assert (moved["mask"][1, 2:6, 5:9] == 255).all()


@pytest.mark.parametrize("preset", ["none", "surface", "strong"])
def test_pieces_of_an_input_show_its_objects_where_their_truth_says(preset: Augmentations) -> None:
    """A small square in a large picture: most pieces show it, and box and mask lie where the pixels do."""
    still = replace(PRESETS[preset] or Augmentation(), brightness=0.0, contrast=0.0, gamma=0.0, blur=0.0, noise=0.0, cutout=0.0)
    pixels = np.zeros((200, 300, 1), np.uint8)
    pixels[150:162, 40:60] = 250
    box = np.array([[50 / 300, 156 / 200, 20 / 300, 12 / 200], [0, 0, 0, 0]], np.float32)
    boxed, masked = {"boxes": box, "classes": np.array([3, -1])}, {"mask": pixels[None, ..., 0]}
    shown = 0
    for seed in range(60):
        cut, target = augment(pixels, boxed, still, np.random.default_rng(seed), piece=(96, 64))
        assert cut.shape == (64, 96, 1)
        ys, xs = np.nonzero(cut[..., 0] > 125)
        if target["classes"][0] == 3 and preset != "strong":  # a turned box is larger than the square
            centre, half = np.split(target["boxes"][0] * (96, 64, 96, 64), 2)
            drawn = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            np.testing.assert_allclose(np.hstack([centre - half / 2, centre + half / 2]), drawn, atol=1.0)
        shown += len(xs) > 0
        cut, target = augment(pixels, masked, still, np.random.default_rng(seed), piece=(96, 64))
        mask = target["mask"][0] > 127
        assert mask.shape == (64, 96)
        assert abs(int(mask.sum()) - int((cut[..., 0] > 125).sum())) <= 0.2 * mask.sum() + 4
    assert shown > 45
    nothing = {"boxes": box * 0, "classes": np.array([-1, -1])}
    assert augment(pixels, nothing, still, np.random.default_rng(0), piece=(96, 64))[0].shape == (64, 96, 1)


def test_pieces_show_rare_classes_as_often_as_frequent_ones() -> None:
    """Nine squares of one class and one of another, far apart: of the pieces with an object a half was cut around either."""
    centres = [(20 + 40 * index, 20) for index in range(9)] + [(20, 380)]
    boxes = np.array([(x / 400, y / 400, 0.02, 0.02) for x, y in centres], np.float32)
    target = {"boxes": boxes, "classes": np.array([0] * 9 + [1])}
    pixels, found = np.zeros((400, 400, 1), np.uint8), [0, 0]
    for seed in range(300):
        classes = augment(pixels, target, Augmentation(), np.random.default_rng(seed), piece=(32, 32))[1]["classes"]
        for kind in (0, 1):
            found[kind] += bool((classes == kind).any())
    assert min(found) > 0.75 * max(found)


def test_a_covered_area_shows_nothing_of_itself() -> None:
    pixels = np.full((64, 64, 3), 10, np.uint8)
    pixels[:16, :16] = 250
    how = augmentation_for("classification", "none", cover=areas_of("0,0,25,25+90,90,10,10"))
    assert how is not None
    for seed in range(20):
        shown, _ = augment(pixels, {"label": np.int64(1)}, how, np.random.default_rng(seed))
        assert (shown[:16, :16] < 250).all()  # another piece of the same image, or grey
        np.testing.assert_array_equal(shown[16:48, 16:48], pixels[16:48, 16:48])
    located, _ = augment(pixels, {"mask": np.zeros((1, 64, 64), np.float32)}, how, np.random.default_rng(0))
    assert np.unique(located[:16, :16]).tolist() == [114]  # a piece could show an object that the mask does not name
    assert (pixels[:16, :16] == 250).all()
    assert augmentation_for("thermal", "none", cover=how.cover) is None  # temperatures are not covered
    for text in ("0,0,20", "90,0,20,10", "0,0,0,10", "a,b,c,d", "0,0,100,95"):
        with pytest.raises(ConfigError, match="not valid"):
            train_settings({"task": "classification", "network": "simple_cnn", "data": ".", "out": "b", "cover": text})
