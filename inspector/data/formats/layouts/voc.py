"""Pascal VOC: JPEGImages/* with Annotations/*.xml, or images and .xml files in the same or similarly named folders.

An example of the latter is train/images/<class>/* with train/annotations/*.xml. Boxes are 1-based inclusive pixels. Lists in
ImageSets/Main (train.txt, val.txt, test.txt) assign images to parts; without them the folders train, valid and test do.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.layouts.mask_classes import class_list
from inspector.data.formats.names import listed_parts, pair_once, part_of_image, photographs, spread
from inspector.data.formats.record import Claim, Listing, Tick, add_objects, claim, class_name
from inspector.data.formats.scan import Folder, peek, read_xml, without_suffix
from inspector.data.formats.shapes import Shape, number, polygon, rotated, turned_box
from inspector.data.outlines import Outline
from inspector.data.samples import Part

TITLE = message("Pascal VOC")
EXPECTED = message("JPEGImages/ with the images and Annotations/ with one Pascal VOC .xml an image")
_WEIGHT = 1.0
_LOOKED_AT = 20
_ROOT = re.compile(rb"<annotation[\s>]")


def look(folder: Folder) -> Claim | None:
    """Recognise images that have an .xml file with an annotation."""
    marks = folder.with_suffix(".xml")
    seen = spread(marks, _LOOKED_AT)
    share = sum(_ROOT.search(peek(folder.files[name])) is not None for name in seen) / max(1, len(seen))
    if not share:
        return None
    used = share * len(pair_once(folder, photographs(folder), marks))
    return claim(
        _WEIGHT,
        used,
        len(photographs(folder)),
        message(
            "{count} .xml {count:|file looks|files look} like Pascal VOC; {images} {images:|image has|images have} one",
            count=round(share * len(marks)),
            images=round(used),
        ),
    )


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the objects of every annotation; images are opened for their size only."""
    found = Listing(TITLE, classes=tuple(class_list(folder)))
    parts = listed_parts(folder)
    images, marks = photographs(folder), folder.with_suffix(".xml")
    pairs = pair_once(folder, images, marks)
    for name in images:
        tick()
        mark = pairs.get(name)
        if mark is None:
            found.missing.append(name)
            continue
        path = folder.files[mark]
        stem = without_suffix(name).rpartition("/")[2]
        part = parts.get(without_suffix(name).removeprefix("JPEGImages/")) or parts.get(stem) or part_of_image(name)
        try:
            root = read_xml(path)
            if next(root.iter("annotation"), None) is None:  # another kind of file says nothing about objects
                raise ConfigError("The annotation {file} cannot be read ({detail}).", file=path, detail=f"<{root.tag}>")
            said = (_number(root, "size/width", path), _number(root, "size/height", path))
        except ConfigError as error:
            found.problems.append(error.problem)
        else:
            _add(found, folder, name, path, root, said, part)
    used = set(pairs.values())
    for name in marks:
        if name not in used:
            found.skip("{file} has no image.", folder.files[name])
    return found


def _add(
    found: Listing,
    folder: Folder,
    name: str,
    path: Path,
    root: ElementTree.Element,
    said: tuple[float, float],
    part: Part | None,
) -> None:
    add_objects(found, folder, name, path, lambda _: _objects(root, path), said=said, part=part)


def _objects(root: ElementTree.Element, path: Path) -> Iterator[Shape | str]:
    """Yield the objects of an annotation. Raises ConfigError for an invalid number."""
    for entry in root.iter("object"):
        name = class_name(entry.findtext("name") or "")
        turned = entry.find("robndbox")
        if turned is not None:  # of roLabelImg: angle in radians
            x, y, width, height, angle = (_number(turned, key, path) for key in ("cx", "cy", "w", "h", "angle"))
            box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            yield turned_box(name, box, angle * 180 / 3.141592653589793, (x, y))
        elif (entry.findtext("deleted") or "0").strip() == "1":  # of the old LabelMe, as the polygon is
            continue
        elif entry.find("polygon/pt") is not None:
            points = [(_number(point, "x", path), _number(point, "y", path)) for point in entry.iterfind("polygon/pt")]
            yield polygon(name, points)
        elif entry.find("bndbox") is not None:
            corners = [_number(entry, f"bndbox/{key}", path) for key in ("xmin", "ymin", "xmax", "ymax")]
            about = {each.findtext("name"): each.findtext("value") for each in entry.iterfind("attributes/attribute")}
            box = (corners[0] - 1, corners[1] - 1, corners[2], corners[3])
            yield rotated(Shape(name, box, _outline(entry, path)), about)
        else:
            yield "object"


def _outline(entry: ElementTree.Element, path: Path) -> Outline | None:
    """Return the polygon that Roboflow and supervision write next to a box, as x1, y1, x2, y2, ...; None if there is none."""
    drawn = entry.find("polygon")
    count = 0 if drawn is None else sum(each.tag.startswith("x") for each in drawn)
    if drawn is None or count < 3:
        return None
    return Outline((tuple(_number(drawn, f"{axis}{at}", path) - 1 for at in range(1, count + 1) for axis in "xy"),))


def _number(element: ElementTree.Element, key: str, path: Path) -> float:
    text = element.findtext(key)
    try:
        return 0.0 if text is None else number(text)
    except ValueError:
        raise ConfigError("{file}: {key} is {text!r}, not a number.", file=path, key=key, text=text) from None
