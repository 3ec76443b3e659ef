"""Sizes of objects, and how wide they are where they are thin."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.data.sizes import mask_areas, thinnest
from inspector.data.survey import survey
from inspector.training.costs import Hardware
from inspector.training.recommend import recommend

MACHINE = Hardware(cores=2, memory=8 << 30)


def line(pixels: np.ndarray, width: int, value: float, *, shift: int = 0) -> None:
    """Draw a crooked line across the image, which is darker or brighter than its surroundings."""
    height, length = pixels.shape
    points = [(20 + index * (length - 40) // 4, height // 2 + shift + (-1) ** index * height // 6) for index in range(5)]
    cv2.polylines(pixels, [np.array(points, np.int32)], False, value, width)


@pytest.mark.parametrize("width", [2, 3, 4, 5, 8])
def test_a_crack_is_as_wide_as_it_was_drawn_whatever_its_box(width: int) -> None:
    mask = np.zeros((320, 480), np.uint8)
    line(mask, width, 1)
    (area,) = mask_areas(mask)
    length = 4 * np.hypot((480 - 40) / 4, 2 * (320 // 6))
    drawn = np.count_nonzero(mask) / length  # OpenCV draws lines of even width one pixel wider
    assert area.width == pytest.approx(drawn, abs=0.5)
    assert area.box[2] - area.box[0] > 400
    noise = np.random.default_rng(0).normal(120, 6, (320, 480)).astype(np.float32)
    for value in (30.0, 220.0):
        grey = noise.copy()
        line(grey, width, value)
        assert thinnest(grey, area.box) == pytest.approx(drawn, abs=2.0)
    assert thinnest(noise, area.box) is None


def test_specks_and_unlabelled_pixels_are_no_objects() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[10, 10], mask[20:40, 20:40], mask[50:, 50:] = 1, 1, 255
    (area,) = mask_areas(mask)
    assert (area.kind, area.box) == (1, (20, 20, 40, 40))


def crack_folder(folder: Path, count: int) -> Path:
    """Photographs of 480 x 320 px, each with a crack of 2 to 5 px, and their masks."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for index in range(count):
        rng = np.random.default_rng(index)
        grey, mask = rng.normal(120, 6, (320, 480)).astype(np.float32), np.zeros((320, 480), np.uint8)
        width, shift = 2 + index % 4, int(rng.integers(-60, 60))
        line(grey, width, 40.0, shift=shift)
        line(mask, width, 255, shift=shift)
        assert cv2.imwrite(str(folder / "images" / f"{index:03d}.png"), np.clip(grey, 0, 255).astype(np.uint8))
        assert cv2.imwrite(str(folder / "masks" / f"{index:03d}.png"), mask)
    return folder


def test_cracks_are_not_shrunk_away(tmp_path: Path) -> None:
    found = survey(crack_folder(tmp_path / "cracks", 24))
    for task in ("segmentation", "detection"):
        sizes = found.tasks[task].sizes
        assert sizes is not None
        assert sizes.width is not None
        assert 2 <= 480 * sizes.width <= 5
        assert sizes.span > 0.3
        advised = recommend(found, task, takt_s=None, hardware=MACHINE).settings
        assert sizes.width * advised["width"] >= 2


def test_a_class_of_small_objects_counts_as_much_as_the_frequent_large_ones(tmp_path: Path) -> None:
    """Boxes of 80 px, and 6 px large ones of a rare class in some images of 400 px."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    (tmp_path / "data.yaml").write_text("names: [large, tiny]\n")
    for index in range(40):
        pixels = np.random.default_rng(index).integers(0, 255, (400, 400), dtype=np.uint8)
        assert cv2.imwrite(str(tmp_path / "images" / f"{index:03d}.png"), pixels)
        tiny = "\n1 0.8 0.8 0.015 0.015" if index % 5 == 0 else ""
        (tmp_path / "labels" / f"{index:03d}.txt").write_text(f"0 0.3 0.3 0.2 0.2{tiny}")
    sizes = survey(tmp_path).tasks["detection"].sizes
    assert sizes is not None
    assert sizes.span == pytest.approx(0.015, rel=0.01)
    assert sizes.share == pytest.approx(0.04, rel=0.01)
    assert (sizes.usual, sizes.largest, sizes.most) == (pytest.approx(0.2, rel=0.01), pytest.approx(0.2, rel=0.01), 2)


def test_spans_are_those_of_the_longer_side(tmp_path: Path) -> None:
    """Boxes of 60 x 60 px in images of 600 x 150 px are a tenth of the side, not a fifth."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    (tmp_path / "data.yaml").write_text("names: [dent]\n")
    for index in range(6):
        pixels = np.random.default_rng(index).integers(0, 255, (150, 600), dtype=np.uint8)
        assert cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), pixels)
        (tmp_path / "labels" / f"{index}.txt").write_text("0 0.5 0.5 0.1 0.4")
    sizes = survey(tmp_path).tasks["detection"].sizes
    assert sizes is not None
    assert (sizes.span, sizes.usual, sizes.largest) == pytest.approx((0.1, 0.1, 0.1))
    assert sizes.share == pytest.approx(0.04)
