"""labelme: a .json beside each image, with its shapes: rectangle, polygon, circle, mask, and lines or points, which have no
area.
"""

import base64
import io
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import PIL.Image

from inspector.core.errors import ConfigError
from inspector.core.files import DAMAGE
from inspector.core.message import message
from inspector.data.formats.coco import bounds
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
from inspector.data.formats.scan import Folder, peek, read_json, without_suffix
from inspector.data.outlines import Outline, run_lengths

TITLE = message("labelme")
EXPECTED = message("a labelme .json of the same name beside each image")
_LARGEST = 64 << 20  # it may hold the image itself
_CIRCLE = 64  # corners of the polygon drawn for a circle


def matches(folder: Folder) -> bool:
    """Return whether a .json has an image of the same name and shapes."""
    stems = {without_suffix(name) for name in folder.images}
    beside = [name for name in folder.with_suffix(".json") if without_suffix(name) in stems]
    return any(b'"shapes"' in peek(folder.files[name]) for name in beside[:20])


def read(folder: Folder, tick: Tick) -> Listing:
    """Shapes of every file; an image without one is not labelled."""
    found = Listing(TITLE)
    stems = set()
    for name in folder.images:
        tick()
        stems.add(without_suffix(name))
        mark = folder.sibling(name, ".json")
        if mark is None:
            found.unlabelled(folder, [name])
            continue
        try:
            shapes = _shapes(folder.files[mark], folder.files[name], found)
        except ConfigError as error:
            found.problems.append(error.problem)
        else:
            found.records.append(Record(name, folder.files[name], shapes=shapes))
    for name in folder.with_suffix(".json"):
        if without_suffix(name) not in stems:
            found.skip("{file} has no image.", folder.files[name])
    return found


def _shapes(path: Path, image: Path, found: Listing) -> tuple[Shape, ...]:
    data = read_json(path, limit=_LARGEST)
    items = data.get("shapes") if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(items, list):
        raise ConfigError("{file} is not a labelme file.", file=path)
    size = labelled_size(image, found.problems)
    shapes: list[Shape | None] = []
    try:
        check_size((number(data.get("imageWidth") or 0), number(data.get("imageHeight") or 0)), size, path, image)
        for item in items:
            shape = _shape(item, size)
            if shape is None:
                found.problems.append(
                    message(
                        "{file}: a shape without area ({kind}) is left out.",
                        file=path,
                        kind=item.get("shape_type") or "polygon",
                    )
                )
                shapes.append(None)
            else:
                shapes.append(inside(shape, size, path, found.problems))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError("{file} is not a labelme file ({detail}).", file=path, detail=error) from error
    return usable(shapes, path)


def _shape(item: Mapping[str, object], size: tuple[int, int]) -> Shape | None:
    """None for lines and points. Raises ValueError, TypeError, KeyError, AttributeError."""
    name, kind, said = class_name(item["label"]), item.get("shape_type") or "polygon", item["points"]
    if not isinstance(said, list):
        raise ValueError("no points")
    points = [(number(point[0]), number(point[1])) for point in said]
    if kind == "rectangle" and len(points) >= 2:
        (x0, y0), (x1, y1) = points[0], points[-1] if len(points) == 2 else points[2]
        return Shape(name, (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))
    if kind == "circle" and len(points) == 2:
        (x, y), edge = points
        radius = math.dist(points[0], edge)
        turns = [2 * math.pi * step / _CIRCLE for step in range(_CIRCLE)]
        polygon = tuple(value for turn in turns for value in (x + radius * math.cos(turn), y + radius * math.sin(turn)))
        return Shape(name, (x - radius, y - radius, x + radius, y + radius), Outline((polygon,)))
    if kind == "polygon" and len(points) >= 3:
        polygon = tuple(value for point in points for value in point)
        return Shape(name, bounds((polygon,)), Outline((polygon,)))
    if kind == "mask" and points:
        return _mask(name, points[0], str(item["mask"]), size)
    return None


def _mask(name: str, corner: tuple[float, float], said: str, size: tuple[int, int]) -> Shape | None:
    """Return a picture of the object's pixels, laid at `corner`; None if none is set. Raises ValueError."""
    try:
        with PIL.Image.open(io.BytesIO(base64.b64decode(said, validate=True)), formats=("PNG",)) as picture:
            if picture.width > size[0] or picture.height > size[1]:
                raise ValueError("a mask larger than the image")
            drawn = np.asarray(picture.convert("L")) > 0
    except DAMAGE as error:
        raise ValueError(f"a mask that cannot be read: {error}") from error
    left, top = max(round(corner[0]), 0), max(round(corner[1]), 0)
    whole = np.zeros((size[1], size[0]), np.bool_)
    place = whole[top : top + drawn.shape[0], left : left + drawn.shape[1]]
    place[:] = drawn[: place.shape[0], : place.shape[1]]
    rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
    if not len(rows):
        return None
    box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    return Shape(name, box, Outline((), run_lengths(whole), whole.shape))
