"""Writes a data set in another layout: image files are copied as they are, labels are written anew.

coco      train/, valid/, test/ (or images/) with the images, and one .json of each
yolo      images/, labels/, data.yaml; a line is a box, or the points of a polygon where the data has masks. Ultralytics refuses
          a data.yaml without train and val: where the data brings none along, val names the images of train
voc       JPEGImages/, Annotations/, ImageSets/Main; boxes only, in whole pixels
masks     images/, masks/, classes.txt
folders   a folder for each class
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Literal
from xml.etree import ElementTree as Xml

import cv2
import numpy as np
import yaml

from inspector.core.errors import ConfigError
from inspector.core.message import Message
from inspector.core.registry import TASKS
from inspector.core.types import Json, LabelKind
from inspector.data.formats.layouts.coco import bounds
from inspector.data.formats.layouts.mask_classes import voc_colour
from inspector.data.formats.names import PARTS as SPLIT_FOLDERS
from inspector.data.formats.names import PLACES
from inspector.data.formats.place import new_folder
from inspector.data.formats.scan import image_size, without_suffix
from inspector.data.outlines import Mask, Outline, components, polygon_of, run_lengths
from inspector.data.samples import PARTS, Dataset, DrawnMask, Sample

Format = Literal["coco", "yolo", "voc", "masks", "folders"]
# The labels that a layout can hold, the fullest first.
HOLDS: Mapping[Format, tuple[LabelKind, ...]] = MappingProxyType(
    {
        "coco": ("mask", "boxes"),
        "yolo": ("mask", "boxes"),
        "voc": ("boxes",),
        "masks": ("mask",),
        "folders": ("label",),
    }
)
_DRAWN = ("coco", "yolo", "voc")  # those that hold objects
_FOLDERS = {"train": "train", "val": "valid", "test": "test", None: "images"}
_LONGEST = 200  # bytes of a file's stem; file systems take 255 in all
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Object:
    """One object: class index, box in pixels, and its outline where there is one."""

    kind: int
    box: Box
    outline: Outline | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    """A sample, the file name of its image, the image's size (width, height), and its objects."""

    sample: Sample
    name: str
    size: tuple[int, int]
    objects: tuple[_Object, ...]


