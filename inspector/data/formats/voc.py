"""Pascal VOC: JPEGImages/* with Annotations/*.xml, or images and .xml files side by side; boxes in 1-based inclusive pixels.

Lists in ImageSets/Main (train.txt, val.txt, test.txt) say which part an image is in.
"""

from pathlib import Path
from xml.etree import ElementTree

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.data.formats.mask_folders import class_list
from inspector.data.formats.record import (
    Listing,
    Record,
    Shape,
    Tick,
    check_size,
    class_name,
    inside,
    labelled_size,
    number,
    usable,
)
from inspector.data.formats.scan import Folder, peek, read_text, without_suffix
from inspector.data.samples import Part

TITLE = message("Pascal VOC")
EXPECTED = message("JPEGImages/ with the images and Annotations/ with one Pascal VOC .xml an image")
_LOOKED_AT = 20
_PARTS: dict[str, Part] = {"train": "train", "val": "val", "test": "test"}


def matches(folder: Folder) -> bool:
    """Return whether there is a folder of annotations, or an annotation at the top."""
    if "Annotations" in folder.folders and folder.with_suffix(".xml", "Annotations"):
        return True
    top = [name for name in folder.with_suffix(".xml") if "/" not in name]
    return any(b"<annotation" in peek(folder.files[name]) for name in top[:_LOOKED_AT])


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
            for line in filter(None, map(str.strip, read_text(path).splitlines())):
                # "stem", or "stem -1" in the list of one class; a stem may have spaces, too.
                found.update(dict.fromkeys((line, line.split()[0]), part))
    return found


def read_voc(path: Path, image: Path, problems: list[Message]) -> tuple[Shape, ...]:
    """Read one annotation file; a sentence for every box that was cut or left out goes to `problems`.

    Raises ConfigError if it or the image's header cannot be read, or their sizes differ.
    """
    try:
        root = ElementTree.fromstring(read_text(path))
    except (ValueError, ElementTree.ParseError, RecursionError) as error:
        raise ConfigError("The annotation {file} cannot be read ({detail}).", file=path, detail=error) from error
    size = labelled_size(image, problems)
    check_size((_number(root, "size/width", path), _number(root, "size/height", path)), size, path, image)
    shapes = []
    for entry in root.iter("object"):
        corners = [_number(entry, f"bndbox/{key}", path) for key in ("xmin", "ymin", "xmax", "ymax")]
        box = (corners[0] - 1, corners[1] - 1, corners[2], corners[3])
        shapes.append(inside(Shape(class_name(entry.findtext("name") or ""), box), size, path, problems))
    return usable(shapes, path)


def _number(element: ElementTree.Element, key: str, path: Path) -> float:
    text = element.findtext(key)
    try:
        return 0.0 if text is None else number(text)
    except ValueError:
        raise ConfigError("{file}: {key} is {text!r}, not a number.", file=path, key=key, text=text) from None
