"""Labelled data folders: the layouts that are understood. Each looks at what the folder holds and says how sure it is.

    class folders           FOLDER/<class>/*.jpg                                  classification
    ... with masks          ... and a .png of the same stem                       all but thermal
    images and masks        FOLDER/images/*, masks/*.png, classes.txt             all but thermal
    Pascal VOC              FOLDER/JPEGImages/*, Annotations/*.xml, or alike      detection; classification
    COCO, COCO panoptic     a .json with images, annotations and categories       detection; segmentation; classification
    YOLO                    images/*, labels/*.txt, data.yaml                     the same
    KITTI, DOTA, DeepPCB    a .txt with a line for each object of an image        the same
    labelme, Supervisely    a .json of the same stem for each image               the same
    CVAT, Label Studio, Datumaro, VIA, VoTT, Create ML, FiftyOne: one file for all  the same
    MVTec AD                train/good, test/<defect>, ground_truth/<defect>      all but thermal
    DAGM                    Train/*.PNG, Train/Label/*_label.PNG                  all but thermal
    tables                  a .csv with path, label, or with path, class and box  classification; detection
    thermal                 temperatures.csv, or radiometric files                thermal

A file that is broken or not labelled is named in the data set's problems and not used.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, assert_never

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.registry import TASKS
from inspector.core.types import LabelKind, TaskName
from inspector.data.formats import table
from inspector.data.formats.benchmarks import dagm, mvtec
from inspector.data.formats.build import build
from inspector.data.formats.layouts import (
    class_folders,
    coco,
    mask_folders,
    object_lines,
    object_table,
    panoptic,
    thermal,
    voc,
    yolo,
)
from inspector.data.formats.record import Claim, Listing, Tick
from inspector.data.formats.scan import Folder, without_suffix
from inspector.data.formats.tools import createml, cvat, datumaro, fiftyone, label_studio, labelme, supervisely, via, vott
from inspector.data.samples import Dataset
from inspector.runs.settings import TrainSettings


class Layout(Protocol):
    """A module of `data.formats` that reads one layout."""

    TITLE: Message
    EXPECTED: Message

    def look(self, folder: Folder) -> Claim | None:
        """Return how certain it is that the folder is in this layout, and why; None if nothing in it matches. Reads little."""

    def read(self, folder: Folder, tick: Tick) -> Listing:
        """Return everything labelled in the folder. `tick` is called after each image. Raises ConfigError."""


# By the names by which they are chosen; where two are equally sure, the first is used.
LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "mvtec": mvtec,
        "dagm": dagm,
        "coco": coco,
        "panoptic": panoptic,
        "yolo": yolo,
        "voc": voc,
        "lines": object_lines,
        "labelme": labelme,
        "supervisely": supervisely,
        "cvat": cvat,
        "label-studio": label_studio,
        "datumaro": datumaro,
        "via": via,
        "vott": vott,
        "createml": createml,
        "fiftyone": fiftyone,
        "masks": mask_folders,
        "objects": object_table,
        "table": table,
        "folders": class_folders,
        "thermal": thermal,
    }
)
_OWN_FILES = (".xml", ".json", ".txt")  # kinds of files that label a single image
_LISTS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".manifest", ".parquet")  # kinds of files that label many images
_LABEL_FILES = (
    ".xml",
    ".json",
    ".txt",
    ".csv",
    ".yaml",
    ".yml",
    ".tfrecord",
    ".record",
    ".mat",
    ".npy",
    ".h5",
    ".jsonl",
    ".ndjson",
    ".manifest",
    ".xlsx",
    ".odgt",
    *(".parquet", ".arrow", ".feather", ".gz", ".rec", ".pkl", ".npz", ".labels", ".hdict", ".tfrecords", ".hdf5", ".tsv"),
)
_ARCHIVES = (".tar", ".tgz", ".zip", ".7z", ".rar", ".mdb", ".lmdb", ".db", ".sqlite")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A layout that a folder may be in: its name, its certainty (0..1), and the reason."""

    name: str
    sure: float
    why: Message

    @property
    def title(self) -> Message:
        """The name of the layout for a person."""
        return LAYOUTS[self.name].TITLE


