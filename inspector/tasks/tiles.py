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
    free, is_cut = [True] * len(tile), cut.tolist()
    order = np.argsort(-everything.scores, kind="stable").tolist()
    scores: list[float] = everything.scores.tolist()
    rows: list[tuple[Floats, int]] = []
    for best in order:
        if not free[best]:
            continue
        free[best] = False
        members, waiting, pieces_only = [best], [best], is_cut[best]
        while waiting:
            for other in same.get(waiting.pop(), ()):
                if not free[other]:
                    continue
                free[other] = False
                if scores[other] >= _SURE * scores[best]:
                    # A piece may go on in the next tile, unless the object is whole in this one.
                    if not is_cut[other] or pieces_only:
                        waiting.append(other)
                    members.append(other)
                    pieces_only = pieces_only and is_cut[other]
        rows.append((_box_of(members, everything.xyxy, scores, is_cut), best))
    kept = [best for _, best in rows]
    joined = Boxes(
        np.array([row for row, _ in rows], np.float32).reshape(-1, 4), everything.scores[kept], everything.classes[kept]
    )
    return suppress(joined, overlap)


def _cut(xyxy: Floats, tiles: Floats, region: Region) -> NDArray[np.bool_]:
    """Return which boxes [N, 4] touch an edge of their tile [N, 4] that is no edge of the region."""
    edges = np.array([region.x, region.y, region.right, region.bottom], np.float32)
    result: NDArray[np.bool_] = ((np.abs(xyxy - tiles) <= _EDGE) & (np.abs(tiles - edges) > _EDGE)).any(axis=1)
    return result


def _same(boxes: Boxes, tiles: Floats, tile: NDArray[np.int64], cut: NDArray[np.bool_]) -> dict[int, list[int]]:
    """Return for each box the boxes of other tiles that show the same object. `tile` [N], ascending: in which tile a box is."""
    low, high = np.maximum(tiles[:, None, :2], tiles[None, :, :2]), np.minimum(tiles[:, None, 2:], tiles[None, :, 2:])
    left, top, right, bottom = boxes.xyxy.T[..., None]
    reaches = (left < tiles[:, 2]) & (top < tiles[:, 3]) & (right > tiles[:, 0]) & (bottom > tiles[:, 1])
    ends = np.searchsorted(tile, np.arange(len(tiles) + 1)).tolist()
    rows, columns = [], []
    for first, second in np.argwhere(np.triu((high > low).all(axis=2), 1)).tolist():
        mine = ends[first] + np.flatnonzero(reaches[ends[first] : ends[first + 1], second])
        theirs = ends[second] + np.flatnonzero(reaches[ends[second] : ends[second + 1], first])
        rows.append(np.repeat(mine, len(theirs)))
        columns.append(np.tile(theirs, len(mine)))
    if not rows:
        return {}
    row, column = np.concatenate(rows), np.concatenate(columns)
    alike = boxes.classes[row] == boxes.classes[column]
    row, column = row[alike], column[alike]
    between = tile[row], tile[column]
    shared = np.concatenate([low[between], high[between]], axis=1)
    one, other = _inside(boxes.xyxy[row], shared), _inside(boxes.xyxy[column], shared)
    meet = area(_inside(one, other))
    sizes = area(one), area(other)
    agree = meet >= _SAME * (sizes[0] + sizes[1] - meet)
    piece = (cut[row] | cut[column]) & (meet >= _PIECE * np.minimum(*sizes))
    chosen = (meet > 0) & (agree | piece)
    links: dict[int, list[int]] = {}
    for pair in zip(row[chosen].tolist(), column[chosen].tolist(), strict=True):
        links.setdefault(pair[0], []).append(pair[1])
        links.setdefault(pair[1], []).append(pair[0])
    return links


def _inside(xyxy: Floats, limits: Floats) -> Floats:
    """Return boxes [N, 4] cut at `limits` [N, 4]; a box outside has no area."""
    cut: Floats = np.concatenate([np.maximum(xyxy[:, :2], limits[:, :2]), np.minimum(xyxy[:, 2:], limits[:, 2:])], axis=1)
    return cut


def _box_of(members: Sequence[int], xyxy: Floats, scores: Sequence[float], cut: Sequence[bool]) -> Floats:
    whole = [index for index in members if not cut[index]]
    if whole:
        return np.asarray(xyxy[max(whole, key=scores.__getitem__)])
    pieces = xyxy[list(members)]
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
