"""From what is labelled to what a task needs: boxes from masks, a class from boxes."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, assert_never

import numpy as np
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.registry import TASKS
from inspector.core.types import Annotation, LabelKind, TaskName
from inspector.data.formats.record import NO_DEFECT, Listing, Record, Shape, Tick, boxes_of, labelled_size
from inspector.data.outlines import Outline, components
from inspector.data.samples import HALF, Dataset, DrawnMask, MaskFile, Sample, class_indices, read_mask, read_mask_of

T = TypeVar("T")
R = TypeVar("R")
_SMALLEST = 2  # pixels a side: what is smaller in a mask is an edge's fringe and no object
_SHADES = slice(32, 224)  # neither black nor white, nor the soft edge between them
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
    """Return the data set of one task; without samples where the labels do not tell what it needs. `tick` after each mask that
    had to be opened. Raises ConfigError.
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
        ordered = tuple(sorted(samples, key=lambda sample: sample.name))
        return Dataset(self.folder, self.task, names, ordered, tuple(self.problems))

    def _taught(self, labels: LabelKind) -> tuple[tuple[str, ...], list[Sample]]:
        """Return the classes and samples with labels of this kind."""
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
        return (), [self._sample(record, "thermal", Annotation(temperatures=record.kelvin)) for record in measured]

    def _labelled(self) -> tuple[tuple[str, ...], list[Sample]]:
        """Return an image's own class, else that of most of its objects, else the one that covers most of its mask."""
        kinds: list[tuple[Record, str]] = []
        by_mask = self._main_of_masks()
        for record in self.records:
            kind = record.label or record.main_class() or by_mask.get(record.name, "")
            if kind:
                kinds.append((record, kind))
            elif record.shapes is not None or record.mask is not None:
                self._skip("{file} shows no labelled object, so it has no class.", record.path)
        index = self._index({kind for _, kind in kinds}, self.listing.classes)
        return tuple(index), [
            self._sample(record, kind, Annotation(label=index[kind], confidence=record.confidence)) for record, kind in kinds
        ]

    def _boxed(self) -> tuple[tuple[str, ...], list[Sample]]:
        """Labelled boxes, else one around each connected area of the mask."""
        shaped = [(record, record.shapes) for record in self.records if record.shapes is not None]
        if not any(shapes for _, shapes in shaped) and any(record.mask for record in self.records):
            return self._boxes_of_masks()
        index = self._index({shape.name for _, shapes in shaped for shape in shapes}, self.listing.classes)
        samples = [
            self._sample(record, record.main_class() or NO_DEFECT, Annotation(boxes=boxes_of(shapes, index)))
            for record, shapes in shaped
        ]
        return tuple(index), samples if index else []

    def _masked(self) -> tuple[tuple[str, ...], list[Sample]]:
        """Masks, else outlines. Where some objects have an outline and some only a box, the box is filled."""
        if any(record.mask for record in self.records):
            valued = any(record.mask is not None and record.mask_class is None for record in self.records)
            return self._value_masks() if valued else self._class_masks()
        shaped = [(record, record.shapes) for record in self.records if record.shapes is not None]
        boxes = sum(shape.outline is None for _, shapes in shaped for shape in shapes)
        if not any(shape.outline for _, shapes in shaped for shape in shapes):
            return (), []
        if boxes:
            self.problems.append(
                message("{count} objects have a box and no outline; the whole box counts as defect.", count=boxes)
            )
        index = self._index({shape.name for _, shapes in shaped for shape in shapes}, self.listing.classes)
        samples = []
        for record, shapes in shaped:
            outlines = tuple((shape.outline or _filled(shape), index[shape.name] + 1) for shape in shapes)
            samples.append(self._sample(record, _largest(shapes), Annotation(), DrawnMask(record.path, outlines)))
        return tuple(index), samples

    def _value_masks(self) -> tuple[tuple[str, ...], list[Sample]]:
        """Pixel values are classes, or white is the one class there is."""
        counted = self._counted(record for record in self.records if record.mask is not None)
        names, binary = self._value_names([counts for _, counts in counted])
        index = class_indices(names, self.expected, self.folder)
        values = [index[name] for name in names]
        if not binary and values != list(range(len(names))):
            raise ConfigError(
                "The classes of {folder} are in another order than the bundle's.",
                remedy="Write classes.txt in the order {classes} and renumber the masks.",
                folder=self.folder,
                classes=", ".join(index),
            )
        samples = []
        for record, counts in counted:
            stratum = self._stratum(record, counts, names, binary)
            if stratum is not None and record.mask is not None:
                mask = MaskFile(record.mask, values[0] + 1 if binary else None)
                samples.append(self._sample(record, stratum, Annotation(), mask))
        return tuple(index), samples

    def _value_names(self, counts: Sequence[list[int]]) -> tuple[list[str], bool]:
        highest = max((max(_present(one), default=0) for one in counts), default=0)
        names = list(self.listing.classes)
        # Black-and-white masks: one class, drawn at 255 (with soft edges) rather than at 1.
        binary = highest >= HALF and len(names) <= 1
        if not names:
            names = ["defect"] if binary or highest == 1 else [f"class {value}" for value in range(1, highest + 1)]
        return names, binary

    def _stratum(self, record: Record, counts: list[int], names: Sequence[str], binary: bool) -> str | None:
        """Return the class that covers most of a mask; None, and a problem noted, if it has values that are no class."""
        if not binary and max(_present(counts), default=0) > len(names):
            self._skip("{file} has values above the number of classes.", record.mask or record.path)
            return None
        if binary and not self._black_and_white(record, counts):
            return None
        areas = [sum(counts[HALF:])] if binary else counts[1 : len(names) + 1]
        return names[int(np.argmax(areas))] if any(areas) else NO_DEFECT

    def _black_and_white(self, record: Record, counts: list[int]) -> bool:
        """Return whether it is plain what a mask in black and white means; a problem is noted if not."""
        mask = record.mask or record.path
        if sum(counts[_SHADES]) > _MOST_SHADES * sum(counts):
            self._skip("{file} has too many shades of grey for a mask in black and white; it is not used.", mask)
        elif any(counts[1:HALF]) and not any(counts[HALF:]):
            self._skip("{file} has values above 0, but no white (128 or more); it is not used.", mask)
        else:
            return True
        return False

    def _class_masks(self) -> tuple[tuple[str, ...], list[Sample]]:
        """White is the class of the image; a class with nothing drawn in any of its masks is one of good parts."""
        counted = dict[str, bool]()
        usable: list[Record] = []
        empty: list[Record] = []
        for record, counts in self._counted(record for record in self.records if record.mask is not None):
            if not self._black_and_white(record, counts):
                continue
            usable.append(record)
            kind = record.mask_class or ""
            counted[kind] = counted.get(kind, False) or any(counts[HALF:])
            if not any(counts[HALF:]):
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
        samples = []
        for record in usable:
            mask = (
                DrawnMask(record.path, ())
                if record.mask is None
                else MaskFile(record.mask, index.get(record.mask_class or "", 0) + 1)
            )
            samples.append(self._sample(record, record.label or NO_DEFECT, Annotation(), mask))
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
            stratum = Counter(shape.name for shape in shapes).most_common(1)[0][0] if shapes else NO_DEFECT
            samples.append(Sample(sample.name, sample.path, sample.group, stratum, truth, part=sample.part))
        return names, samples

    def _main_of_masks(self) -> Mapping[str, str]:
        """Return the class that covers most of each mask whose values are classes."""
        valued = [record for record in self.records if record.mask is not None and record.label is None]
        counted = self._counted(valued)
        names, binary = self._value_names([counts for _, counts in counted])
        found = {record.name: self._stratum(record, counts, names, binary) for record, counts in counted}
        return {name: kind for name, kind in found.items() if kind is not None and kind != NO_DEFECT}

    def _counted(self, records: Iterable[Record]) -> list[tuple[Record, list[int]]]:
        """Return how often each value is in each mask; masks that cannot be read, or are of another size, are problems."""
        listed = list(records)
        found = []
        for record, result in zip(listed, _parallel(_histogram, listed, self.tick), strict=True):
            if isinstance(result, ConfigError):
                self.problems.append(result.problem)
            else:
                self.problems += result[1]
                found.append((record, result[0]))
        return found

    def _index(self, used: set[str], ordered: Sequence[str]) -> dict[str, int]:
        index = class_indices(ordered or sorted(used), self.expected, self.folder)
        class_indices(sorted(used), tuple(index), self.folder)
        return index

    def _sample(self, record: Record, stratum: str, truth: Annotation, mask: MaskFile | DrawnMask | None = None) -> Sample:
        return Sample(record.name, record.path, record.group_by(self.group), stratum, truth, mask, record.part)

    def _skip(self, sentence: str, path: Path) -> None:
        self.problems.append(message(sentence, file=path))


