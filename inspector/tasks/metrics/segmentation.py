"""Quality of segmentation: pixel overlap, and whether a frame's defects were found at all."""

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from inspector.core.types import IGNORE, Annotation, Masks, Prediction
from inspector.imaging.preprocessing import resize
from inspector.runs.report import Confusion, Curve, Interval
from inspector.tasks.base import Metrics
from inspector.tasks.masks import MASK, SPECK_PX, areas_of, class_map, class_planes, unknown_plane
from inspector.tasks.metrics.common import mean_where, precision_recall, ratio
from inspector.tasks.metrics.detection import NOTHING
from inspector.tasks.statistics.intervals import bootstrap, group_numbers, proportion, share_interval

Table = NDArray[np.float64]
HALF = 128  # share of a pixel, times 255, from which it belongs to a class


class SegmentationMetrics(Metrics):
    """Dice and IoU over the pixels of all frames together, at the frame's resolution."""

    primary: ClassVar[str] = "dice"

    def __init__(self, classes: Sequence[str], *, threshold: float = MASK) -> None:
        self.classes = tuple(classes)
        self.threshold = threshold
        self._tables: list[NDArray[np.int64]] = []  # per frame: pixel counts [truth, prediction], background first
        self._found: list[bool] = []
        self._groups: list[str] = []
        # histogram of mask values outside and inside the labelled area
        self._levels = np.zeros((len(classes), 2, 256), np.int64)

    def update(self, prediction: Prediction, truth: Annotation, *, group: str = "") -> None:
        """Add one frame; frames without a mask and unlabelled pixels are ignored."""
        planes = prediction.expect(Masks).planes
        if truth.mask is None:
            return
        region, count = prediction.region, len(self.classes) + 1
        real = truth.mask[region.y : region.bottom, region.x : region.right]
        said = class_map(prediction, self.threshold)
        known = real != IGNORE
        said = np.where(known, said, np.uint8(0))
        pairs = (np.minimum(real, count - 1).astype(np.int64) * count + said)[known]
        self._tables.append(np.bincount(pairs.ravel(), minlength=count * count).reshape(count, count))
        self._found.append(any(area.area_px > SPECK_PX for area in areas_of(said, region)))
        self._groups.append(group)
        # The truth is shrunk as for training: a line thinner than a pixel of the network is where it covers half of it.
        unlabelled = _shrunk(unknown_plane(real), planes[0]) > 0
        for index, (plane, drawn) in enumerate(zip(planes, class_planes(real, len(planes)), strict=True)):
            inside = _shrunk(drawn, plane) >= HALF
            self._levels[index, 0] += np.bincount(plane[~inside & ~unlabelled], minlength=256)
            self._levels[index, 1] += np.bincount(plane[inside & ~unlabelled], minlength=256)

    def merge(self, other: Self) -> None:
        self._tables += other._tables
        self._found += other._found
        self._groups += other._groups
        self._levels = self._levels + other._levels

    def compute(self) -> dict[str, float]:
        """Return overlaps and image-level rates.

        `dice`, `iou`: pixels of all classes pooled. `macro_dice`, `mean_iou`: means over the classes that occur in truth or
        predictions. `defect_iou`: any class against background. `image_recall`: share of the frames with a labelled defect in
        which an area larger than a speck was found, of any class. `image_false_reject`: the same share of the frames without a
        defect. For each class: dice, iou, precision, recall.

        With nothing to find and nothing found the overlaps are 1.
        """
        nothing = 1.0 if self._tables else 0.0
        table = self._pixels().astype(np.float64)
        numbers = {name: float(values[0]) for name, values in _overlaps(table[None], nothing).items()}
        defect, found = self._defects(), np.array(self._found, bool)
        numbers["image_recall"] = float(ratio((defect & found).sum(), defect.sum()))
        numbers["image_false_reject"] = float(ratio((~defect & found).sum(), (~defect).sum()))
        each = {name: values[0] for name, values in _by_class(table[None], nothing).items()}
        for index, name in enumerate(self.classes):
            numbers |= {f"{kind}/{name}": float(values[index]) for kind, values in each.items()}
        return numbers

    def intervals(self, *, seed: int = 0) -> dict[str, Interval]:
        numbers = self.compute()
        if not self._tables:
            return {name: Interval(value=value, low=0.0, high=1.0) for name, value in numbers.items()}
        groups = group_numbers(self._groups)
        count = int(groups.max()) + 1

        def statistic(sums: Table) -> Table:
            overall, each = _overlaps(sums, 1.0), _by_class(sums, 1.0)
            return np.concatenate([np.stack(list(overall.values()), axis=1), *each.values()], axis=1)

        kinds = _by_class(np.zeros((1, len(self.classes) + 1, len(self.classes) + 1)), 1.0)
        names = list(_overlaps(np.zeros((1, 1, 1)), 1.0)) + [f"{kind}/{name}" for kind in kinds for name in self.classes]
        drawn = bootstrap(np.stack(self._tables), groups, statistic, seed=seed)
        result = {name: share_interval(numbers[name], drawn[:, place], count) for place, name in enumerate(names)}
        defect, found = self._defects(), np.array(self._found, bool)
        for name, which in (("image_recall", defect), ("image_false_reject", ~defect)):
            hits, seen = (np.bincount(groups[part], minlength=count) for part in (which & found, which))
            result[name] = proportion(hits, seen)
        return {name: result[name] for name in numbers}

    def confusion_table(self) -> Confusion:
        """Return the confusion table in pixels; background comes last, as in detection."""
        order = [*range(1, len(self.classes) + 1), 0]
        counts = tuple(tuple(row) for row in self._pixels()[np.ix_(order, order)].tolist())
        return Confusion(labels=(*self.classes, NOTHING), counts=counts, unit="pixels")

    def curves(self) -> tuple[Curve, ...]:
        """Return the curves of pixels at the network's resolution, each class against everything else."""
        result = []
        for name, (outside, inside) in zip(self.classes, self._levels, strict=True):
            scores = (np.arange(256) / 255).astype(np.float32)
            used = inside + outside > 0
            both = (inside + outside)[used].astype(np.float64)
            result.append(precision_recall(name, scores[used], inside[used], int(inside.sum()), weights=both))
        return tuple(result)

    def support(self) -> dict[str, int]:
        """Return the number of frames in which each class is labelled."""
        there = np.array([table[1:].sum(axis=1) > 0 for table in self._tables]).reshape(-1, len(self.classes))
        return dict(zip(self.classes, there.sum(axis=0).tolist(), strict=True))

    def _pixels(self) -> NDArray[np.int64]:
        """Return the pixel counts of all frames [truth, prediction], background first."""
        count = len(self.classes) + 1
        total: NDArray[np.int64] = np.array(self._tables, np.int64).reshape(-1, count, count).sum(axis=0)
        return total

    def _defects(self) -> NDArray[np.bool_]:
        """Return which frames have a labelled defect."""
        return np.array([table[1:].sum() > 0 for table in self._tables], bool)


