"""CVAT for images 1.1: one .xml with every image, its shapes and tags.

Videos, whose frames are no files, are noted as problems.
"""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.names import PARTS, part_of_image
from inspector.data.formats.record import (
    IGNORED,
    Claim,
    Listing,
    Shape,
    Tick,
    add_objects,
    around,
    claim,
    class_name,
    ellipse,
    number,
    of_pixels,
    polygon,
    turned_box,
    with_labels,
)
from inspector.data.formats.scan import Folder, peek, read_text

TITLE = message("CVAT for images")
EXPECTED = message("an annotations.xml of CVAT for images, and the images")
_WEIGHT = 1.0
_LARGEST = 512 << 20
_IMAGE = re.compile(r'<image\s[^>]*?\bname="([^"]*)"')
_MARGIN = 3.0  # pixels around a line within which it may show


def _files(folder: Folder) -> list[str]:
    near = [name for name in folder.with_suffix(".xml") if name.count("/") <= 2]
    return [name for name in near[:50] if b"<annotations" in (head := peek(folder.files[name])) and b"<image" in head]


def look(folder: Folder) -> Claim | None:
    """Recognise CVAT files by the images that they list."""
    listed: set[str | None] = set()
    for name in _files(folder):
        try:
            text = read_text(folder.files[name], limit=_LARGEST)
        except ConfigError:
            continue
        near = name.rpartition("/")[0]
        listed.update(folder.find(html.unescape(said), near, "images") for said in _IMAGE.findall(text))
    used = len(listed - {None})
    return claim(_WEIGHT, used, len(folder.images), message("an .xml of CVAT lists {count} of the images", count=used))


def read(folder: Folder, tick: Tick) -> Listing:
    """Read every shape of each image; tags are the classes of whole images."""
    found = Listing(TITLE)
    tags: dict[str, list[str]] = {}
    listed: set[str] = set()
    for name in _files(folder):
        path = folder.files[name]
        try:
            root = ElementTree.fromstring(read_text(path, limit=_LARGEST))
        except (ConfigError, ValueError, ElementTree.ParseError, RecursionError) as error:
            found.problems.append(message("The annotation {file} cannot be read ({detail}).", file=path, detail=error))
            continue
        if root.find("track") is not None:
            found.skip("{file} has tracks of a video, which are not read; export it as images.", path)
        for entry in root.iter("image"):
            tick()
            said = entry.get("name", "")
            image = folder.find(said, name.rpartition("/")[0], "images")
            if found.is_new(image, said, path, listed):
                tags[image] = [class_name(tag.get("label", "")) for tag in entry.iter("tag")]
                _add(found, folder, image, path, entry)
    found.missing += [name for name in folder.images if name not in listed]
    with_labels(found, folder, tags)
    return found


def _add(found: Listing, folder: Folder, image: str, path: Path, entry: ElementTree.Element) -> None:
    def objects(size: tuple[int, int]) -> Iterator[Shape | str]:
        for drawn in entry:
            if drawn.tag not in ("tag", "attribute"):
                yield from _shapes(drawn, size)

    try:
        said = (number(entry.get("width") or 0), number(entry.get("height") or 0))
    except ValueError as error:
        found.problems.append(
            message("{file}: the labels of {image} are wrong ({detail}).", file=path, image=image, detail=error)
        )
        return
    part = PARTS.get((entry.get("subset") or path.stem).lower()) or part_of_image(image)
    add_objects(found, folder, image, path, objects, said=said, part=part, shared=True)


def _shapes(drawn: ElementTree.Element, size: tuple[int, int]) -> Iterator[Shape | str]:
    """Yield the shapes of one element. Raises ValueError."""
    name, turn = class_name(drawn.get("label", "")), number(drawn.get("rotation") or 0)

    def value(key: str) -> float:
        return number(drawn.get(key))

    if drawn.tag == "box":
        box = (value("xtl"), value("ytl"), value("xbr"), value("ybr"))
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        yield turned_box(name, box, turn, middle) if turn else Shape(name, box)
    elif drawn.tag == "polygon":
        yield polygon(name, _points(drawn))
    elif drawn.tag == "ellipse":
        yield ellipse(name, (value("cx"), value("cy")), (value("rx"), value("ry")), turn)
    elif drawn.tag == "mask":
        shape = _mask(name, drawn, size)
        yield "mask" if shape is None else shape
    else:
        points = _points(drawn)
        if points:
            yield around(IGNORED, points, margin=_MARGIN)
        yield drawn.tag


def _points(drawn: ElementTree.Element) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in (drawn.get("points") or "").split(";") if pair]
    return [(number(pair[0]), number(pair[1])) for pair in pairs if len(pair) == 2]


def _mask(name: str, drawn: ElementTree.Element, size: tuple[int, int]) -> Shape | None:
    """Decode run lengths along the rows of the mask's own box, starting with unset pixels. Raises ValueError."""
    left, top, width, height = (int(number(drawn.get(key))) for key in ("left", "top", "width", "height"))
    runs = [int(number(run.strip())) for run in (drawn.get("rle") or "").split(",") if run.strip()]
    if min([*runs, left, top]) < 0 or sum(runs) != width * height or left + width > size[0] or top + height > size[1]:
        raise ValueError("run lengths that do not fit the image")
    whole = np.zeros((size[1], size[0]), np.bool_)
    whole[top : top + height, left : left + width] = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    return of_pixels(name, whole)
