"""Labels that a person gives whole images by hand.

They are kept in one file in the folder of the images, which `formats.table` reads before everything else there. No image is
moved, renamed or changed.
"""

import csv
import io
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from inspector.core.config import write_atomically
from inspector.core.errors import ConfigError, StorageError
from inspector.data.annotations import read_dataset
from inspector.data.formats.columns import tables
from inspector.data.formats.record import class_name
from inspector.data.formats.scan import Folder
from inspector.data.formats.table import BY_HAND


class HandLabels:
    """The labels of a folder's images by name; every step can be undone. Not for use by several threads."""

    def __init__(self, folder: Path, images: Sequence[str], labels: Mapping[str, str]) -> None:
        """`images`: names relative to the folder. `labels`: of those that have one."""
        self.folder, self.images = folder, tuple(images)
        self._labels = dict(labels)
        self._steps: list[Mapping[str, str]] = []  # the labels before each step of the images that it changed
        self.classes = sorted(set(self._labels.values()))

    def label(self, image: str) -> str:
        """Return the class of an image, "" if it has none."""
        return self._labels.get(image, "")

    def counts(self) -> Mapping[str, int]:
        """Return the number of images of every class, and under "" of those without one."""
        found = Counter(self._labels.values())
        return {name: found[name] for name in self.classes} | {"": len(self.images) - len(self._labels)}

    def add_class(self, said: str) -> str:
        """Add a class and return its name as it is kept; "" if nothing of the name is left."""
        name = class_name(said)
        if name and name not in self.classes:
            self.classes.append(name)
        return name

    def set(self, images: Collection[str], name: str) -> bool:
        """Give these images a class, or none for ""; return whether that changed anything."""
        before = {image: self.label(image) for image in images if self.label(image) != name}
        if before:
            self._steps.append(before)
            self._put(dict.fromkeys(before, name))
        return bool(before)

    @property
    def can_undo(self) -> bool:
        return bool(self._steps)

    def undo(self) -> tuple[str, ...]:
        """Take the last step back; return the images that it had changed."""
        if not self._steps:
            return ()
        before = self._steps.pop()
        self._put(before)
        return tuple(before)

    def _put(self, labels: Mapping[str, str]) -> None:
        for image, name in labels.items():
            if name:
                self._labels[image] = name
            else:
                self._labels.pop(image, None)

    def as_table(self) -> bytes:
        """Return the file's content, in the order of the images; b"" if no image has a label."""
        if not self._labels:
            return b""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("path", "label"))
        writer.writerows((image, self._labels[image]) for image in self.images if image in self._labels)
        return out.getvalue().encode()


def read_hand_labels(folder: Path) -> HandLabels:
    """Return the labels that a person gave; without any, those that the folder has in another form.

    Raises ConfigError, also for a file of such labels that cannot be read: it would be replaced.
    """
    place = Folder(folder)
    if not place.images:
        raise ConfigError(
            "There are no images in {folder}.", remedy="Choose the folder that holds the images.", folder=place.root
        )
    try:
        dataset = read_dataset(folder, "classification")
    except ConfigError:  # nothing is labelled
        for table in tables(place):
            if table.name == BY_HAND:
                deque(table.rows(), maxlen=0)
        return HandLabels(folder, place.images, {})
    labels = {sample.name: dataset.classes[sample.truth.label] for sample in dataset.samples if sample.truth.label is not None}
    return HandLabels(folder, place.images, labels)


def write_hand_labels(folder: Path, table: bytes) -> None:
    """Keep what `HandLabels.as_table` returned in the folder. Raises StorageError."""
    file = folder / BY_HAND
    if table:
        write_atomically(file, table)
        return
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            "{file} cannot be removed ({detail}).",
            remedy="Give this user permission to write there.",
            file=file,
            detail=error.strerror or error,
        ) from error
