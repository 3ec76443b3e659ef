"""Labelled data folders: the layouts that are understood, chosen by looking at the folder.

    class folders           FOLDER/<class>/*.jpg                         classification
    ... with masks          ... and a .png of the same stem              segmentation; classification
    images and masks        FOLDER/images/*, masks/*.png, classes.txt    segmentation
    Pascal VOC              FOLDER/JPEGImages/*, Annotations/*.xml       detection; classification
    ... flat                FOLDER/*.jpg, *.xml
    thermal                 FOLDER/*.tiff, temperatures.csv              thermal

A file that is broken or not labelled is named in the data set's problems and not used.
"""

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from inspector.core.errors import ConfigError
from inspector.core.files import IMAGE_SUFFIXES
from inspector.core.message import Message, message
from inspector.core.samples import HALF, Dataset, MaskFile, Sample, class_indices, group_of, read_mask
from inspector.core.types import Annotation, TaskName
from inspector.core.voc import VocFile, read_voc

NO_DEFECT = "(none)"  # the stratum of samples without box or mask
_TEMPERATURES = "temperatures.csv"
_COLUMNS = ("file", "maximum", "mean", "minimum")
_LAYOUTS = {
    "classification": "one folder a class, with its images in it, or Pascal VOC annotations",
    "detection": "JPEGImages/ with the images and Annotations/ with one Pascal VOC .xml an image",
    "segmentation": "images/ and masks/ with a .png of the same name, or one folder a class with a .png mask beside each image",
    "thermal": "the images and a temperatures.csv with the columns file, maximum, mean, minimum in kelvin",
}


def read_dataset(
    folder: Path, task: TaskName, *, classes: Sequence[str] | None = None, group: str = "", one_class: str = ""
) -> Dataset:
    """Read the labels of a folder; images are not decoded.

    `classes`: those of a bundle, whose order is kept; by default they are found in the data. `group`: see `group_of`.
    `one_class`: see `Dataset.as_one_class`; then `classes` plays no part.
    Raises ConfigError naming the folder or file if there is nothing to use.
    """
    if not folder.is_dir():
        raise ConfigError("There is no folder {folder}.", remedy="Check the path of the data.", folder=folder)
    reader = _Reader(folder, task, None if one_class else classes, group)
    if task == "thermal":
        found = reader.thermal() if (folder / _TEMPERATURES).is_file() else None
    elif (folder / "Annotations").is_dir() or any(folder.glob("*.xml")):
        found = None if task == "segmentation" else reader.voc()
    elif (folder / "masks").is_dir() and (folder / "images").is_dir():
        found = reader.image_masks() if task == "segmentation" else None
    else:
        found = None if task == "detection" else reader.class_folders()
    if found is None or not found.samples:
        why = f" ({found.problems[0]})" if found is not None and found.problems else ""
        raise ConfigError(
            "{folder} holds nothing labelled for {task}{why}.",
            remedy="Expected: {layout}.",
            folder=folder,
            task=task,
            why=why,
            layout=_LAYOUTS[task],
        )
    return found.as_one_class(one_class) if one_class else found