def read_dataset(
    folder: Path,
    task: TaskName,
    *,
    classes: Sequence[str] | None = None,
    group: str = "",
    one_class: str = "",
    layout: str = "",
    backgrounds: bool = False,
    tick: Callable[[], None] | None = None,
) -> Dataset:
    """Read the labels of a folder; images are not decoded.

    `classes`: the classes of a bundle, whose order is kept; by default the classes found in the data. `group`: see `group_of`.
    `one_class`: see `Dataset.as_one_class`; `classes` is then ignored. `layout`: one of LAYOUTS instead of the most certain
    one. `backgrounds`: images without a label file count as images without objects. `tick` is called after each image or mask;
    an exception from it ends the reading. Raises ConfigError, naming the folder or file, if there is nothing to use.
    """
    place = Folder(folder)
    found, labels = candidates(place, layout), TASKS[task].labels
    if not layout and labels == "temperatures" and thermal.matches(place):
        found = [one for one in found if one.name == "thermal"]
    elif labels != "temperatures" and not layout:
        found = [one for one in found if one.name != "thermal"]
    listing = read_listing(place, found, tick or _nothing, backgrounds=backgrounds)
    if not layout and labels == "mask" and wants_masks(listing, found):
        found = [one for one in found if one.name == "masks"]
        listing = read_listing(place, found, tick or _nothing, backgrounds=backgrounds)
    return dataset_of(
        listing, place, task, classes=classes, group=group, one_class=one_class, others=found[1:], tick=tick or _nothing
    )


def training_data(settings: TrainSettings) -> Dataset:
    """Read the labels that a training learns from. Raises ConfigError as `read_dataset` does."""
    return read_dataset(
        settings.data,
        settings.task,
        group=settings.group,
        one_class=settings.one_class,
        layout=settings.layout,
        backgrounds=settings.backgrounds,
    )


def wants_masks(listing: Listing | None, found: Sequence[Candidate]) -> bool:
    """Return whether the chosen layout has no outlines but masks are present, as in an export of Pascal VOC."""
    if listing is None or not any(one.name == "masks" for one in found[1:]):
        return False
    return not any(record.mask or any(shape.outline for shape in record.objects) for record in listing.records)


def candidates(folder: Folder, layout: str = "") -> list[Candidate]:
    """Return the layouts that the folder may be in, most certain first; a chosen `layout` comes before all others.

    Raises ConfigError for an unknown name.
    """
    if layout and layout not in LAYOUTS:
        raise ConfigError("{layout!r} is no layout.", remedy="Choose one of {known}.", layout=layout, known=", ".join(LAYOUTS))
    claims = ((name, each.look(folder)) for name, each in LAYOUTS.items())
    found = [Candidate(name, claim.sure, claim.why) for name, claim in claims if claim is not None]
    if layout and layout not in (one.name for one in found):
        found.append(Candidate(layout, 0.0, message("it was chosen, and nothing speaks for it")))
    # Among equals a table comes first: one that is as sure as can be was written by hand, for these images.
    return sorted(found, key=lambda one: (one.name != layout, -one.sure, one.name != "table"))


def read_listing(folder: Folder, found: Sequence[Candidate], tick: Tick, *, backgrounds: bool = False) -> Listing | None:
    """Return the labels of a folder in the first of these layouts, with the problems found; None if there is no layout.

    Raises ConfigError.
    """
    if not found:
        return Listing(message("Unlabelled"), problems=folder.problems) if folder.problems else None
    listing = LAYOUTS[found[0].name].read(folder, tick)
    listing.check_places(folder.root)
    listing.finish(folder, backgrounds=backgrounds)
    if foreign := folder.foreign:
        listing.problems.insert(
            0,
            message(
                "Its {files} {files:|file is a picture of a kind that is|files are pictures of kinds that are} not read.",
                files=foreign,
            ),
        )
    if found[0].name in ("folders", "masks") and (left := unread_files(folder, lists=found[0].name == "folders")):
        listing.problems.insert(
            0,
            message(
                "Its {files} {files:|file is|files are} in no layout that is understood; {files:|it is|they are} not used.",
                files=left,
            ),
        )
    # Folders that could be classes are no label files, of which somebody expects that they are used; masks may still be.
    others = [one for one in found[1:] if one.name not in ("folders", "thermal", "masks")]
    listing.problems[:0] = [
        *folder.problems,
        *(
            message("{why}; this is not used, because the folder is read as {title}.", why=one.why, title=found[0].title)
            for one in others
        ),
    ]
    return listing


