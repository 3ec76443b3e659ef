"""labelme and X-AnyLabeling: a .json with shapes for each image, next to the image or in a separate folder.

Shapes are rectangle, rotated rectangle, polygon, circle, mask, and lines or points, which have no area. If no file has a shape,
the flags that are set ("ok", "ng") are the classes of the images.
"""

import base64
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import PIL.Image

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.names import pair_once, part_of_image, spread
from inspector.data.formats.record import Claim, Listing, Record, Tick, add_objects, claim, class_name
from inspector.data.formats.scan import Folder, peek, read_json
from inspector.data.formats.shapes import Shape, around, ellipse, number, of_pixels, polygon, unknown
from inspector.imaging.files import DAMAGE

TITLE = message("labelme")
FLAGS = message("labelme with flags")
EXPECTED = message("a labelme .json of the same name for each image")
_WEIGHT = 1.0
_LOOKED_AT = 20
_LARGEST = 64 << 20  # it may hold the image itself
_CORNERS = frozenset({"polygon", "rotation", "oriented_rectangle", "quadrilateral"})


def look(folder: Folder) -> Claim | None:
    """Recognise images that have a .json with shapes."""
    marks = folder.json_by_owner[1]
    seen = spread(marks, _LOOKED_AT)
    share = sum(_is_labelme(peek(folder.files[name])) for name in seen) / max(1, len(seen))
    if not share:
        return None
    used = share * len(pair_once(folder, folder.images, marks))
    return claim(
        _WEIGHT, used, len(folder.images), message("{count} {count:|image has|images have} a labelme .json", count=round(used))
    )


def _is_labelme(ends: bytes) -> bool:
    return b'"shapes"' in ends and (
        b'"imagePath"' in ends or b'"imageHeight"' in ends or b'"shape_type"' in ends or b'"points"' in ends
    )


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the shapes of every file; an image without a file is unlabelled."""
    found = Listing(TITLE)
    marks = folder.with_suffix(".json")
    pairs = pair_once(folder, folder.images, marks)
    flags: dict[str, list[str]] = {}
    for name in folder.images:
        tick()
        mark = pairs.get(name)
        if mark is None:
            found.missing.append(name)
            continue
        path = folder.files[mark]
        try:
            data, items = _content(path)
        except ConfigError as error:
            found.problems.append(error.problem)
            continue
        raised = data.get("flags")
        flags[name] = [class_name(key) for key, value in raised.items() if value] if isinstance(raised, Mapping) else []
        _add(found, folder, name, path, data, items)
    for name in sorted(set(marks).difference(pairs.values())):
        if _is_labelme(peek(folder.files[name])):
            found.skip("{file} has no image.", folder.files[name])
    if any(flags.values()) and not any(record.shapes for record in found.records):
        return _by_flags(folder, flags, found)
    return found


def _by_flags(folder: Folder, flags: Mapping[str, list[str]], drawn: Listing) -> Listing:
    """Return the images, each labelled by its single flag."""
    found = Listing(FLAGS, problems=drawn.problems, missing=drawn.missing)
    for name, raised in flags.items():
        if len(raised) == 1:
            found.records.append(Record(name, folder.files[name], label=raised[0], part=part_of_image(name)))
        else:
            found.problems.append(
                message(
                    "{file} has {count} flags and is not used: its class is the one flag that is set.",
                    file=folder.files[name],
                    count=len(raised),
                )
            )
    return found


def _content(path: Path) -> tuple[Mapping[str, object], list[Mapping[str, object]]]:
    """Return the content of a file, and its shapes. Raises ConfigError."""
    data = read_json(path, limit=_LARGEST)
    items = data.get("shapes") if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(items, list):
        raise ConfigError("{file} is not a labelme file.", file=path)
    return data, items


def _add(
    found: Listing, folder: Folder, name: str, path: Path, data: Mapping[str, object], items: list[Mapping[str, object]]
) -> None:
    def objects(size: tuple[int, int]) -> Iterator[Shape | str]:
        try:
            for item in items:
                yield from _shapes(item, size)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ConfigError("{file} is not a labelme file ({detail}).", file=path, detail=error) from error

    try:
        said = (number(data.get("imageWidth") or 0), number(data.get("imageHeight") or 0))
    except ValueError as error:
        found.problems.append(message("{file} is not a labelme file ({detail}).", file=path, detail=error))
    else:
        add_objects(found, folder, name, path, objects, said=said, part=part_of_image(name))


def _shapes(item: Mapping[str, object], size: tuple[int, int]) -> Iterator[Shape | str]:
    """Yield each shape, or its kind and the reason why it is not used. Raises ValueError, TypeError or LookupError."""
    name, kind, said = class_name(item["label"]), str(item.get("shape_type") or "polygon"), item["points"]
    if not isinstance(said, list):
        raise ValueError("no points")
    points = [(number(point[0]), number(point[1])) for point in said]
    if kind == "rectangle" and len(points) in (2, 4):
        yield _rectangle(name, points)
    elif kind == "circle" and len(points) == 2:
        radius = math.dist(*points)
        yield ellipse(name, points[0], (radius, radius))
    elif kind in _CORNERS and len(points) >= 3:
        yield polygon(name, points)
    elif kind == "mask" and points:
        shape = _mask(name, points[0], str(item["mask"]), size)
        if shape is not None:
            yield shape
        else:
            yield kind
    else:
        yield from unknown(kind, points)


def _rectangle(name: str, points: list[tuple[float, float]]) -> Shape:
    """Return the shape for two or four corners; four may be those of a rotated rectangle."""
    plain = around(name, points)
    left, top, right, bottom = plain.box
    aligned = all(min(abs(x - left), abs(x - right)) <= 1 and min(abs(y - top), abs(y - bottom)) <= 1 for x, y in points)
    return plain if aligned else polygon(name, points)


def _mask(name: str, corner: tuple[float, float], said: str, size: tuple[int, int]) -> Shape | None:
    """Return the object's pixels as a shape, placed at `corner`; None if no pixel is set. Raises ValueError."""
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
    return of_pixels(name, whole)
