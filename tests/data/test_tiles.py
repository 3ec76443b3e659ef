"""Tiles to learn from: every defect in one, anywhere in it, and some without."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.core.message import Message
from inspector.core.types import Region
from inspector.data.annotations import read_dataset
from inspector.data.tiles import Box, choose_tiles, tile_samples
from inspector.imaging.tiling import Tiling

TILING = Tiling(size=64, overlap=16)
REGION = Region(0, 0, 400, 300)


def whole_in(tile: Region, box: Box) -> bool:
    return tile.x <= box[0] and tile.y <= box[1] and box[2] <= tile.right and box[3] <= tile.bottom


@pytest.mark.parametrize("seed", range(10))
def test_every_defect_lies_whole_in_a_tile_and_some_tiles_show_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = [(float(x), float(y)) for x, y in zip(rng.integers(0, 370, 8), rng.integers(0, 270, 8), strict=True)]
    boxes = [(x, y, x + float(rng.integers(3, 30)), y + float(rng.integers(3, 30))) for x, y in corners]
    boxes += [(0.0, 0.0, 5.0, 5.0), (395.0, 295.0, 400.0, 300.0)]
    tiles = choose_tiles(REGION, boxes, TILING, rng)
    for tile in tiles:
        assert (tile.width, tile.height) == (64, 64)
        assert tile.fits(400, 300)
    assert all(any(whole_in(tile, box) for tile in tiles) for box in boxes)
    good = [tile for tile in tiles if not any(whole_in(tile, box) for box in boxes)]
    assert 1 <= len(good) <= len(tiles) // 2
    assert choose_tiles(REGION, boxes, TILING, np.random.default_rng(3)) == choose_tiles(
        REGION, boxes, TILING, np.random.default_rng(3)
    )


def test_good_images_and_crowds_give_a_few_tiles_and_large_objects_a_part_of_them() -> None:
    rng = np.random.default_rng(0)
    assert len(choose_tiles(REGION, [], TILING, rng)) == 2
    crowd = [(float(x), float(y), x + 4.0, y + 4.0) for x in range(0, 390, 12) for y in range(0, 290, 12)]
    assert len(choose_tiles(REGION, crowd, TILING, rng)) == 12
    places = {
        choose_tiles(REGION, [(100.0, 100.0, 250.0, 120.0)], TILING, np.random.default_rng(seed))[0].x for seed in range(30)
    }
    assert min(places) >= 100
    assert max(places) <= 250 - 64
    assert len(places) > 10


def test_samples_of_tiles_keep_their_group_and_name_what_does_not_fit(tmp_path: Path) -> None:
    """Masks of three sizes: one image is smaller than a tile, and one defect is larger than one."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for index, (width, height) in enumerate([(200, 150), (60, 90), (300, 100), (100, 100)]):
        pixels = np.random.default_rng(index).integers(0, 255, (height, width), dtype=np.uint8)
        mask = np.zeros((height, width), np.uint8)
        mask[10:20, 10 : 110 if index == 2 else 16] = 255
        assert cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), pixels)
        assert cv2.imwrite(str(tmp_path / "masks" / f"{index}.png"), mask)
    samples = read_dataset(tmp_path, "segmentation").samples
    problems: list[Message] = []
    ticks: list[None] = []
    tiles = tile_samples(samples, TILING, seed=1, problems=problems, tick=lambda: ticks.append(None))
    assert len(ticks) == len(samples) == 4
    assert {tile.group for tile in tiles} == {sample.group for sample in samples} - {samples[1].group}
    assert len({tile.name for tile in tiles}) == len(tiles)
    assert all(tile.region is not None and tile.name.endswith(f"#{tile.region.x},{tile.region.y}") for tile in tiles)
    assert [problem.text for problem in problems] == [
        f"{samples[1].path}: A tile of 64 px is larger than the image or region of 60 x 90 px.",
        "1 object is larger than a tile of 64 px: the network sees only pieces of it.",
    ]
    again = tile_samples(samples, TILING, seed=1, problems=[], tick=lambda: None)
    assert [tile.region for tile in again] == [tile.region for tile in tiles]
