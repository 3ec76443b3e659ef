"""Tiles cover a region, and their answers are joined without doubles and without gaps."""

import numpy as np
import pytest
from pydantic import ValidationError

from inspector.core.types import Boxes, Floats, Masks, Region
from inspector.imaging.tiling import Tiling
from inspector.tasks.boxes import box_iou, in_region
from inspector.tasks.tiles import join_boxes, join_masks

REGION = Region(40, 30, 1000, 700)
TILING = Tiling(size=256, overlap=48)


@pytest.mark.parametrize(("width", "height"), [(1000, 700), (256, 256), (257, 300), (463, 464), (4096, 3072)])
def test_tiles_cover_the_region_and_overlap_as_wanted(width: int, height: int) -> None:
    region = Region(7, 3, width, height)
    tiles = TILING.tiles(region)
    seen = np.zeros((height, width), np.uint8)
    for tile in tiles:
        assert (tile.width, tile.height) == (256, 256)
        seen[tile.y - 3 : tile.bottom - 3, tile.x - 7 : tile.right - 7] += 1
    assert seen.min() == 1
    for starts, length in (({tile.x for tile in tiles}, width), ({tile.y for tile in tiles}, height)):
        steps = np.diff(sorted(starts))
        assert (steps <= 256 - 48).all()
        assert len(starts) == max(1, -(-(length - 48) // (256 - 48)))
    assert TILING.misfit(region) is None


def test_a_tile_larger_than_the_image_and_too_much_overlap_are_refused_in_a_sentence() -> None:
    problem = TILING.misfit(Region(0, 0, 640, 200))
    assert problem is not None
    assert problem.text == "A tile of 256 px is larger than the image or region of 640 x 200 px."
    with pytest.raises(ValidationError, match="at most half of their size"):
        Tiling(size=100, overlap=51)


def scattered(rng: np.random.Generator, count: int, low: int, high: int) -> Floats:
    """Boxes in REGION that do not touch each other."""
    boxes: list[list[float]] = []
    while len(boxes) < count:
        width, height = rng.integers(low, high, 2).tolist()
        x, y = int(rng.integers(40, 1040 - width)), int(rng.integers(30, 730 - height))
        wide = [x - 4, y - 4, x + width + 4, y + height + 4]
        if not boxes or not (box_iou(np.array([wide], np.float32), np.array(boxes, np.float32)) > 0).any():
            boxes.append([x, y, x + width, y + height])
    return np.array(boxes, np.float32)


def answers(rng: np.random.Generator, truth: Boxes) -> list[tuple[Region, Boxes]]:
    """What a good detector says of each tile: all it sees at least 30 % of, cut, shaken by half a pixel, and weak doubles."""
    found = []
    for tile in TILING.tiles(REGION):
        seen = in_region(truth, tile)
        shaken = seen.xyxy + rng.uniform(-0.5, 0.5, seen.xyxy.shape)
        weak = shaken + rng.uniform(-2, 2, shaken.shape)
        scores = np.concatenate([rng.uniform(0.7, 1, len(seen)), rng.uniform(0.02, 0.1, len(seen))])
        boxes = Boxes(np.concatenate([shaken, weak]).astype(np.float32), scores.astype(np.float32), np.tile(seen.classes, 2))
        found.append((tile, boxes))
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("count", "low", "high"), [(120, 5, 20), (60, 20, 48), (12, 100, 230)])
def test_every_object_is_found_once_also_at_the_seams_and_where_it_is_larger_than_the_overlap(
    count: int, low: int, high: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    truth = Boxes(scattered(rng, count, low, high), np.ones(count, np.float32), rng.integers(0, 2, count))
    joined = join_boxes(answers(rng, truth), REGION, overlap=0.5)
    assert (np.diff(joined.scores) <= 0).all()
    strong = joined.at_least(0.5)
    assert len(strong) == count
    iou = box_iou(strong.xyxy, truth.xyxy)
    assert sorted(iou.argmax(axis=1).tolist()) == list(range(count))
    assert (iou.max(axis=1) > (0.6 if low < 10 else 0.85)).all()
    assert (strong.classes == truth.classes[iou.argmax(axis=1)]).all()


def test_different_classes_and_neighbours_at_a_seam_stay_apart() -> None:
    left, right = TILING.tiles(REGION)[:2]
    middle = (left.right + right.x) / 2
    pair = [[middle - 20, 100, middle - 2, 120], [middle + 2, 100, middle + 20, 120]]
    both = Boxes(np.array([*pair, pair[0]], np.float32), np.array([0.9, 0.8, 0.7], np.float32), np.array([0, 0, 1]))
    joined = join_boxes([(left, both), (right, both)], REGION, overlap=0.5)
    assert sorted(zip(joined.classes.tolist(), joined.xyxy[:, 0].tolist(), strict=True)) == [
        (0, pytest.approx(pair[0][0])),
        (0, pytest.approx(pair[1][0])),
        (1, pytest.approx(pair[0][0])),
    ]
    assert not len(join_boxes([(left, Boxes.empty())], REGION, overlap=0.5))


@pytest.mark.parametrize("scale", [1, 2])
def test_masks_are_joined_to_the_mask_of_the_region(scale: int) -> None:
    """Tiles at the image's resolution, or at half of it."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 2, (2, -(-REGION.height // 10), REGION.width // 10), dtype=np.uint8) * np.uint8(255)
    whole = coarse.repeat(10, axis=1).repeat(10, axis=2)[:, : REGION.height]
    found = []
    for tile in TILING.tiles(REGION):
        y, x = tile.y - REGION.y, tile.x - REGION.x
        found.append((tile, Masks(np.ascontiguousarray(whole[:, y : y + 256 : scale, x : x + 256 : scale]))))
    joined = join_masks(found, REGION).planes
    assert abs(joined.shape[1] - REGION.height / scale) <= 1
    assert abs(joined.shape[2] - REGION.width / scale) <= 1
    wanted = whole[:, ::scale, ::scale]
    same = joined[:, : wanted.shape[1], : wanted.shape[2]] == wanted[:, : joined.shape[1], : joined.shape[2]]
    assert same.mean() > (0.999 if scale == 1 else 0.97)