def write_dataset(
    dataset: Dataset,
    folder: Path,
    to: Format,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[int, list[Message]]:
    """Write the samples; return their number, and a sentence for each sample that could not be written.

    Either everything is written or nothing. Raises ConfigError if the layout cannot hold labels of this task or the folder is
    in use, StorageError if writing fails.
    """
    if TASKS[dataset.task].labels not in HOLDS[to]:
        raise ConfigError(
            "The layout {to} does not hold labels for {task}.", remedy="Choose another one.", to=to, task=dataset.task
        )
    problems: list[Message] = []
    count = 0

    def items() -> Iterator[_Item]:
        nonlocal count
        names = flat_names(dataset.samples)
        for number, sample in enumerate(dataset.samples, start=1):
            try:
                size = image_size(sample.path)
                objects = tuple(_objects(sample, size)) if to in _DRAWN else ()
                item = _Item(sample, names[sample.name], size, objects)
            except ConfigError as error:
                problems.append(error.problem)
            else:
                count += 1
                yield item
            if progress is not None:
                progress(number, len(dataset.samples))

    write = {"coco": _coco, "yolo": _yolo, "voc": _voc, "masks": _masks, "folders": _class_folders}[to]
    with new_folder(folder) as place:
        write(dataset, place, items())
    return count, problems


def flat_names(samples: Sequence[Sample]) -> dict[str, str]:
    """Map each sample name to a file name without folders.

    No two file names have the same stem, because labels are found by the stem.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    last = [PurePosixPath(sample.name).stem.lower() for sample in samples]
    unique = len(set(last)) == len(last)
    for sample in samples:
        name = PurePosixPath(sample.name).name if unique else sample.name.replace("/", "_")
        base, suffix, number = _shortened(without_suffix(name)), PurePosixPath(name).suffix, 1
        stem = base
        while stem.lower() in taken:
            number += 1
            stem = f"{base}-{number}"
        taken.add(stem.lower())
        found[sample.name] = stem + suffix
    return found


def _shortened(stem: str) -> str:
    """Return the end of a name that is too long for a file system, leaving room for a number and a suffix."""
    return stem.encode()[-_LONGEST:].decode("utf-8", "ignore")


def _objects(sample: Sample, size: tuple[int, int]) -> Iterator[_Object]:
    """Yield boxes as labelled, and outlines as labelled or one for each connected area of a mask.

    Raises ConfigError, also if a mask has unlabelled regions: as background they would count as good.
    """
    if sample.mask is not None and sample.mask.ignores:
        raise ConfigError(
            "{file} has regions that are ignored, which this layout cannot hold; it is left out.",
            remedy="Write masks.",
            file=sample.path,
        )
    boxes = sample.truth.boxes
    if boxes is not None:
        for box, kind in zip(boxes.xyxy.tolist(), boxes.classes.tolist(), strict=True):
            yield _Object(kind, (box[0], box[1], box[2], box[3]))
    if isinstance(sample.mask, DrawnMask) and not sample.mask.merged:
        for outline, value in sample.mask.outlines:
            if outline.polygons:
                yield _Object(value - 1, bounds(outline.polygons), outline)
            else:
                mask = _painted(outline, size)
                rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
                if len(rows):
                    box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
                    yield _Object(value - 1, box, outline)
    elif sample.mask is not None:
        pixels = sample.mask.read(size[1], size[0])
        for value, box, area in components(pixels):
            whole = np.zeros(pixels.shape, np.bool_)
            whole[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = area
            yield _Object(value - 1, box, Outline((), run_lengths(whole), (size[1], size[0])))


def _painted(outline: Outline, size: tuple[int, int]) -> Mask:
    mask = np.zeros((size[1], size[0]), np.uint8)
    outline.paint(mask, 1)
    return mask


def _copy(item: _Item, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(item.sample.path, place / item.name)


def _coco(dataset: Dataset, folder: Path, items: Iterator[_Item]) -> None:
    files: dict[str, dict[str, list[dict[str, Json]]]] = {}
    categories: list[dict[str, Json]] = [
        {"id": index + 1, "name": name, "supercategory": ""} for index, name in enumerate(dataset.classes)
    ]
    for item in items:
        part = _FOLDERS[item.sample.part]
        _copy(item, folder / part)
        data = files.setdefault(part, {"images": [], "annotations": [], "categories": categories})
        number = len(data["images"]) + 1
        data["images"].append({"id": number, "file_name": item.name, "width": item.size[0], "height": item.size[1]})
        for one in item.objects:
            data["annotations"].append(_coco_object(one, item.size, number, len(data["annotations"]) + 1))
    for part, data in files.items():
        (folder / part / "_annotations.coco.json").write_text(json.dumps(data, ensure_ascii=False), "utf-8")


def _coco_object(one: _Object, size: tuple[int, int], image: int, number: int) -> dict[str, Json]:
    left, top, right, bottom = one.box
    area, outline = (right - left) * (bottom - top), one.outline
    said: Json = []
    if outline is not None:
        area = float(_painted(outline, size).sum())
        runs = {"size": list(outline.size), "counts": list(outline.runs)}
        said = runs if outline.runs else [[round(value, 4) for value in polygon] for polygon in outline.polygons]
    return {
        "id": number,
        "image_id": image,
        "category_id": one.kind + 1,
        "bbox": [round(value, 4) for value in (left, top, right - left, bottom - top)],
        "area": round(area, 2),
        "segmentation": said,
        "iscrowd": 0,
    }


def _yolo(dataset: Dataset, folder: Path, items: Iterator[_Item]) -> None:
    parts = set()
    for item in items:
        part = item.sample.part or "train"
        parts.add(part)
        _copy(item, folder / "images" / part)
        labels = folder / "labels" / part
        labels.mkdir(parents=True, exist_ok=True)
        lines = [line for one in item.objects for line in _yolo_lines(one, item.size)]
        (labels / f"{without_suffix(item.name)}.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    first = next((part for part in PARTS if part in parts), "train")
    folders = {part: f"images/{part if part in parts else first}" for part in ("train", "val")}
    if "test" in parts:
        folders["test"] = "images/test"
    notes = [f"# This data has no images for {part}; those of {first} stand in.\n" for part in folders if part not in parts]
    config = {**folders, "names": dict(enumerate(dataset.classes))}
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    (folder / "data.yaml").write_text("".join(notes) + text, "utf-8")


def _yolo_lines(one: _Object, size: tuple[int, int]) -> Iterator[str]:
    if one.outline is None:
        left, top, right, bottom = one.box
        yield _fractions(one.kind, ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top), size)
    elif len(one.outline.polygons) == 1:
        yield _fractions(one.kind, one.outline.polygons[0], size)
    else:
        for _, box, area in components(_painted(one.outline, size)):
            yield _fractions(one.kind, polygon_of(area, box[0], box[1]), size)


def _fractions(kind: int, values: Sequence[float], size: tuple[int, int]) -> str:
    return " ".join([str(kind), *(f"{value / size[at % 2]:.8f}" for at, value in enumerate(values))])


def _voc(dataset: Dataset, folder: Path, items: Iterator[_Item]) -> None:
    parts: dict[str, list[str]] = {}
    (folder / "Annotations").mkdir()
    for item in items:
        _copy(item, folder / "JPEGImages")
        stem = without_suffix(item.name)
        boxes = [(dataset.classes[one.kind], one.box) for one in item.objects]
        (folder / "Annotations" / f"{stem}.xml").write_bytes(voc_xml(item.name, item.size, boxes))
        parts.setdefault(item.sample.part or "train", []).append(stem)
        if item.sample.part != "test":
            parts.setdefault("trainval", []).append(stem)
    # Tools that know the classes of Pascal VOC only ask for this list of others.
    colours = (",".join(map(str, voc_colour(value))) for value in range(len(dataset.classes) + 1))
    rows = (f"{name}:{colour}::" for name, colour in zip(("background", *dataset.classes), colours, strict=True))
    (folder / "labelmap.txt").write_text("\n".join(("# label:color_rgb:parts:actions", *rows, "")), "utf-8")
    lists = folder / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    for part, stems in parts.items():
        (lists / f"{part}.txt").write_text("".join(f"{stem}\n" for stem in stems), "utf-8")


def voc_xml(name: str, size: tuple[int, int], boxes: Sequence[tuple[str, Box]]) -> bytes:
    """Return a Pascal VOC file for an image of (width, height); the first pixel is 1, corners are inclusive whole pixels."""
    root = Xml.Element("annotation")
    Xml.SubElement(root, "filename").text = name
    about = Xml.SubElement(root, "size")
    for tag, value in (("width", size[0]), ("height", size[1]), ("depth", 3)):
        Xml.SubElement(about, tag).text = str(value)
    for kind, (left, top, right, bottom) in boxes:
        entry = Xml.SubElement(root, "object")
        Xml.SubElement(entry, "name").text = kind
        Xml.SubElement(entry, "difficult").text = "0"
        corners = Xml.SubElement(entry, "bndbox")
        low = (round(left), round(top))
        # A box thinner than a pixel still covers one.
        high = (max(round(right), low[0] + 1), max(round(bottom), low[1] + 1))
        values = (low[0] + 1, low[1] + 1, high[0], high[1])
        for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), values, strict=True):
            Xml.SubElement(corners, tag).text = str(value)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode").encode()


def _masks(dataset: Dataset, folder: Path, items: Iterator[_Item]) -> None:
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in dataset.classes), "utf-8")
    for item in items:
        inner = Path(item.sample.part or "")
        _copy(item, folder / "images" / inner)
        if item.sample.mask is None:
            raise AssertionError("a sample for segmentation has a mask")
        place = folder / "masks" / inner
        place.mkdir(parents=True, exist_ok=True)
        mask = item.sample.mask.read(item.size[1], item.size[0])
        (place / f"{without_suffix(item.name)}.png").write_bytes(cv2.imencode(".png", mask)[1].tobytes())


def _class_folders(dataset: Dataset, folder: Path, items: Iterator[_Item]) -> None:
    names = _folder_names(dataset.classes)
    for item in items:
        label = item.sample.truth.label
        if label is None:
            raise AssertionError("a sample for classification has a label")
        inner = {"train": "train", "val": "val", "test": "test", None: ""}[item.sample.part]
        _copy(item, folder / inner / names[label])


def _folder_names(kinds: Sequence[str]) -> list[str]:
    """Return a folder name for each class, valid on any system and unique.

    No name is that of a part of a split or of a folder for images.
    """
    found: list[str] = []
    for kind in kinds:
        safe = "".join("_" if one in '<>:"/\\|?*' or ord(one) < 32 else one for one in kind).strip(" .")
        base = _shortened(safe.lstrip("_.")) or "class"
        name, number = base, 1
        while name.lower() in {*(other.lower() for other in found), *SPLIT_FOLDERS, *PLACES}:
            number += 1
            name = f"{base}-{number}"
        found.append(name)
    return found