class _Reader:
    """Collects samples and problems of one folder."""

    def __init__(self, folder: Path, task: TaskName, classes: Sequence[str] | None, group: str) -> None:
        self.folder, self.task, self.expected, self.group = folder, task, classes, group
        self.problems: list[Message] = []

    def thermal(self) -> Dataset:
        """Rows of temperatures.csv."""
        samples = []
        for file, values in self._rows():
            path = self.folder / file
            if not path.is_file() or not path.resolve().is_relative_to(self.folder.resolve()):
                self._skip("{file} is listed in temperatures.csv but is not there.", path)
            else:
                samples.append(self._sample(path, "thermal", Annotation(temperatures=values)))
        listed = {sample.path for sample in samples}
        self._unlabelled(path for path in _images(self.folder) if path not in listed)
        return self._dataset((), samples)

    def _rows(self) -> Iterator[tuple[str, tuple[float, float, float]]]:
        path = self.folder / _TEMPERATURES
        try:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                rows = csv.DictReader(stream)
                if set(_COLUMNS) - set(rows.fieldnames or ()):
                    raise ConfigError(
                        "{file} lacks columns.", remedy="Its first line is: {columns}.", file=path, columns=",".join(_COLUMNS)
                    )
                for number, row in enumerate(rows, start=2):
                    values = _kelvins(row)
                    if values is None:
                        self.problems.append(
                            message("{file} line {line}: not three temperatures in kelvin.", file=path, line=number)
                        )
                    else:
                        yield row["file"], values
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ConfigError("{file} cannot be read ({detail}).", file=path, detail=error) from error

    def voc(self) -> Dataset:
        """Pascal VOC; for classification an image is of its most frequent object's class."""
        marks = self.folder / "Annotations" if (self.folder / "Annotations").is_dir() else self.folder
        places = [self.folder / name for name in ("JPEGImages", "images")]
        images = next((place for place in places if place.is_dir()), self.folder)
        files: list[tuple[Path, VocFile]] = []
        for path in _images(images):
            mark = marks / path.relative_to(images).with_suffix(".xml")
            if not mark.is_file():
                self._unlabelled([path])
                continue
            try:
                found = read_voc(mark, path)
            except ConfigError as error:
                self.problems.append(error.problem)
                continue
            self.problems.extend(found.problems)
            files.append((path, found))
        stems = {path.relative_to(images).with_suffix("") for path in _images(images)}
        for mark in sorted(marks.rglob("*.xml")):
            if mark.relative_to(marks).with_suffix("") not in stems:
                self._skip("{file} has no image.", mark)
        listed = _class_list(self.folder)
        index = class_indices(
            listed or sorted({name for _, found in files for name in found.names}), self.expected, self.folder
        )
        class_indices(sorted({name for _, found in files for name in found.names}), tuple(index), self.folder)
        return self._dataset(tuple(index), list(self._voc_samples(files, index)))

    def _voc_samples(self, files: Iterable[tuple[Path, VocFile]], index: dict[str, int]) -> Iterator[Sample]:
        for path, found in files:
            main = found.main_class()
            if self.task == "detection":
                yield self._sample(path, main or NO_DEFECT, Annotation(boxes=found.boxes_of(index)))
            elif main:
                yield self._sample(path, main, Annotation(label=index[main]))
            else:
                self._skip("{file} shows no labelled object, so it has no class.", path)

    def image_masks(self) -> Dataset:
        """images/ and masks/ with the same stems; classes.txt names the mask values 1, 2, ..."""
        pairs: list[tuple[Path, Path, list[int]]] = []
        for path in _images(self.folder / "images"):
            mask = self.folder / "masks" / path.relative_to(self.folder / "images").with_suffix(".png")
            if not mask.is_file():
                self._unlabelled([path])
                continue
            try:
                counts: list[int] = np.bincount(read_mask(mask).ravel(), minlength=256).tolist()
            except ConfigError as error:
                self.problems.append(error.problem)
                continue
            pairs.append((path, mask, counts))
        highest = max((max(_present(counts), default=0) for *_, counts in pairs), default=0)
        names = _class_list(self.folder)
        # Black-and-white masks: one class, drawn at 255 (with soft edges) rather than at 1.
        binary = highest >= HALF and len(names) <= 1
        if not names:
            names = ["defect"] if binary or highest == 1 else [f"class {value}" for value in range(1, highest + 1)]
        index = class_indices(names, self.expected, self.folder)
        values = [index[name] for name in names]
        samples = []
        for path, mask, counts in pairs:
            if not binary and values != list(range(len(names))):
                raise ConfigError(
                    "The classes of {folder} are in another order than the bundle's.",
                    remedy="Write classes.txt in the order {classes} and renumber the masks.",
                    folder=self.folder,
                    classes=", ".join(index),
                )
            if not binary and max(_present(counts), default=0) > len(names):
                self._skip("{file} has values above the number of classes.", mask)
                continue
            areas = [sum(counts[HALF:])] if binary else counts[1 : len(names) + 1]
            stratum = names[int(np.argmax(areas))] if any(areas) else NO_DEFECT
            value = values[0] + 1 if binary else None
            samples.append(self._sample(path, stratum, Annotation(), MaskFile(mask, value)))
        return self._dataset(tuple(index), samples)

    def class_folders(self) -> Dataset:
        """One folder a class; a .png with the stem of another image beside it is that image's mask."""
        folders = {place.name: list(_pairs(place)) for place in sorted(self.folder.iterdir()) if _is_class_folder(place)}
        folders = {name: pairs for name, pairs in folders.items() if pairs}
        self._unlabelled(_images(self.folder, deep=False))
        if self.task == "classification":
            index = class_indices(list(folders), self.expected, self.folder)
            samples = [
                self._sample(path, name, Annotation(label=index[name])) for name, pairs in folders.items() for path, _ in pairs
            ]
            return self._dataset(tuple(index), samples)
        masked = [(name, path, mask, self._drawn(path, mask)) for name, pairs in folders.items() for path, mask in pairs]
        names = [name for name in folders if any(drawn for other, *_, drawn in masked if other == name)]
        index = class_indices(names, self.expected, self.folder)
        samples = [
            self._sample(path, name, Annotation(), MaskFile(mask, index[name] + 1 if drawn else 1))
            for name, path, mask, drawn in masked
            if mask is not None and drawn is not None
        ]
        return self._dataset(tuple(index), samples)

    def _drawn(self, path: Path, mask: Path | None) -> bool | None:
        """Whether anything is drawn in the mask; None, and a problem noted, if there is none or it cannot be read."""
        if mask is None:
            self._skip("{file} has no mask (a .png of the same name).", path)
            return None
        try:
            return bool((read_mask(mask) >= HALF).any())
        except ConfigError as error:
            self.problems.append(error.problem)
            return None

    def _sample(self, path: Path, stratum: str, truth: Annotation, mask: MaskFile | None = None) -> Sample:
        name = path.relative_to(self.folder).as_posix()
        return Sample(name, path, group_of(name, self.group), stratum, truth, mask)

    def _skip(self, sentence: str, path: Path) -> None:
        self.problems.append(message(sentence, file=path))

    def _unlabelled(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self._skip("{file} has no label and is not used.", path)

    def _dataset(self, classes: tuple[str, ...], samples: list[Sample]) -> Dataset:
        ordered = tuple(sorted(samples, key=lambda sample: sample.name))
        return Dataset(self.folder, self.task, classes, ordered, tuple(self.problems))


def _images(folder: Path, *, deep: bool = True) -> list[Path]:
    """Image files by name; hidden files and folders are not looked at."""
    found = folder.rglob("*") if deep else folder.glob("*")
    return sorted(
        path for path in found if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and not _hidden(path, folder)
    )


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _is_class_folder(place: Path) -> bool:
    return place.is_dir() and not place.name.startswith((".", "_"))


def _pairs(folder: Path) -> Iterator[tuple[Path, Path | None]]:
    """(image, mask or None) of a class folder."""
    images = _images(folder)
    stems = Counter(path.with_suffix("") for path in images)
    for path in images:
        shared = stems[path.with_suffix("")] > 1
        if shared and path.suffix.lower() == ".png":
            continue
        mask = path.with_suffix(".png")
        yield path, mask if shared and mask.is_file() else None


def _present(counts: list[int]) -> list[int]:
    return [value for value, count in enumerate(counts) if count]


def _class_list(folder: Path) -> list[str]:
    """The lines of classes.txt, or an empty list if there is none. Raises ConfigError."""
    path = folder / "classes.txt"
    try:
        lines = path.read_text("utf-8-sig").splitlines() if path.is_file() else []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("{file} cannot be read ({detail}).", file=path, detail=error) from error
    names = [line.strip() for line in lines if line.strip()]
    if len(set(names)) != len(names):
        raise ConfigError("{file} names a class twice.", remedy="Write every class once.", file=path)
    return names


def _kelvins(row: dict[str, str]) -> tuple[float, float, float] | None:
    """(maximum, mean, minimum), or None if they are not temperatures of a scene in kelvin."""
    try:
        high, mean, low = (float(row[name]) for name in _COLUMNS[1:])
    except (TypeError, ValueError):
        return None
    # Looser than equality allows for rounding in the file.
    sane = all(math.isfinite(value) and 0 < value < 10_000 for value in (high, mean, low)) and low <= mean + 0.1 <= high + 0.2
    return (high, mean, low) if sane and row["file"] else None
