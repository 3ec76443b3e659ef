"""Tiles of large images to learn from: around every defect, and some without any."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.types import Region
from inspector.data.samples import Sample
from inspector.data.sizes import header, mask_areas
from inspector.imaging.tiling import Tiling

_MOST = 12  # tiles with defects of one image
_GOOD = 2  # tiles of an image without a defect; of one with defects, as many as half of those with
Box = tuple[float, float, float, float]


def tile_samples(
    samples: Sequence[Sample], tiling: Tiling, *, seed: int, problems: list[Message], tick: Callable[[], None]
) -> list[Sample]:
    """Return the samples' tiles: each defect lies in one, anywhere in it, and some show none.

    The same seed gives the same tiles. Images smaller than a tile and defects larger than one are named in `problems`. `tick`
    is called once per sample and may raise.
    """
    found, large = list[Sample](), 0
    for sample in samples:
        tick()
        try:
            size, boxes = _objects(sample)
        except ConfigError as error:
            problems.append(error.problem)
            continue
        region = Region(0, 0, *size)
        misfit = tiling.misfit(region)
        if misfit is not None:
            problems.append(message("{file}: {problem}", file=sample.path, problem=misfit))
            continue
        large += sum(max(box[2] - box[0], box[3] - box[1]) > tiling.size for box in boxes)
        rng = np.random.default_rng((seed, *sample.name.encode()))
        found += [
            replace(sample, name=f"{sample.name}#{tile.x},{tile.y}", region=tile)
            for tile in choose_tiles(region, boxes, tiling, rng)
        ]
    if large:
        problems.append(
            message(
                "{count} {count:|object is|objects are} larger than a tile of {size} px: the network sees only pieces of "
                "{count:|it|them}.",
                count=large,
                size=tiling.size,
            )
        )
    return found


def choose_tiles(region: Region, boxes: Sequence[Box], tiling: Tiling, rng: np.random.Generator) -> list[Region]:
    """Return tiles in which every box lies whole, as far as it fits into one, and some without a box."""
    chosen: list[Region] = []
    for index in rng.permutation(len(boxes)).tolist():
        box = boxes[index]
        if len(chosen) == _MOST:
            break
        if not any(_covers(tile, box) for tile in chosen):
            x = place(box[0], box[2], tiling.size, region.width, rng)
            chosen.append(Region(x, place(box[1], box[3], tiling.size, region.height, rng), tiling.size, tiling.size))
    good = [tile for tile in tiling.tiles(region) if not any(_touches(tile, box) for box in boxes)]
    wanted = max(1, len(chosen) // 2) if boxes else _GOOD
    return chosen + [good[index] for index in rng.permutation(len(good))[:wanted].tolist()]


def _objects(sample: Sample) -> tuple[tuple[int, int], list[Box]]:
    """Return width and height of a sample's image, and the boxes of its objects. Raises ConfigError."""
    seen = header(sample.path)
    if seen is None:
        raise ConfigError("{file} cannot be read.", file=sample.path)
    width, height = seen[:2]
    if sample.mask is not None:
        return (width, height), [one.box for one in mask_areas(sample.mask.read(height, width))]
    boxes = sample.truth.boxes
    return (width, height), [] if boxes is None else [(box[0], box[1], box[2], box[3]) for box in boxes.xyxy.tolist()]


def place(low: float, high: float, size: int, length: int, rng: np.random.Generator) -> int:
    """Return where a tile of this size begins, in 0..`length`, that shows low..high, or, if that is longer, a part of it."""
    first, last = int(np.ceil(high)) - size, int(low)
    if first > last:
        first, last = last, first
    first, last = (min(max(one, 0), length - size) for one in (first, last))
    return int(rng.integers(first, last + 1))


def _covers(tile: Region, box: Box) -> bool:
    return tile.x <= box[0] and tile.y <= box[1] and box[2] <= tile.right and box[3] <= tile.bottom


def _touches(tile: Region, box: Box) -> bool:
    return box[0] < tile.right and box[2] > tile.x and box[1] < tile.bottom and box[3] > tile.y
