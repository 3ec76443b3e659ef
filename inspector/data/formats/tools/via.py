"""VGG Image Annotator (VIA 1 and 2): one .json or .csv, a project or an export, with the regions of each image.

The class of a region is the value of its only attribute, or of the attribute named label, class or type.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.columns import cell, tables
from inspector.data.formats.names import part_of_image
from inspector.data.formats.record import Claim, Listing, Tick, add_objects, claim, class_name, listed_images, new_entries
from inspector.data.formats.scan import Folder
from inspector.data.formats.shapes import Shape, ellipse, number, polygon, unknown

TITLE = message("VGG Image Annotator")
EXPECTED = message("a .json of the VGG Image Annotator, and the images")
_WEIGHT = 1.0
_USUAL = ("label", "class", "type", "category", "name", "defect", "object")
Item = Mapping[str, object]


def _entries(folder: Folder) -> Iterator[tuple[str, Item]]:
    """Yield (file, image with its regions)."""
    yield from _of_tables(folder)
    for name, data in folder.documents(lambda ends: b'"shape_attributes"' in ends or b'"_via_' in ends):
        inner = data.get("_via_img_metadata", data) if isinstance(data, Mapping) else {}
        for entry in inner.values() if isinstance(inner, Mapping) else ():
            if isinstance(entry, Mapping) and "filename" in entry and "regions" in entry:
                yield name, entry


def _of_tables(folder: Folder) -> Iterator[tuple[str, Item]]:
    """Yield the same from a .csv with one line per region, whose attributes are JSON in a cell."""
    for table in tables(folder):
        places = [table.place((column,)) for column in ("filename", "region_shape_attributes", "region_attributes")]
        if None in places:
            continue
        regions: dict[str, list[Item]] = {}
        try:
            for _, row in table.rows():
                drawn, about = (json.loads(cell(row, place) or "{}") for place in places[1:])
                own = regions.setdefault(cell(row, places[0]), [])
                if drawn:
                    own.append({"shape_attributes": drawn, "region_attributes": about})
        except (ConfigError, ValueError):
            continue
        yield from ((table.name, {"filename": name, "regions": own}) for name, own in regions.items())


def look(folder: Folder) -> Claim | None:
    """Recognise VIA files by the images that they list."""
    images = listed_images(folder, ((name, str(entry["filename"])) for name, entry in _entries(folder)))
    return claim(
        _WEIGHT,
        len(images),
        len(folder.images),
        message("a .json of the VGG Image Annotator lists {count} of the images", count=len(images)),
    )


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the regions of each image."""
    found = Listing(TITLE)
    entries = ((name, str(entry["filename"]), entry) for name, entry in _entries(folder))
    for image, path, entry in new_entries(found, folder, entries, tick):
        _add(found, folder, image, path, entry["regions"])
    return found


def _add(found: Listing, folder: Folder, image: str, path: Path, regions: object) -> None:
    items = list(regions.values()) if isinstance(regions, Mapping) else regions

    def objects(size: tuple[int, int]) -> Iterator[Shape | str]:
        if not isinstance(items, list):
            raise ValueError("no list of regions")
        for region in items:
            yield from _shapes(region["shape_attributes"], _class(region.get("region_attributes") or {}))

    add_objects(found, folder, image, path, objects, part=part_of_image(image), shared=True)


def _class(attributes: Item) -> str:
    """Return the class of a region. Raises ValueError if it is ambiguous which attribute is the class."""
    lowered = {str(key).lower(): value for key, value in attributes.items()}
    usual = [key for key in _USUAL if lowered.get(key)]
    if not attributes:
        return "object"
    if not usual and len(attributes) > 1:
        raise ValueError(f"the attributes {', '.join(map(str, attributes))} do not say which is the class")
    value = lowered[usual[0]] if usual else next(iter(attributes.values()))
    if isinstance(value, Mapping):  # boxes that are ticked
        ticked = [str(key) for key, on in value.items() if on]
        if len(ticked) != 1:
            raise ValueError(f"{len(ticked)} classes for one region")
        value = ticked[0]
    return class_name(value)


def _shapes(drawn: Item, name: str) -> Iterator[Shape | str]:
    """Yield the shapes of a region. Raises ValueError or LookupError."""
    kind = str(drawn["name"])

    def value(key: str) -> float:
        return number(drawn[key])

    if kind == "rect":
        x, y = value("x"), value("y")
        yield Shape(name, (x, y, x + value("width"), y + value("height")))
    elif kind == "circle":
        yield ellipse(name, (value("cx"), value("cy")), (value("r"), value("r")))
    elif kind == "ellipse":
        turn = number(drawn.get("theta") or 0) * 180 / 3.141592653589793
        yield ellipse(name, (value("cx"), value("cy")), (value("rx"), value("ry")), turn)
    elif kind in ("polygon", "polyline"):
        across, down = drawn["all_points_x"], drawn["all_points_y"]
        if not isinstance(across, list) or not isinstance(down, list):
            raise ValueError("no points")
        points = [(number(x), number(y)) for x, y in zip(across, down, strict=True)]
        if kind == "polygon":
            yield polygon(name, points)
        else:
            yield from unknown(kind, points)
    else:
        yield kind
