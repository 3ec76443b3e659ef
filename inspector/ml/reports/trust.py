"""Whether a bundle looks at the part: how much of its heat lies where it should, and what depends on it. Needs no torch.

Heat maps are float32 [H, W] of the frame, 0..1. Shares count the heat; `lift` compares a share with that of an even map: 1 is
what chance would put there. The pointing game (Zhang et al., IJCV 2018) asks for the hottest pixel only. Insertion and deletion
(Petsiuk et al., BMVC 2018) uncover or cover the hottest pixels first and take the mean of the score on the way, relative to the
score of the whole frame: a map of what matters has a high insertion and a low deletion. ROAD (see `road`) is high for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundles.bundle import Card
from inspector.core.types import IGNORE, Annotation, Boxes, Floats, Masks, Prediction, Region, Scores
from inspector.imaging.preprocessing import InputSpec, Prepared, View
from inspector.ml.evaluate import Infer, Item
from inspector.ml.occlusion import answers_of, explained_number
from inspector.ml.reports.road import removals, road
from inspector.runs.settings import Area
from inspector.tasks.base import card_threshold
from inspector.tasks.boxes import box_iou
from inspector.tasks.masks import class_map

Inside = NDArray[np.bool_]
Box = tuple[float, float, float, float]

GRID = 16  # cells along a side of the mean map
_SLACK = 1 / 16  # of the side: as far as the coarse cells of a layer blur what the network saw
_STEPS = 10  # of insertion and deletion
_BLUR = 0.1  # of the side: what insertion starts from
_ALIKE = 0.5  # IoU of a box with the true one
_OVERLAP = 0.2  # IoU of an area with the true one
_HALF = 0.5  # of the peak of the mean map: the edge of a hot area
_LARGEST = 0.35  # share of the picture that a hot area may be
_KEPT = 0.8  # of an area's effect that a smaller one must keep
LEAST_EFFECT = 0.15  # of the score that an area must change, beyond what an equal area elsewhere does
_LIGHT = 0.25  # by how much the light is changed
_MOVED = 0.06  # of the side by which the frame is moved


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """Where a bundle looked in one image. Shares are None where there is nothing to compare with, or no heat.

    `spread`: the heat outside the true defect on a grid of the network's input; the whole heat adds up to 1. `right`: None if
    the truth does not tell.
    """

    sample: str
    truth: str
    said: str
    class_index: int
    right: bool | None
    inside_part: float | None
    inside_truth: float | None
    lift: float | None
    pointed: bool | None
    insertion: float | None
    deletion: float | None
    road: float | None
    spread: Floats

    @property
    def wrong_place(self) -> bool:
        """Whether the answer is right, but no more heat lies on the defect than chance would put there."""
        return self.right is True and self.lift is not None and self.lift < 1


class Faith(NamedTuple):
    """How far a heat map names what the score depends on."""

    insertion: float
    deletion: float
    road: float


@dataclass(frozen=True, slots=True)
class HotArea:
    """A place outside all defects where much of the heat for a class lies.

    `share` of the heat; `area` of the input; `effect`: by which share of the score it falls where the area is covered;
    `control`: the same for an equal area on the other side of the input.
    """

    class_name: str
    area: Area
    share: float
    effect: float
    control: float


def true_inside(truth: Annotation, shape: tuple[int, int]) -> Inside | None:
    """Return where the truth has its boxes or mask, bool [H, W]; None if it has none."""
    inside = np.zeros(shape, bool)
    if truth.mask is not None:
        inside |= (truth.mask > 0) & (truth.mask != IGNORE)
    if truth.boxes is not None:
        for left, top, right, bottom in np.rint(truth.boxes.xyxy).astype(int).tolist():
            inside[max(top, 0) : bottom, max(left, 0) : right] = True
    return inside if inside.any() else None


def widened(inside: Inside) -> Inside:
    """Return an area with the slack that a coarse map needs."""
    height, width = inside.shape
    sides = (2 * max(1, round(_SLACK * width)) + 1, 2 * max(1, round(_SLACK * height)) + 1)
    return np.asarray(cv2.dilate(inside.astype(np.uint8), np.ones(sides[::-1], np.uint8)), bool)


def share(heat: Floats, inside: Inside) -> float | None:
    """Return the share of the heat inside an area; None if there is no heat."""
    total = float(heat.sum(dtype=np.float64))
    return float(heat[inside].sum(dtype=np.float64)) / total if total > 0 else None


def part_inside(part: Region, shape: tuple[int, int]) -> Inside:
    inside = np.zeros(shape, bool)
    inside[part.y : part.bottom, part.x : part.right] = True
    return inside


def looked(
    item: Item,
    prediction: Prediction,
    heat: Floats,
    *,
    card: Card,
    class_index: int,
    part: Region | None = None,
    truth: Annotation | None = None,
    faith: Faith | None = None,
) -> Looked:
    """Return the measures of one image from its heat map [H, W] for a class.

    `truth`: with the mask or boxes of the defects, if the item's own has none.
    """
    shape = (item.frame.height, item.frame.width)
    inside = true_inside(truth or item.truth, shape)
    near = None if inside is None else widened(inside)
    at_truth = None if near is None else share(heat, near)
    outside = heat if near is None else np.where(near, np.float32(0), heat)
    total = float(heat.sum(dtype=np.float64))
    pointed = None if near is None or total <= 0 else bool(near.ravel()[int(heat.argmax())])
    names = card.classes or ("",)
    label = item.truth.label
    return Looked(
        item.name,
        "" if label is None else names[label],
        names[class_index],
        class_index,
        is_right(prediction, truth or item.truth, card, item.truth.label),
        None if part is None else share(heat, part_inside(part, shape)),
        at_truth,
        None if near is None or at_truth is None else at_truth / float(near.mean()),
        pointed,
        None if faith is None else faith.insertion,
        None if faith is None else faith.deletion,
        None if faith is None else faith.road,
        _on_input(outside, item.view, card.input) / np.float32(total or 1.0),
    )


def _on_input(heat: Floats, view: View, spec: InputSpec) -> Floats:
    """Return the heat of a frame on a grid of the input, in which areas are covered, with its sum kept."""
    region, content = view.region, view.content(spec)
    part = heat[region.y : region.bottom, region.x : region.right]
    shown = np.zeros((spec.height, spec.width), np.float32)
    shown[content.y : content.bottom, content.x : content.right] = cv2.resize(
        part, (content.width, content.height), interpolation=cv2.INTER_AREA
    )
    cells = np.asarray(cv2.resize(shown, (GRID, GRID), interpolation=cv2.INTER_AREA), np.float32)
    return cells * np.float32(part.size / (content.width * content.height) * shown.size / GRID**2)


def is_right(prediction: Prediction, truth: Annotation, card: Card, label: int | None) -> bool | None:
    """Return whether an answer agrees with the truth: the class, a box that fits, an area that overlaps; None if unknown."""
    answer = prediction.answer
    if isinstance(answer, Scores):
        return None if label is None else answer.best == label
    if isinstance(answer, Boxes) and truth.boxes is not None:
        found = answer.at_least(card_threshold(card))
        if not len(truth.boxes) or not len(found):
            return len(truth.boxes) == len(found)
        alike = box_iou(found.xyxy, truth.boxes.xyxy) >= _ALIKE
        return bool((alike & (found.classes[:, None] == truth.boxes.classes[None])).any())
    if isinstance(answer, Masks) and truth.mask is not None:
        region, true = prediction.region, (truth.mask > 0) & (truth.mask != IGNORE)
        shown = np.zeros(true.shape, bool)
        shown[region.y : region.bottom, region.x : region.right] = class_map(prediction, card_threshold(card)) > 0
        union = int((shown | true).sum())
        return not union or int((shown & true).sum()) / union >= _OVERLAP
    return None


def faithful(
    infer: Infer, card: Card, frame: Prepared, heat: Floats, class_index: int, *, box: Box | None = None
) -> Faith | None:
    """Return insertion, deletion and ROAD of a heat map of the input [height, width]; None if there is no score, or no heat.

    `box`: (left, top, right, bottom) in pixels of the input, where the map explains one box rather than all of its class.
    """
    if not heat.any():
        return None
    chance = np.random.default_rng(0).permutation(heat.size)  # pixels of equal heat, mostly of none, come in no order
    order = np.lexsort((chance, -heat.ravel()))
    mean = np.broadcast_to(frame.mean(axis=(0, 1)), frame.shape).astype(frame.dtype)
    blurred = np.asarray(cv2.GaussianBlur(frame, (0, 0), max(1.0, _BLUR * frame.shape[1])), frame.dtype).reshape(frame.shape)
    inserted, deleted = [blurred], [frame]
    for step in range(1, _STEPS + 1):
        hot = np.zeros(heat.size, bool)
        hot[order[: heat.size * step // _STEPS]] = True
        hot = hot.reshape(heat.shape)[..., None]
        inserted.append(np.where(hot, frame, blurred))
        deleted.append(np.where(hot, mean, frame))
    changed = np.concatenate([np.stack([*inserted, *deleted]), removals(card, frame, heat)])
    numbers = scores(infer, card, changed, [class_index] * len(changed), box=box)
    whole = numbers[_STEPS + 1]
    if not whole > 0:
        return None
    relative = np.clip(numbers / whole, 0, 1.5)
    ends = _STEPS + 1, 2 * _STEPS + 2
    return Faith(float(relative[: ends[0]].mean()), float(relative[ends[0] : ends[1]].mean()), road(relative[ends[1] :]))


def scores(
    infer: Infer, card: Card, frames: Prepared, classes: Sequence[int], *, box: Box | None = None
) -> NDArray[np.float64]:
    """Return the explained number of a class, or of one box of it, for each input [N, height, width, C]."""
    found: list[float] = []
    for begin in range(0, len(frames), card.max_batch):
        piece = slice(begin, begin + card.max_batch)
        for answer, kind in zip(answers_of(infer, card, frames[piece]), classes[piece], strict=True):
            found.append(explained_number(answer, kind, box))
    return np.array(found)


def hot_area(
    infer: Infer, card: Card, frames: Sequence[Prepared], seen: Sequence[Looked], names: Sequence[str]
) -> HotArea | None:
    """Return the place outside the defects on which the answers of one class depend most; None if there is none.

    `frames`: the inputs of `seen`. A place counts if covering it lowers the score by more than covering as much on the other
    side; it is then made as small as that allows.
    """
    best: HotArea | None = None
    for kind in sorted({one.class_index for one in seen}):
        mine = [n for n, one in enumerate(seen) if one.class_index == kind and one.right is not False]
        if len(mine) < 3:
            continue
        mean = np.mean([seen[n].spread for n in mine], axis=0)
        area = _around_peak(mean)
        if area is None:
            continue
        inputs = np.stack([frames[n] for n in mine])
        before = scores(infer, card, inputs, [kind] * len(mine))

        def fall(one: Area, inputs: Prepared = inputs, before: NDArray[np.float64] = before, kind: int = kind) -> float:
            after = scores(infer, card, _covered(inputs, one), [kind] * len(inputs))
            return float(np.mean(1 - after / np.maximum(before, 1e-9)))

        whole = effect = fall(area)
        for smaller in _smaller(area) if whole > 0 else ():
            if smaller[2] * smaller[3] < area[2] * area[3] and (less := fall(smaller)) >= _KEPT * whole:
                area, effect = smaller, less
        control = fall((1 - area[0] - area[2], 1 - area[1] - area[3], area[2], area[3]))
        found = HotArea(names[kind], area, float(mean[_cells(area)].sum()), effect, control)
        if effect - control >= LEAST_EFFECT and (best is None or effect - control > best.effect - best.control):
            best = found
    return best


def unsteady(infer: Infer, card: Card, frames: Sequence[Prepared], seen: Sequence[Looked]) -> tuple[float, float]:
    """Return the shares of the scores that are lost to other light and to another position, at worst over both ways."""
    if not len(frames) or frames[0].dtype != np.uint8:
        return 0.0, 0.0
    inputs, kinds = np.stack(list(frames)), [one.class_index for one in seen]
    before = scores(infer, card, inputs, kinds)

    def lost(changed: Prepared) -> float:
        return float(np.mean(np.maximum(0, 1 - scores(infer, card, changed, kinds) / np.maximum(before, 1e-9))))

    light = [np.clip(inputs * factor, 0, 255).astype(np.uint8) for factor in (1 - _LIGHT, 1 + _LIGHT)]
    step = max(1, round(_MOVED * inputs.shape[2]))
    place = [_shifted(inputs, way * step) for way in (-1, 1)]
    return max(map(lost, light)), max(map(lost, place))


def around(part: Region, view: View, spec: InputSpec) -> tuple[Area, ...]:
    """Return the areas of the input beside a part of the frame, which together are all of the rest; none if it is not seen."""
    corners = view.to_input(np.array([[part.x, part.y, part.right, part.bottom]], np.float32))[0]
    sides = np.array([spec.width, spec.height] * 2, np.float32)
    left, top, right, bottom = np.clip(corners / sides, 0, 1).tolist()
    if not (right > left and bottom > top):
        return ()
    strips = ((0.0, 0.0, 1.0, top), (0.0, bottom, 1.0, 1 - bottom), (0.0, top, left, bottom - top))
    found = (*strips, (right, top, 1 - right, bottom - top))
    return tuple(area for area in found if area[2] > 0.005 and area[3] > 0.005)


def area_text(areas: Sequence[Area]) -> str:
    """Return areas as the setting `cover` of a training takes them: their edges are rounded, so that none leaves the input."""
    texts = []
    for left, top, width, height in areas:
        x, y, right, bottom = (round(100 * edge, 1) for edge in (left, top, left + width, top + height))
        texts.append(",".join(f"{number:g}" for number in (x, y, right - x, bottom - y)))
    return "+".join(texts)


def _around_peak(mean: Floats) -> Area | None:
    """Return the rectangle around the peak of a mean map, at half its height; None if it is no place of its own."""
    if not mean.any():
        return None
    _, labels, _, _ = cv2.connectedComponentsWithStats((mean >= _HALF * mean.max()).astype(np.uint8), connectivity=4)
    rows, columns = np.nonzero(labels == labels.ravel()[int(mean.argmax())])
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    area = (float(left / GRID), float(top / GRID), float((right - left) / GRID), float((bottom - top) / GRID))
    return area if area[2] * area[3] <= _LARGEST else None


def _cells(area: Area) -> tuple[slice, slice]:
    left, top, width, height = (round(side * GRID) for side in area)
    return slice(top, top + height), slice(left, left + width)


def _smaller(area: Area) -> list[Area]:
    """Return smaller areas inside one, the largest first: each keeps a corner, or the middle."""
    left, top, width, height = area
    found = []
    for factor in (0.75, 0.5):
        w, h = width * factor, height * factor
        for x in (0.0, (width - w) / 2, width - w):
            found += [(left + x, top + y, w, h) for y in (0.0, (height - h) / 2, height - h)]
    return found


def _covered(inputs: Prepared, area: Area) -> Prepared:
    height, width = inputs.shape[1:3]
    left, top, w, h = (round(side * length) for side, length in zip(area, (width, height, width, height), strict=True))
    covered = inputs.copy()
    covered[:, top : top + max(h, 1), left : left + max(w, 1)] = np.rint(inputs.mean(axis=(1, 2), keepdims=True))
    return covered


def _shifted(inputs: Prepared, step: int) -> Prepared:
    moved = np.roll(inputs, step, axis=2)
    edge = inputs[:, :, :1] if step > 0 else inputs[:, :, -1:]
    moved[:, :, : step if step > 0 else 0] = edge
    if step < 0:
        moved[:, :, step:] = edge
    return moved
