"""CVAT for images 1.1: one .xml with every image, its shapes and tags. CVAT for video 1.1: the tracks of objects.

A frame of a track is the image that has its number at the end of its name (frame_000012.png), or is in that place in the order
of the names. CVAT writes a shape for every frame on which the object is to be seen.
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
from inspector.data.formats.record import Claim, Listing, Tick, add_objects, claim, class_name, with_labels
from inspector.data.formats.scan import Folder, peek, read_text, read_xml, without_suffix
from inspector.data.formats.shapes import Shape, ellipse, number, of_pixels, polygon, turned_box, unknown

TITLE = message("CVAT for images")
EXPECTED = message("an annotations.xml of CVAT for images, and the images")
_WEIGHT = 1.0
_LARGEST = 512 << 20
_LISTS = re.compile(rb"<(image|track)\s")
_FRAMES = re.compile(r'<\w+\s[^>]*?\bframe="(\d+)"')
_NUMBER = re.compile(r"(\d+)$")
_IMAGE = re.compile(r'<image\s[^>]*?\bname="([^"]*)"')
_LONGEST = 12  # digits of a frame's number


def _files(folder: Folder) -> list[str]:
    near = [name for name in folder.with_suffix(".xml") if name.count("/") <= 2]
    return [name for name in near[:50] if b"<annotations" in (head := peek(folder.files[name])) and _LISTS.search(head)]


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
        if "<track" in text:
            images = _numbered(folder)
            listed.update(images.get(_number(frame)) for frame in set(_FRAMES.findall(text)))
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
            root = read_xml(path, limit=_LARGEST)
        except ConfigError as error:
            found.problems.append(error.problem)
            continue
        tracked = _tracked(root, folder)
        for entry in (*root.iter("image"), *tracked.values()):
            tick()
            said = entry.get("name", "")
            image = said if said in tracked else folder.find(said, name.rpartition("/")[0], "images")
            if found.is_new(image, said, path, listed):
                tags[image] = [class_name(tag.get("label", "")) for tag in entry.iter("tag")]
                _add(found, folder, image, path, entry)
    found.missing += [name for name in folder.images if name not in listed]
    with_labels(found, folder, tags)
    return found


def _numbered(folder: Folder) -> dict[int, str]:
    """Map the number of a frame to its image: by the numbers in the names if all have different ones, else by their order."""
    found = [_NUMBER.search(without_suffix(name)) for name in folder.images]
    numbers = [int(one[1]) for one in found if one is not None and len(one[1]) < _LONGEST]
    if len(set(numbers)) == len(folder.images):
        return dict(zip(numbers, folder.images, strict=True))
    return dict(enumerate(sorted(folder.images)))


def _number(said: str) -> int:
    """Return the number of a frame, or of frames; -1 if it is none that a video has."""
    return int(said) if said.isdecimal() and len(said) < _LONGEST else -1


def _tracked(root: ElementTree.Element, folder: Folder) -> dict[str, ElementTree.Element]:
    """Return an element like that of an image for each frame of a video, by its image; empty if there are no tracks."""
    tracks = root.findall("track")
    images = _numbered(folder) if tracks else {}
    known = _number(root.findtext("meta/task/size") or root.findtext("meta/job/size") or "")  # frames, with objects or without
    made = {image: ElementTree.Element("image", name=image) for frame, image in images.items() if frame < known}
    for track in tracks:
        for drawn in track:
            image = images.get(_number(drawn.get("frame", "")))
            if image is not None and drawn.get("outside") != "1":
                drawn.set("label", track.get("label", ""))
                made.setdefault(image, ElementTree.Element("image", name=image)).append(drawn)
    return made


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
        yield from unknown(drawn.tag, points)


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