def seen_files(folder: Folder) -> str:
    """Return the files that may hold labels, counted by kind: "12 .xml, 3 .json"; "" if there are none.

    Of a folder without images, archives and pictures of kinds that are not read are counted too.
    """
    wanted = _LABEL_FILES if folder.images else (*_LABEL_FILES, *_ARCHIVES)
    counts = Counter({suffix: len(folder.with_suffix(suffix)) for suffix in wanted})
    kinds = [f"{count} {suffix}" for suffix, count in counts.most_common() if count]
    return ", ".join([*kinds, folder.foreign] if folder.foreign and not folder.images else kinds)


def unread_files(folder: Folder, *, lists: bool) -> str:
    """Return the files that look like the labels of single images, counted by kind; "" if there are none.

    These are named as an image, so that they were hardly put there for another purpose; a single .txt may be a list. `lists`:
    also count files of the kinds that hold the labels of many images.
    """
    many = [f"{count} {suffix}" for suffix in _LISTS if lists and (count := len(folder.with_suffix(suffix)))]
    if many or not any(map(folder.with_suffix, _OWN_FILES)):
        return ", ".join(many)
    stems = {without_suffix(name).rpartition("/")[2] for name in folder.images}
    counts = {
        suffix: sum(without_suffix(name).rpartition("/")[2] in stems for name in folder.with_suffix(suffix))
        for suffix in _OWN_FILES
    }
    return ", ".join(f"{count} {suffix}" for suffix, count in counts.items() if count > (suffix == ".txt"))


def dataset_of(
    listing: Listing | None,
    folder: Folder,
    task: TaskName,
    *,
    classes: Sequence[str] | None = None,
    group: str = "",
    one_class: str = "",
    others: Sequence[Candidate] = (),
    tick: Tick,
) -> Dataset:
    """Build the data set of one task from a listing, as `read_dataset` does.

    `others`: other possible layouts, named in the error if there is nothing to use. Raises ConfigError.
    """
    known = None if one_class else classes
    found = None if listing is None else build(listing, folder.root, task, classes=known, group=group, tick=tick)
    if found is None or not found.samples:
        raise _nothing_for(task, folder, found, others)
    return found.as_one_class(one_class) if one_class else found


def _nothing_for(task: TaskName, folder: Folder, found: Dataset | None, others: Sequence[Candidate]) -> ConfigError:
    why = found.problems[0] if found is not None and found.problems else None
    seen = seen_files(folder) if why is None else ""
    if why is None and seen:
        why = message("its {files} {files:|file is|files are} in no layout that is understood", files=seen)
    remedy = "Expected: {layout}."
    if others:
        remedy = "It may also be read as {others} (--layout); expected: {layout}."
    return ConfigError(
        "{folder} holds nothing labelled for {task}." if why is None else "{folder} holds nothing labelled for {task}: {why}",
        remedy=remedy,
        folder=folder.root,
        task=task,
        why=why,
        others=", ".join(one.name for one in others),
        layout=reduce(
            lambda one, other: message("{one}; or {other}", one=one, other=other),
            (layout.EXPECTED for layout in _expected(TASKS[task].labels)),
        ),
    )


def _expected(labels: LabelKind) -> tuple[Layout, ...]:
    """Return the layouts that hold such labels, the most common first."""
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