def _shrunk(drawn: NDArray[np.uint8], plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the share of each pixel of `plane` that `drawn` covers, times 255."""
    share = np.empty_like(plane)
    resize(drawn, share)
    return share


def _overlaps(tables: Table, nothing: float) -> dict[str, Table]:
    """Return the numbers over all classes from pixel tables [n, 1 + K, 1 + K], each as [n]."""
    both = np.diagonal(tables, axis1=1, axis2=2)[:, 1:]
    real, mine = tables.sum(axis=2)[:, 1:], tables.sum(axis=1)[:, 1:]
    sums, unions = mine + real, mine + real - both
    background = tables[:, 0, 0]
    everything = tables.sum(axis=(1, 2))
    defect = tables[:, 1:, 1:].sum(axis=(1, 2))
    return {
        "dice": ratio(2 * both.sum(axis=1), sums.sum(axis=1), nothing),
        "iou": ratio(both.sum(axis=1), unions.sum(axis=1), nothing),
        "macro_dice": mean_where(ratio(2 * both, sums), sums > 0, nothing),
        "mean_iou": mean_where(ratio(both, unions), sums > 0, nothing),
        "defect_iou": ratio(defect, everything - background, nothing),
    }


def _by_class(tables: Table, nothing: float) -> dict[str, Table]:
    """Return the numbers of each class, each as [n, K]."""
    both = np.diagonal(tables, axis1=1, axis2=2)[:, 1:]
    real, mine = tables.sum(axis=2)[:, 1:], tables.sum(axis=1)[:, 1:]
    return {
        "dice": ratio(2 * both, mine + real, nothing),
        "iou": ratio(both, mine + real - both, nothing),
        "precision": ratio(both, mine, nothing),
        "recall": ratio(both, real, nothing),
    }
