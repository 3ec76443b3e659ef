"""Conversion of labels to the kind that a task needs: boxes from masks, a class from boxes."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, assert_never

import numpy as np
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.registry import TASKS
from inspector.core.types import IGNORE, Annotation, LabelKind, TaskName
from inspector.data.formats.record import BACKGROUND, NO_DEFECT, Listing, Record, Tick, boxes_of, labelled_size
from inspector.data.formats.shapes import IGNORED, Shape
from inspector.data.good_classes import guess_good_classes
from inspector.data.masks import HALF, flat_shade, read_mask, read_mask_of
from inspector.data.outlines import Outline, components
from inspector.data.samples import Dataset, DrawnMask, MaskFile, Sample, class_indices

T = TypeVar("T")
R = TypeVar("R")
_SMALLEST = 2  # pixels a side: what is smaller in a mask is an edge's fringe and no object
_SHADES = slice(32, 224)  # neither black nor white, nor the soft edge between them
_LEAST_DRAWN = 0.1  # pixels of classes over those of the value 255, from which that is no class
_SEVERAL, _MOST_WHITE = 3, 0.5  # masks, and the share of each that is white, from which they look inverted
_GOOD, _FEWEST_GOOD = "good", 5  # the class of images without an object, and how many make it one
_MOST_SHADES = 0.25  # of the pixels of a mask in black and white


def build(
    listing: Listing,
    folder: Path,
    task: TaskName,
    *,
    classes: Sequence[str] | None = None,
    group: str = "",
    tick: Tick,
) -> Dataset:
    """Return the data set of one task; it has no samples if the labels do not suffice for the task.

    `tick` is called after each mask that is opened. Raises ConfigError.
    """
    return _Builder(listing, folder, task, classes, group, tick).dataset()


class _Builder:
    def __init__(
        self, listing: Listing, folder: Path, task: TaskName, expected: Sequence[str] | None, group: str, tick: Tick
    ) -> None:
        self.listing, self.folder, self.task, self.expected, self.group = listing, folder, task, expected, group
        self.tick = tick
        self.records = listing.records
        self.problems = list(listing.problems)
        self.by_most = False
        self.shades: dict[str, int] = {}  # by image: a value that fills an area of its mask, if it is not black or white

    def dataset(self) -> Dataset:
        names, samples = self._taught(TASKS[self.task].labels)
        alike: dict[str, list[str]] = {}
        for name in names:
            alike.setdefault(name.casefold(), []).append(name)
        self.problems += [
            message("The classes {names} differ in capital letters only; are they one class?", names=", ".join(same))
            for same in alike.values()
            if len(same) > 1
        ]
        ordered = tuple(sorted(_by_rarest(samples), key=lambda sample: sample.name))
        return Dataset(self.folder, self.task, names, ordered, tuple(self.problems), self.by_most)

    def _taught(self, labels: LabelKind) -> tuple[tuple[str, ...], list[Sample]]:
        """Return the classes, and the samples with labels of this kind."""
        match labels:
            case "label":
                return self._labelled()
            case "boxes":
                return self._boxed()
            case "mask":
                return self._masked()
            case "temperatures":
                return self._measured()
            case _:
                assert_never(labels)

    def _measured(self) -> tuple[tuple[str, ...], list[Sample]]:
        measured = [record for record in self.records if record.kelvin is not None]
        return (), [self._sample(record, ("thermal",), Annotation(temperatures=record.kelvin)) for record in measured]

    def _labelled(self) -> tuple[tuple[str, ...], list[Sample]]:
        """Return a class per image: its own, else that of most of its objects, else the one that covers most of its mask.

        Images on which, as the labels say, there is no object are good ones: without them, a classifier would call every good
        part a defect.
        """
        kinds: list[tuple[Record, str]] = []
        by_mask = self._main_of_masks()
        good: list[Record] = []
        unknown = 0
        for record in self.records:
            kind = record.label or record.main_class() or by_mask.get(record.name, "")
            if kind:
                kinds.append((record, kind))
                self.by_most = self.by_most or (record.label is None and not record.kelvin)
            elif by_mask.get(record.name) == "" or (record.shapes == () and record.mask is None):
                good.append(record)
            elif record.shapes is not None or record.mask is not None:
                unknown += 1
        used = {kind for _, kind in kinds}
        if self._makes_a_class(good, used):
            kinds += [(record, _GOOD) for record in good]
            self.problems.append(
                message(
                    "No object is labelled in {count} {count:|image|images}: for classification {count:|it is|they are} of the "
                    "class {name}.",
                    count=len(good),
                    name=_GOOD,
                )
            )
        else:
            unknown += len(good)
        if unknown and kinds:
            self.problems.append(
                message("Without a labelled object an image has no class: classification leaves out {count}.", count=unknown)
            )
        never = {shape.name for record in self.records if record.label is None for shape in record.objects} - used
        if never:
            self.problems.append(
                message(
                    "{names} are never what most of an image's objects are: detection can learn them, classification cannot.",
                    names=", ".join(sorted(never)),
                )
            )
        ordered = [name for name in self.listing.classes if name in used]
        extra = sorted({kind for _, kind in kinds} - used) if ordered else []
        index = self._index({kind for _, kind in kinds}, [*ordered, *extra])
        return tuple(index), [
            self._sample(record, (kind,), Annotation(label=index[kind], confidence=record.confidence)) for record, kind in kinds
        ]

    def _makes_a_class(self, good: Sequence[Record], used: set[str]) -> bool:
        """Return whether images without an object are a class of their own. `used`: the classes of the other images."""
        if self.expected is not None:
            return _GOOD in self.expected
        return bool(used) and len(good) >= _FEWEST_GOOD and not guess_good_classes((*used, ""))

    def _boxed(self) -> tuple[tuple[str, ...], list[Sample]]:
        """Return the labelled boxes, else a box around each connected area of the mask."""
        shaped = [record for record in self.records if record.shapes is not None]
        if not any(record.objects for record in shaped) and any(record.mask for record in self.records):
            return self._boxes_of_masks()
        used = {shape.name for record in shaped for shape in record.objects}
        if not used and self.expected is None:  # nothing is drawn anywhere: that is no data of good parts
            return (), []
        index = self._index(used, self.listing.classes)
        samples = []
        for record in shaped:
            if record.ignored and not record.objects:
                self._skip("{file} has only regions of which it is not known what they show; it is not used.", record.path)
            else:
                truth = Annotation(boxes=boxes_of(record.objects, index))
                samples.append(self._sample(record, _names(record.objects), truth))
        return tuple(index), samples if index else []

    def _masked(self) -> tuple[tuple[str, ...], list[Sample]]:
        """Return masks, or outlines where there is no mask.

        If some objects have an outline and others only a box, the box is filled.
        """
        if any(record.mask for record in self.records):
            valued = any(record.mask is not None and record.mask_class is None for record in self.records)
            return self._value_masks() if valued else self._class_masks()
        shaped = [record for record in self.records if record.shapes is not None]
        boxes = sum(shape.outline is None for record in shaped for shape in record.objects)
        if not any(shape.outline for record in shaped for shape in record.objects):
            return (), []
        if boxes:
            self.problems.append(
                message(
                    "{count} {count:|object has|objects have} a box and no outline; the whole box counts as defect.",
                    count=boxes,
                )
            )
        index = self._index({shape.name for record in shaped for shape in record.objects}, self.listing.classes)
        samples = []
        for record in shaped:
            # A small object on a large one stays to be seen, in whatever order they were drawn.
            ordered = sorted(record.objects, key=lambda shape: -_area(shape))
            outlines = [(shape.outline or _filled(shape), IGNORE) for shape in record.ignored]
            outlines += [(shape.outline or _filled(shape), index[shape.name] + 1) for shape in ordered]
            mask = DrawnMask(record.path, tuple(outlines))
            samples.append(self._sample(record, _names(record.objects), Annotation(), mask))
        return tuple(index), samples

    def _value_masks(self) -> tuple[tuple[str, ...], list[Sample]]:
        """Return masks whose pixel values are classes, or whose white is the only class."""
        counted = self._counted(record for record in self.records if record.mask is not None)
        names, binary = self._value_names([counts for _, counts in counted])
        self._limit(names)
        index = class_indices(names, self.expected, self.folder)
        values = [index[name] for name in names]
        if not binary and values != list(range(len(names))):
            raise ConfigError(
                "The classes of {folder} are in another order than the bundle's.",
                remedy="Write classes.txt in the order {classes} and renumber the masks.",
                folder=self.folder,
                classes=", ".join(index),
            )
        if binary and len(counted) >= _SEVERAL and all(sum(counts[HALF:]) > _MOST_WHITE * sum(counts) for _, counts in counted):
            self.problems.append(
                message("White, which marks defects, covers most of every mask; invert the masks if black marks the defects.")
            )
        samples = []
        for record, counts in counted:
            kinds = self._kinds_of(record, counts, names, binary)
            if kinds is not None and record.mask is not None:
                white = values[0] + 1 if binary else None
                ignores = not binary and counts[IGNORE] > 0
                mask = MaskFile(record.mask, white, colours=record.colours, ignores=ignores, others=record.others)
                samples.append(self._sample(record, tuple(kinds), Annotation(), mask))
        free = (record for record in self.records if record.mask is None and record.shapes == ())
        samples += [self._sample(record, (), Annotation(), DrawnMask(record.path, ())) for record in free]
        ignored = sum(counts[IGNORE] for _, counts in counted) if not binary else 0
        if ignored:
            self.problems.append(
                message(
                    "{count} pixels of the masks have the value 255 and are ignored: nobody said what they show.", count=ignored
                )
            )
        return tuple(index), samples

    def _limit(self, names: Sequence[str]) -> None:
        """Raise ConfigError if a mask cannot hold this number of classes."""
        if len(names) >= IGNORE:
            raise ConfigError(
                "{folder} has {count} classes; a mask holds at most {limit}.",
                folder=self.folder,
                count=len(names),
                limit=IGNORE - 1,
            )

    def _value_names(self, counts: Sequence[list[int]]) -> tuple[list[str], bool]:
        """Return the names of the mask values 1, 2, ..., and whether the masks are black and white.

        A black-and-white mask draws its only class as 255 (with soft edges) rather than 1. In masks with class values, 255
        marks unknown pixels.
        """
        whole = np.sum(np.asarray(counts, np.int64).reshape(-1, 256), axis=0)
        names = list(self.listing.classes)
        small = np.flatnonzero(whole[1 : _SHADES.start]) + 1
        between = whole[_SHADES.start : IGNORE].any()
        void = whole[IGNORE] > 0 and len(small) > 0 and not between and whole[small].sum() >= _LEAST_DRAWN * whole[IGNORE]
        highest = int(small.max(initial=0)) if void else int(np.flatnonzero(whole)[-1]) if whole.any() else 0
        binary = not void and highest >= HALF and len(names) <= 1
        if not names:
            names = ["defect"] if binary or highest == 1 else [f"class {value}" for value in range(1, highest + 1)]
        return names, binary

    def _kinds_of(self, record: Record, counts: list[int], names: Sequence[str], binary: bool) -> dict[str, int] | None:
        """Return the number of pixels of each class in a mask.

        Returns None, and notes a problem, if the mask has values that are no class, or only unknown pixels.
        """
        if binary:
            areas = [sum(counts[HALF:])]
            if not self._black_and_white(record, counts):
                return None
        else:
            areas = counts[1 : len(names) + 1]
            if max((value for value in _present(counts) if value != IGNORE), default=0) > len(names) or (
                counts[IGNORE] and not any(areas)
            ):
                self._skip("{file} has values above the number of classes.", record.mask or record.path)
                return None
        return {name: area for name, area in zip(names, areas, strict=False) if area}

    def _black_and_white(self, record: Record, counts: list[int]) -> bool:
        """Return whether a black-and-white mask is unambiguous; a problem is noted if not."""
        mask = record.mask or record.path
        if not record.any_value and (shade := self.shades.get(record.name, 0)) and any(counts[HALF:]):
            self.problems.append(
                message(
                    "{file} has an area of the value {value}, which is neither black nor white; it is not used.",
                    file=mask,
                    value=shade,
                )
            )
        elif sum(counts[_SHADES]) > _MOST_SHADES * sum(counts):
            self._skip("{file} has too many shades of grey for a mask in black and white; it is not used.", mask)
        elif any(counts[1:HALF]) and not any(counts[HALF:]) and not record.any_value:
            self._skip("{file} has values above 0, but no white (128 or more); it is not used.", mask)
        else:
            return True
        return False

    def _class_masks(self) -> tuple[tuple[str, ...], list[Sample]]:
        """Return masks in which white is the class of the image. A class whose masks are all empty is a class of good parts."""
        counted = dict[str, bool]()
        usable: list[Record] = []
        empty: list[Record] = []
        for record, counts in self._counted(record for record in self.records if record.mask is not None):
            if not self._black_and_white(record, counts):
                continue
            usable.append(record)
            kind = record.mask_class or ""
            drawn = any(counts[1 if record.any_value else HALF :])
            counted[kind] = counted.get(kind, False) or drawn
            if not drawn:
                empty.append(record)
        for record in self.records:
            if record.mask is None and record.shapes == ():
                usable.append(record)
            elif record.mask is None:
                self._skip("{file} has no mask (a .png of the same name).", record.path)
        for record in empty:
            if counted[record.mask_class or ""]:
                self.problems.append(
                    message(
                        "{file} is of {name}, but nothing is drawn in its mask; it counts as free of defects.",
                        file=record.path,
                        name=record.mask_class,
                    )
                )
        index = self._index({kind for kind, drawn in counted.items() if drawn}, ())
        bare = {record.name for record in empty}
        samples = []
        for record in usable:
            mask = (
                DrawnMask(record.path, ())
                if record.mask is None
                else MaskFile(
                    record.mask,
                    index.get(record.mask_class or "", 0) + 1,
                    white=1 if record.any_value else HALF,
                    others=record.others,
                )
            )
            drawn = record.mask is not None and record.name not in bare and record.mask_class in index
            samples.append(self._sample(record, (record.mask_class or "",) if drawn else (), Annotation(), mask))
        return tuple(index), samples if index else []

    def _boxes_of_masks(self) -> tuple[tuple[str, ...], list[Sample]]:
        names, masked = self._masked()
        results = _parallel(_components, [sample.mask for sample in masked], self.tick)
        samples = []
        for sample, result in zip(masked, results, strict=True):
            if isinstance(result, ConfigError):
                self.problems.append(result.problem)
                continue
            shapes = [Shape(names[value - 1], box) for value, box in result]
            truth = Annotation(boxes=boxes_of(shapes, {name: at for at, name in enumerate(names)}))
            shows = _names(shapes) or (NO_DEFECT,)
            samples.append(Sample(sample.name, sample.path, sample.group, shows[0], truth, part=sample.part, shows=shows))
        return names, samples

    def _main_of_masks(self) -> Mapping[str, str]:
        """Return the class that covers most of each mask whose values are classes; "" of a mask in which nothing is drawn."""
        valued = [record for record in self.records if record.mask is not None and record.label is None]
        counted = self._counted(valued)
        names, binary = self._value_names([counts for _, counts in counted])
        found: dict[str, str] = {}
        for record, counts in counted:
            kinds = self._kinds_of(record, counts, names, binary)
            if kinds is not None:
                found[record.name] = max(kinds, key=lambda name: kinds[name], default="")
        return found

    def _counted(self, records: Iterable[Record]) -> list[tuple[Record, list[int]]]:
        """Return a histogram of the values of each mask. Unreadable masks and masks of another size are noted as problems."""
        listed = list(records)
        found = []
        for record, result in zip(listed, _parallel(_histogram, listed, self.tick), strict=True):
            if isinstance(result, ConfigError):
                self.problems.append(result.problem)
            else:
                counts, problems, shade = result
                self.problems += problems
                self.shades[record.name] = shade
                found.append((record, counts))
        return found

    def _index(self, used: set[str], listed: Sequence[str]) -> dict[str, int]:
        ordered = [name for name in listed if name != IGNORED and name not in BACKGROUND]
        index = class_indices(ordered or sorted(used), self.expected, self.folder)
        class_indices(sorted(used), tuple(index), self.folder)
        return index

    def _sample(
        self, record: Record, shows: tuple[str, ...], truth: Annotation, mask: MaskFile | DrawnMask | None = None
    ) -> Sample:
        """Return a sample. `shows`: the classes in the image."""
        kinds = shows or (NO_DEFECT,)
        return Sample(record.name, record.path, record.group_by(self.group), kinds[0], truth, mask, record.part, kinds)

    def _skip(self, sentence: str, path: Path) -> None:
        self.problems.append(message(sentence, file=path))


def _filled(shape: Shape) -> Outline:
    left, top, right, bottom = shape.box
    return Outline(((left, top, right, top, right, bottom, left, bottom),))


def _names(shapes: Sequence[Shape]) -> tuple[str, ...]:
    return tuple(sorted({shape.name for shape in shapes}))


def _area(shape: Shape) -> float:
    """Return the area of an object in pixels."""
    if shape.outline is None:
        left, top, right, bottom = shape.box
        return (right - left) * (bottom - top)
    return shape.outline.area()


def _by_rarest(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples with the rarest class that each shows as its stratum.

    This way each part of a split gets enough of every class.
    """
    counts = Counter(kind for sample in samples for kind in sample.kinds)
    return [replace(sample, stratum=min(sample.kinds, key=lambda kind: (counts[kind], kind))) for sample in samples]


