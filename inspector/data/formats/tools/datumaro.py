"""Datumaro's own .json: annotations/<subset>.json with items, and their images in images/."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.layouts.coco import outline_of
from inspector.data.formats.names import PARTS, part_of_image
from inspector.data.formats.record import Claim, Listing, Tick, add_objects, claim, class_name, with_labels
from inspector.data.formats.scan import Folder, peek, without_suffix
from inspector.data.formats.shapes import Shape, ellipse, number, of_pixels, polygon, rotated, unknown
from inspector.data.samples import Part

TITLE = message("Datumaro")
EXPECTED = message("annotations/ with a .json of Datumaro for each part, and images/")
_WEIGHT = 1.0
Item = Mapping[str, object]


def _items(folder: Folder) -> Iterator[tuple[str, Item, list[str]]]:
    """Yield (file, item, names of the labels)."""
    for name in folder.with_suffix(".json")[:50]:
        ends = peek(folder.files[name])
        if b'"items"' not in ends and b'"label_id"' not in ends and b'"dm_format_version"' not in ends:
            continue
        try:
            data = folder.json(name)
            items = data["items"] if isinstance(data, Mapping) else []
            labels = (
                [class_name(label["name"]) for label in data["categories"]["label"]["labels"]]
                if isinstance(data, Mapping)
                else []
            )
        except (ConfigError, TypeError, KeyError):
            continue
        for item in items if isinstance(items, list) else []:
            if isinstance(item, Mapping) and "id" in item:
                yield name, item, labels


def _find(folder: Folder, name: str, item: Item) -> str | None:
    image = item.get("image")
    said = str(image.get("path") or "") if isinstance(image, Mapping) else ""
    subset = without_suffix(name).rpartition("/")[2]
    near = (f"images/{subset}", "images", name.rpartition("/")[0])
    wanted = (said, *(f"{item['id']}{suffix}" for suffix in (".jpg", ".png", ".bmp", ".tif")))
    return next((image for one in wanted if one and (image := folder.find(one, *near)) is not None), None)


def look(folder: Folder) -> Claim | None:
    """Recognise datumaro files by the images of their items."""
    images = {_find(folder, name, item) for name, item, _ in _items(folder)} - {None}
    return claim(
        _WEIGHT, len(images), len(folder.images), message("a .json of Datumaro lists {count} of the images", count=len(images))
    )


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the annotations of each item; labels without a position are the classes of whole images."""
    found = Listing(TITLE)
    tags: dict[str, list[str]] = {}
    listed: set[str] = set()
    for name, item, labels in _items(folder):
        tick()
        path = folder.files[name]
        image = _find(folder, name, item)
        if found.is_new(image, item["id"], path, listed):
            drawn = item.get("annotations")
            items = drawn if isinstance(drawn, list) else [drawn]
            tags[image] = [_name(one, labels) for one in items if isinstance(one, Mapping) and one.get("type") == "label"]
            part = PARTS.get(without_suffix(name).rpartition("/")[2].lower()) or part_of_image(image)
            others = [one for one in items if not (isinstance(one, Mapping) and one.get("type") == "label")]
            _add(found, folder, image, path, others, labels, part)
    found.missing += [name for name in folder.images if name not in listed]
    with_labels(found, folder, tags)
    return found


def _name(item: Item, labels: list[str]) -> str:
    """Return the name of a label; "" if it has none."""
    place = item.get("label_id")
    return labels[place] if isinstance(place, int) and 0 <= place < len(labels) else ""


def _add(
    found: Listing, folder: Folder, image: str, path: Path, items: list[object], labels: list[str], part: Part | None
) -> None:
    def objects(size: tuple[int, int]) -> Iterator[Shape | str]:
        for item in items:
            if not isinstance(item, Mapping):
                raise ValueError("no list of annotations")
            yield from _shapes(item, _name(item, labels), size)

    add_objects(found, folder, image, path, objects, part=part, shared=True)


def _shapes(item: Item, name: str, size: tuple[int, int]) -> Iterator[Shape | str]:
    """Yield the shapes of an annotation. Raises ValueError, TypeError or LookupError."""
    kind, said = str(item.get("type")), item.get("points")
    values = [number(value) for value in said] if isinstance(said, list) else []
    points = list(zip(values[::2], values[1::2], strict=False))
    box = item.get("bbox")
    if kind == "bbox" and isinstance(box, list):
        left, top, width, height = (number(value) for value in box)
        yield rotated(Shape(name, (left, top, left + width, top + height)), item.get("attributes"))
    elif kind == "polygon":
        yield polygon(name, points)
    elif kind == "mask":
        outline = outline_of(item.get("rle"), size)
        shape = None if outline is None else of_pixels(name, outline.pixels())
        yield kind if shape is None else shape
    elif kind == "ellipse" and len(values) == 4:
        x0, y0, x1, y1 = values
        yield ellipse(name, ((x0 + x1) / 2, (y0 + y1) / 2), ((x1 - x0) / 2, (y1 - y0) / 2))
    else:
        yield from unknown(kind, points)
