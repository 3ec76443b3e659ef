"""Pascal VOC: JPEGImages/* with Annotations/*.xml, or images and .xml files side by side; boxes in 1-based inclusive pixels.

Lists in ImageSets/Main (train.txt, val.txt, test.txt) say which part an image is in.
"""

from pathlib import Path
from xml.etree import ElementTree

from inspector.core.datasets.mask_folders import class_list
from inspector.core.datasets.record import Listing, Record, Shape, Tick, check_size, inside, number, usable
from inspector.core.datasets.scan import Folder, image_size, read_text, without_suffix
from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.samples import Part

TITLE = message("Pascal VOC")
EXPECTED = message("JPEGImages/ with the images and Annotations/ with one Pascal VOC .xml an image")
_PARTS: dict[str, Part] = {"train": "train", "val": "val", "test": "test"}


def matches(folder: Folder) -> bool:
    """Whether there is a folder of annotations, or an .xml at the top."""
    beside = any(name.endswith(".xml") and "/" not in name for name in folder.files)
    return beside or ("Annotations" in folder.folders and bool(folder.with_suffix(".xml", "Annotations")))


def read(folder: Folder, tick: Tick) -> Listing:
    """Objects of every annotation; images are opened for their size only."""
    found = Listing(TITLE, classes=tuple(class_list(folder)))
    marks = "Annotations/" if "Annotations" in folder.folders else ""
    place = next((name for name in ("JPEGImages", "images") if name in folder.folders), "")
    images = folder.under(place)
    parts = _parts(folder)
    stems = set()
    for name in images:
        tick()
        stem = without_suffix(name.removeprefix(f"{place}/"))
        stems.add(stem)
        mark = folder.files.get(f"{marks}{stem}.xml")
        if mark is None:
            found.unlabelled(folder, [name])
            continue
        try:
            shapes = read_voc(mark, folder.files[name], found.problems)
        except ConfigError as error:
            found.problems.append(error.problem)
        else:
            found.records.append(Record(name, folder.files[name], shapes=shapes, part=parts.get(stem)))
    for name in folder.with_suffix(".xml", marks.rstrip("/")):
        if without_suffix(name.removeprefix(marks)) not in stems:
            found.skip("{file} has no image.", folder.files[name])
    return found


def _parts(folder: Folder) -> dict[str, Part]:
    found: dict[str, Part] = {}
    for name, part in _PARTS.items():
        path = folder.files.get(f"ImageSets/Main/{name}.txt")
        if path is not None:
            found.update({line.split()[0]: part for line in read_text(path).splitlines() if line.split()})
    return found


def read_voc(path: Path, image: Path, problems: list[Message]) -> tuple[Shape, ...]:
    """Read one annotation file; a sentence for every box that was cut or left out goes to `problems`.

    Raises ConfigError if it or the image's header cannot be read, their sizes differ, or no box of several can be used.
    """
    try:
        root = ElementTree.fromstring(read_text(path))
    except (ValueError, ElementTree.ParseError, RecursionError) as error:
        raise ConfigError("The annotation {file} cannot be read ({detail}).", file=path, detail=error) from error
    size = image_size(image)
    check_size((_number(root, "size/width", path), _number(root, "size/height", path)), size, path, image)
    shapes = []
    for entry in root.iter("object"):
        corners = [_number(entry, f"bndbox/{key}", path) for key in ("xmin", "ymin", "xmax", "ymax")]
        box = (corners[0] - 1, corners[1] - 1, corners[2], corners[3])
        shapes.append(inside(Shape((entry.findtext("name") or "").strip(), box), size, path, problems))
    return usable(shapes, path)


def _number(element: ElementTree.Element, key: str, path: Path) -> float:
    text = element.findtext(key)
    try:
        return 0.0 if text is None else number(text)
    except ValueError:
        raise ConfigError("{file}: {key} is {text!r}, not a number.", file=path, key=key, text=text) from None