def _present(counts: list[int]) -> list[int]:
    return [value for value, count in enumerate(counts) if count]


def _histogram(record: Record) -> tuple[list[int], list[Message], int]:
    """Return how often each value is in the mask of an image, problems, and its `flat_shade`. Raises ConfigError."""
    if record.mask is None:
        return [0] * 256, [], 0
    problems: list[Message] = []
    width, height = labelled_size(record.path, problems)
    pixels = read_mask_of(record.mask, height, width, record.colours, record.others)
    counts: list[int] = np.bincount(pixels.ravel(), minlength=256).tolist()
    return counts, problems, flat_shade(pixels)


def _components(mask: MaskFile | DrawnMask | None) -> list[tuple[int, tuple[float, float, float, float]]]:
    if not isinstance(mask, MaskFile):
        return []
    pixels: NDArray[np.uint8] = read_mask(mask.path, mask.colours)
    areas = components(mask.read(pixels.shape[0], pixels.shape[1]))
    return [(value, box) for value, box, area in areas if min(area.shape) >= _SMALLEST and value != IGNORE]


def _parallel(work: Callable[[T], R], items: Sequence[T], tick: Tick) -> list[R | ConfigError]:
    """Run `work` on every core and return each result or its ConfigError; decoding images releases the interpreter lock.

    An exception from `tick` ends the run.
    """

    def tried(item: T) -> R | ConfigError:
        try:
            return work(item)
        except ConfigError as error:
            return error

    found = []
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers, thread_name_prefix="masks") as pool:
        for start in range(0, len(items), 16 * workers):
            for result in pool.map(tried, items[start : start + 16 * workers]):
                found.append(result)
                tick()
    return found
