"""Answers to the tiles of one region, joined to the answer for the region, without doubles at the seams."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from inspector.core.types import Boxes, Floats, Masks, Region
from inspector.tasks.boxes import area, suppress

_SAME = 0.5  # smallest IoU of what two tiles show of one object where they overlap
_PIECE = 0.5  # smallest part of a piece that lies inside the other box there
_EDGE = 2.0  # pixels: a box so near to an inner edge of its tile is cut there
_SURE = 0.5  # part of the best score from which a piece belongs to an object


def join_boxes(found: Sequence[tuple[Region, Boxes]], region: Region, *, overlap: float) -> Boxes:
    """Return the boxes of a region from those of its tiles, best first.

    Two boxes of one class in different tiles are the same object if they agree where both tiles look. Of an object that is
    whole in some tile, the best whole box is kept; the pieces of one that is cut in every tile are put together. `overlap`: IoU
    above which whole boxes suppress each other, as within a tile.
    """
    boxes = [own for _, own in found]
    everything = Boxes(
        np.concatenate([own.xyxy for own in boxes]) if boxes else np.zeros((0, 4), np.float32),
        np.concatenate([own.scores for own in boxes]) if boxes else np.zeros(0, np.float32),
        np.concatenate([own.classes for own in boxes]) if boxes else np.zeros(0, np.int64),
    )
    tiles = np.array([[tile.x, tile.y, tile.right, tile.bottom] for tile, _ in found], np.float32).reshape(-1, 4)
    tile = np.repeat(np.arange(len(found)), [len(own) for own in boxes])
    cut = _cut(everything.xyxy, tiles[tile], region)
    same = _same(everything, tiles, tile, cut)
    free, scores = np.ones(len(tile), bool), everything.scores
    rows: list[tuple[Floats, int]] = []
    for best in np.argsort(-scores, kind="stable").tolist():
        if not free[best]:
            continue
        free[best] = False
        members, waiting = [best], [best]
        while waiting:
            for other in same.get(waiting.pop(), ()):
                if not free[other]:
                    continue
                free[other] = False
                if scores[other] >= _SURE * scores[best]:
                    # A piece may go on in the next tile, unless the object is whole in this one.
                    if not cut[other] or cut[members].all():
                        waiting.append(other)
                    members.append(other)
        rows.append((_box_of(members, everything, cut), best))
    kept = [best for _, best in rows]
    joined = Boxes(np.array([row for row, _ in rows], np.float32).reshape(-1, 4), scores[kept], everything.classes[kept])
    return suppress(joined, overlap)


def _cut(xyxy: Floats, tiles: Floats, region: Region) -> NDArray[np.bool_]:
    """Return which boxes [N, 4] touch an edge of their tile [N, 4] that is no edge of the region."""
    edges = np.array([region.x, region.y, region.right, region.bottom], np.float32)
    result: NDArray[np.bool_] = ((np.abs(xyxy - tiles) <= _EDGE) & (np.abs(tiles - edges) > _EDGE)).any(axis=1)
    return result


def _same(boxes: Boxes, tiles: Floats, tile: NDArray[np.int64], cut: NDArray[np.bool_]) -> dict[int, list[int]]:
    """Return for each box the boxes of other tiles that show the same object."""
    low, high = np.maximum(tiles[:, None, :2], tiles[None, :, :2]), np.minimum(tiles[:, None, 2:], tiles[None, :, 2:])
    links: dict[int, list[int]] = {}
    for first, second in np.argwhere(np.triu((high > low).all(axis=2), 1)).tolist():
        shared = np.concatenate([low[first, second], high[first, second]])
        mine, theirs = (np.flatnonzero(tile == number) for number in (first, second))
        one, other = _inside(boxes.xyxy[mine], shared), _inside(boxes.xyxy[theirs], shared)
        corners = np.maximum(one[:, None, :2], other[None, :, :2]), np.minimum(one[:, None, 2:], other[None, :, 2:])
        meet = np.prod(np.maximum(corners[1] - corners[0], 0), axis=2)
        sizes = area(one)[:, None], area(other)[None]
        agree = meet >= _SAME * (sizes[0] + sizes[1] - meet)
        piece = (cut[mine][:, None] | cut[theirs][None]) & (meet >= _PIECE * np.minimum(*sizes))
        alike = boxes.classes[mine][:, None] == boxes.classes[theirs][None]
        for row, column in np.argwhere((meet > 0) & alike & (agree | piece)).tolist():
            pair = int(mine[row]), int(theirs[column])
            links.setdefault(pair[0], []).append(pair[1])
            links.setdefault(pair[1], []).append(pair[0])
    return links


def _inside(xyxy: Floats, limits: Floats) -> Floats:
    """Return boxes [N, 4] cut at `limits` [4]; a box outside has no area."""
    cut: Floats = np.concatenate([np.maximum(xyxy[:, :2], limits[:2]), np.minimum(xyxy[:, 2:], limits[2:])], axis=1)
    return cut


def _box_of(members: Sequence[int], boxes: Boxes, cut: NDArray[np.bool_]) -> Floats:
    whole = [index for index in members if not cut[index]]
    if whole:
        return np.asarray(boxes.xyxy[max(whole, key=lambda index: float(boxes.scores[index]))])
    pieces = boxes.xyxy[list(members)]
    return np.concatenate([pieces[:, :2].min(axis=0), pieces[:, 2:].max(axis=0)]).astype(np.float32)


def join_masks(found: Sequence[tuple[Region, Masks]], region: Region) -> Masks:
    """Return the masks of a region from those of its tiles; each pixel is that of the tile whose middle is nearest to it.

    The planes keep the resolution of the tiles'.
    """
    (first, masks) = found[0]
    count, height, width = masks.planes.shape
    scale_x, scale_y = width / first.width, height / first.height
    columns = _owners(sorted({tile.x - region.x for tile, _ in found}), width, scale_x)
    rows = _owners(sorted({tile.y - region.y for tile, _ in found}), height, scale_y)
    result = np.zeros((count, rows[max(rows)][2], columns[max(columns)][2]), np.uint8)
    for tile, own in found:
        (x, left, right), (y, top, bottom) = columns[tile.x - region.x], rows[tile.y - region.y]
        result[:, top:bottom, left:right] = own.planes[:, top - y : bottom - y, left - x : right - x]
    return Masks(result)


def _owners(starts: Sequence[int], length: int, scale: float) -> dict[int, tuple[int, int, int]]:
    """Return by its start in frame pixels where each tile begins in the joined plane, and from where to where it is used."""
    begins = [round(start * scale) for start in starts]
    cuts = [(before + length + after) // 2 for before, after in pairwise(begins)]
    ends = [*cuts, begins[-1] + length]
    return dict(zip(starts, zip(begins, [0, *cuts], ends, strict=True), strict=True))
