"""Supervisely: img/NAME.jpg with ann/NAME.jpg.json, in one folder or in one folder per data set of a project."""

import base64
import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import PIL.Image

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.names import pair_once, part_of_image, spread
from inspector.data.formats.record import Claim, Listing, Tick, add_objects, claim, class_name, with_labels
from inspector.data.formats.scan import Folder, peek, read_json
from inspector.data.formats.shapes import Shape, around, number, of_pixels, polygon, unknown
from inspector.imaging.files import DAMAGE

TITLE = message("Supervisely")
EXPECTED = message("img/ with the images and ann/ with a Supervisely .json for each")
_WEIGHT = 1.0
_LOOKED_AT = 20
_LARGEST = 64 << 20
Item = Mapping[str, object]


def look(folder: Folder) -> Claim | None:
    """Recognise images that have such a .json."""
    marks = folder.with_suffix(".json")
    seen = spread(marks, _LOOKED_AT)
    heads = [peek(folder.files[name]) for name in seen]
    share = sum(b'"objects"' in head and b'"size"' in head for head in heads) / max(1, len(seen))
    if not share:
        return None
    used = share * len(pair_once(folder, folder.images, marks))
    return claim(
        _WEIGHT,
        used,
        len(folder.images),
        message("{count} {count:|image has|images have} a Supervisely .json", count=round(used)),
    )


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the objects of every file; tags are the classes of whole images."""
    found = Listing(TITLE)
    pairs = pair_once(folder, folder.images, folder.with_suffix(".json"))
    tags: dict[str, list[str]] = {}
    for name in folder.images:
        tick()
        if name not in pairs:
            found.missing.append(name)
            continue
        path = folder.files[pairs[name]]
        try:
            data = read_json(path, limit=_LARGEST)
        except ConfigError as error:
            found.problems.append(error.problem)
            continue
        if not isinstance(data, Mapping) or not isinstance(data.get("objects"), list):
            found.skip("{file} is not a Supervisely file.", path)
            continue
        raised = data.get("tags")
        tags[name] = (
            [class_name(tag["name"]) for tag in raised or [] if isinstance(tag, Mapping) and "name" in tag]
            if isinstance(raised, list)
            else []
        )
        _add(found, folder, name, path, data)
    with_labels(found, folder, tags)
    return found


def _add(found: Listing, folder: Folder, name: str, path: Path, data: Item) -> None:
    items, said = data["objects"], data.get("size")

    def objects(size: tuple[int, int]) -> Iterator[Shape | str]:
        if isinstance(said, Mapping) and (number(said.get("width")), number(said.get("height"))) != size:
            raise ValueError("they are for an image of another size")
        for item in items if isinstance(items, list) else []:
            yield from _shapes(item, size)

    add_objects(found, folder, name, path, objects, part=part_of_image(name))


def _shapes(item: Item, size: tuple[int, int]) -> Iterator[Shape | str]:
    """Yield the shapes of an object. Raises ValueError, TypeError or LookupError."""
    name, kind = class_name(item["classTitle"]), str(item.get("geometryType"))
    said = item.get("points")
    corners = said.get("exterior") if isinstance(said, Mapping) else None
    points = [(number(point[0]), number(point[1])) for point in corners] if isinstance(corners, list) else []
    if kind == "rectangle" and len(points) == 2:
        left, top, right, bottom = around(name, points).box
        yield Shape(name, (left, top, right + 1, bottom + 1))  # the last pixels are in it
    elif kind == "polygon" and isinstance(said, Mapping):
        holes = [polygon(name, [(number(x), number(y)) for x, y in hole]) for hole in said.get("interior") or []]
        yield _with_holes(polygon(name, points), holes, size)
    elif kind == "bitmap" and isinstance(item.get("bitmap"), Mapping):
        shape = _bitmap(name, item["bitmap"], size)
        yield kind if shape is None else shape
    else:
        yield from unknown(kind, points)


def _with_holes(outer: Shape, holes: list[Shape], size: tuple[int, int]) -> Shape:
    if not holes or outer.outline is None:
        return outer
    mask = np.zeros((size[1], size[0]), np.uint8)
    outer.outline.paint(mask, 1)
    for hole in holes:
        if hole.outline is not None:
            hole.outline.paint(mask, 0)
    return of_pixels(outer.name, mask > 0) or outer


def _bitmap(name: str, said: object, size: tuple[int, int]) -> Shape | None:
    """Decode a packed PNG placed at its origin. Raises ValueError."""
    if not isinstance(said, Mapping):
        raise ValueError("no bitmap")
    try:
        packed = zlib.decompressobj().decompress(base64.b64decode(str(said["data"])), _LARGEST)
        with PIL.Image.open(io.BytesIO(packed), formats=("PNG",)) as picture:
            if picture.width > size[0] or picture.height > size[1]:
                raise ValueError("a bitmap larger than the image")
            drawn = (
                np.asarray(picture.convert("RGBA"))[..., 3] > 0
                if "A" in picture.mode or "transparency" in picture.info
                else np.asarray(picture.convert("L")) > 0
            )
        left, top = (int(number(value)) for value in said["origin"])
    except DAMAGE as error:
        raise ValueError(f"a bitmap that cannot be read: {error}") from error
    whole = np.zeros((size[1], size[0]), np.bool_)
    place = whole[max(top, 0) : top + drawn.shape[0], max(left, 0) : left + drawn.shape[1]]
    place[:] = drawn[: place.shape[0], : place.shape[1]]
    return of_pixels(name, whole)