def _filled(shape: Shape) -> Outline:
    left, top, right, bottom = shape.box
    return Outline(((left, top, right, top, right, bottom, left, bottom),))


def _largest(shapes: Sequence[Shape]) -> str:
    """Return the class whose boxes cover most."""
    areas: Counter[str] = Counter()
    for shape in shapes:
        left, top, right, bottom = shape.box
        areas[shape.name] += round((right - left) * (bottom - top) * 16)
    return areas.most_common(1)[0][0] if areas else NO_DEFECT


def _present(counts: list[int]) -> list[int]:
    return [value for value, count in enumerate(counts) if count]


def _histogram(record: Record) -> tuple[list[int], list[Message]]:
    if record.mask is None:
        return [0] * 256, []
    problems: list[Message] = []
    width, height = labelled_size(record.path, problems)
    pixels = read_mask_of(record.mask, height, width)
    counts: list[int] = np.bincount(pixels.ravel(), minlength=256).tolist()
    return counts, problems


def _components(mask: MaskFile | DrawnMask | None) -> list[tuple[int, tuple[float, float, float, float]]]:
    if not isinstance(mask, MaskFile):
        return []
    pixels: NDArray[np.uint8] = read_mask(mask.path)
    areas = components(mask.read(pixels.shape[0], pixels.shape[1]))
    return [(value, box) for value, box, area in areas if min(area.shape) >= _SMALLEST]


def _parallel(work: Callable[[T], R], items: Sequence[T], tick: Tick) -> list[R | ConfigError]:
    """Return the results of `work`, or its ConfigError, on every core: decoding images releases the interpreter. What `tick`
    raises ends it.
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
