"""Labelled data folders: the layouts that are understood, chosen by looking at the folder.

    class folders           FOLDER/<class>/*.jpg                                  classification
    ... with masks          ... and a .png of the same stem                       all but thermal
    images and masks        FOLDER/images/*, masks/*.png, classes.txt             all but thermal
    Pascal VOC              FOLDER/JPEGImages/*, Annotations/*.xml, or flat       detection; classification
    COCO                    a .json with images, annotations and categories       detection; segmentation; classification
    YOLO                    images/*, labels/*.txt, data.yaml                     the same
    labelme                 a .json of the same stem beside each image            the same
    MVTec AD                train/good, test/<defect>, ground_truth/<defect>      all but thermal
    table                   FOLDER/*.csv with path, label                         classification
    thermal                 temperatures.csv, or radiometric files                thermal

A file that is broken or not labelled is named in the data set's problems and not used.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Protocol, assert_never

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.registry import TASKS
from inspector.core.types import LabelKind, TaskName
from inspector.data.formats import class_folders, coco, labelme, mask_folders, mvtec, table, thermal, voc, yolo
from inspector.data.formats.build import build
from inspector.data.formats.record import Listing, Tick
from inspector.data.formats.scan import Folder
from inspector.data.samples import Dataset


class Layout(Protocol):
    """A module of `data.formats` that reads one layout."""

    TITLE: Message
    EXPECTED: Message

    def matches(self, folder: Folder) -> bool:
        """Return whether the folder looks like it, without reading much."""

    def read(self, folder: Folder, tick: Tick) -> Listing:
        """Return everything labelled in it; `tick` after each image. Raises ConfigError."""


# In the order in which they are tried: the more special first.
LAYOUTS: tuple[Layout, ...] = (mvtec, coco, yolo, voc, labelme, mask_folders, table, class_folders)


def read_dataset(
    folder: Path,
    task: TaskName,
    *,
    classes: Sequence[str] | None = None,
    group: str = "",
    one_class: str = "",
    tick: Callable[[], None] | None = None,
) -> Dataset:
    """Read the labels of a folder; images are not decoded.

    `classes`: those of a bundle, whose order is kept; by default they are found in the data. `group`: see `group_of`.
    `one_class`: see `Dataset.as_one_class`; then `classes` plays no part. `tick` after each image or mask; what it raises
    ends the reading.
    Raises ConfigError naming the folder or file if there is nothing to use.
    """
    place = Folder(folder)
    layout = thermal if TASKS[task].labels == "temperatures" and thermal.matches(place) else layout_of(place)
    listing = read_listing(place, layout, tick or _nothing)
    return dataset_of(listing, folder, task, classes=classes, group=group, one_class=one_class, tick=tick or _nothing)


def layout_of(folder: Folder) -> Layout | None:
    """Return the layout that the folder has, not counting thermal ones; None if it holds nothing labelled."""
    return next((layout for layout in LAYOUTS if layout.matches(folder)), None)


def read_listing(folder: Folder, layout: Layout | None, tick: Tick) -> Listing | None:
    """Return what is labelled in a folder of this layout, and what is wrong in it; None if it has none. Raises ConfigError."""
    if layout is None:
        return Listing(message("Unlabelled"), problems=folder.problems) if folder.problems else None
    found = layout.read(folder, tick)
    found.problems[:0] = folder.problems
    return found


def dataset_of(
    listing: Listing | None,
    folder: Path,
    task: TaskName,
    *,
    classes: Sequence[str] | None = None,
    group: str = "",
    one_class: str = "",
    tick: Tick,
) -> Dataset:
    """Return the data set of one task from what was read, as `read_dataset`. Raises ConfigError."""
    known = None if one_class else classes
    found = None if listing is None else build(listing, folder, task, classes=known, group=group, tick=tick)
    if found is None or not found.samples:
        why = found.problems[0] if found is not None and found.problems else None
        raise ConfigError(
            "{folder} holds nothing labelled for {task}."
            if why is None
            else "{folder} holds nothing labelled for {task}: {why}",
            remedy="Expected: {layout}.",
            folder=folder,
            task=task,
            why=why,
            layout=reduce(
                lambda one, other: message("{one}; or {other}", one=one, other=other),
                (layout.EXPECTED for layout in _expected(TASKS[task].labels)),
            ),
        )
    return found.as_one_class(one_class) if one_class else found


def _expected(labels: LabelKind) -> tuple[Layout, ...]:
    """Return the layouts that hold such labels, the most usual first."""
    match labels:
        case "label":
            return (class_folders, table, voc)
        case "boxes":
            return (voc, coco, yolo, labelme)
        case "mask":
            return (mask_folders, class_folders, coco, yolo, labelme)
        case "temperatures":
            return (thermal,)
        case _:
            assert_never(labels)


def _nothing() -> None:
    pass
