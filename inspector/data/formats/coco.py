"""COCO: one .json with images, annotations and categories, anywhere in the folder; a file for each part, or one for all.

Boxes are (left, top, width, height); outlines are polygons or run lengths, compressed or not. The part is taken from the name
of the file or of its folder ("train", "valid", "test", also "instances_val2017.json").
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inspector.core.errors import ConfigError
from inspector.core.message import message
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
from inspector.data.outlines import Outline, decode_runs
from inspector.data.samples import Part

TITLE = message("COCO")
EXPECTED = message("a COCO .json with images, annotations and categories, and the images")
_LOOKED_AT = 200
_PART = re.compile(r"(?:^|[/_.\-])(train|valid|val|test)(?:ing|idation)?(?:\d*)(?=$|[/_.\-])")
_PARTS: dict[str, Part] = {"train": "train", "valid": "val", "val": "val", "test": "test"}


def files(folder: Folder) -> list[str]:
    """Return the .json files that look like COCO's from their beginning or end."""
    found = []
    alone = [
        name for name in folder.with_suffix(".json") if name.count("/") <= 2 and len(folder.by_stem[without_suffix(name)]) == 1
    ]
    for name in alone[:_LOOKED_AT]:
        ends = peek(folder.files[name])
        if sum(key in ends for key in (b'"images"', b'"annotations"', b'"categories"')) >= 1 and b'"shapes"' not in ends:
            found.append(name)
    return found


def matches(folder: Folder) -> bool:
    """Return whether there is such a file."""
    return bool(files(folder))


def part_of(name: str) -> Part | None:
    """Return the part that a path names: "valid/_annotations.coco.json" -> "val"."""
    found = _PART.findall(name.lower())
    return _PARTS[found[-1]] if found else None


@dataclass(slots=True)
class _File:
    name: str
    path: Path
    images: Mapping[int | str, tuple[str, tuple[float, float]]]
    shapes: dict[object, list[Mapping[str, object]]]
    categories: Mapping[int | str, str]


def read(folder: Folder, tick: Tick) -> Listing:
    """Return every file's images; what cannot be understood is a problem of its own and does not stop the rest."""
    found = Listing(TITLE)
    classes: dict[str, None] = {}
    labelled: set[str] = set()
    names = files(folder)
    parsed = []
    for name in names:
        try:
            parsed.append(_parse(name, folder.files[name], found))
        except ConfigError as error:
            found.problems.append(error.problem)
    for file in parsed:
        used = {str(file.categories[_key(item["category_id"])]) for items in file.shapes.values() for item in items}
        # A first category that nothing is of is a heading above the others, as some tools write it.
        classes.update(dict.fromkeys(name for name in file.categories.values() if name in used or not used))
    for file in parsed:
        part = part_of(file.name) if len(parsed) > 1 else None
        elsewhere = 0
        for key, (said, size) in file.images.items():
            tick()
            place = folder.find(said, *_places(file.name))
            if place is None:
                found.problems.append(message("{image} is listed in {file} but is not there.", image=said, file=file.path))
            elif place in labelled:
                found.problems.append(message("{image} is listed twice; the first is used.", image=said, file=file.path))
            else:
                labelled.add(place)
                elsewhere += "/" in said and not place.endswith(said.removeprefix("./"))
                _record(folder, file, place, size, file.shapes.get(key, []), part, found)
        if elsewhere:
            found.problems.append(
                message(
                    "{count} images are not in the folders that {file} names; they were found by their names alone.",
                    count=elsewhere,
                    file=file.path,
                )
            )
    found.unlabelled(folder, [name for name in folder.images if name not in labelled])
    found.classes = tuple(classes)
    return found


def _places(name: str) -> list[str]:
    """Return where the images of a .json may lie."""
    folder, _, last = name.rpartition("/")
    above = folder.rpartition("/")[0]
    stem = last.removesuffix(".json").removeprefix("instances_")
    return [folder, f"{folder}/images".lstrip("/"), f"{above}/images".lstrip("/"), f"{above}/{stem}".lstrip("/"), above]


def _parse(name: str, path: Path, found: Listing) -> _File:
    data = read_json(path)
    try:
        if not isinstance(data, Mapping):
            raise ValueError("not an object")
        images: dict[int | str, tuple[str, tuple[float, float]]] = {}
        for item in _objects(data, "images"):
            size = (number(item.get("width") or 0), number(item.get("height") or 0))
            if images.setdefault(_key(item["id"]), about := (str(item["file_name"]), size)) != about:
                raise ValueError(f"two images have the id {item['id']}")
        categories: dict[int | str, str] = {}
        for item in _objects(data, "categories"):
            if categories.setdefault(_key(item["id"]), name_of := class_name(item["name"])) != name_of:
                raise ValueError(f"two categories have the id {item['id']}")
        shapes: dict[object, list[Mapping[str, object]]] = {}
        lost = crowds = 0
        doubtful = set()
        for item in _objects(data, "annotations"):
            if _key(item.get("image_id")) not in images or _key(item.get("category_id")) not in categories:
                lost += 1
                doubtful.add(_key(item.get("image_id")))  # without this object its image would pass for one with fewer
            elif item.get("iscrowd"):  # "many of them somewhere here" is no object (cocodataset.org, data format)
                crowds += 1
            else:
                shapes.setdefault(_key(item["image_id"]), []).append(item)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError("{file} is not a COCO file ({detail}).", file=path, detail=error) from error
    if lost:
        found.problems.append(
            message(
                "{file}: {count} annotations are of images or categories that it does not list; such images are not used.",
                file=path,
                count=lost,
            )
        )
    if crowds:
        found.problems.append(
            message("{file}: {count} annotations are of crowds (iscrowd) and are left out.", file=path, count=crowds)
        )
    ordered = dict(sorted(categories.items(), key=lambda entry: (str(type(entry[0])), entry[0])))
    known = {key: image for key, image in images.items() if key not in doubtful}
    return _File(name, path, known, shapes, ordered)


def _key(value: object) -> int | str:
    if isinstance(value, int | str):
        return value
    raise ValueError(f"{str(value)[:40]!r} is not an id")


def _objects(data: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    items = data.get(key)
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise ValueError(f"{key} is not a list of objects")
    return items


def _record(
    folder: Folder,
    file: _File,
    name: str,
    said: tuple[float, float],
    items: list[Mapping[str, object]],
    part: Part | None,
    found: Listing,
) -> None:
    path = folder.files[name]
    try:
        size = labelled_size(path, found.problems)
        check_size(said, size, file.path, path)
        shapes = []
        for item in items:
            shape = _shape(item, file.categories[_key(item["category_id"])], size)
            shapes.append(inside(shape, size, path, found.problems))
        kept = usable(shapes, path)
    except ConfigError as error:
        found.problems.append(error.problem)
    except (ValueError, TypeError, KeyError) as error:
        found.problems.append(
            message("{file}: the labels of {image} are wrong ({detail}).", file=file.path, image=name, detail=error)
        )
    else:
        found.records.append(Record(name, path, shapes=kept, part=part))


def _shape(item: Mapping[str, object], name: str, size: tuple[int, int]) -> Shape:
    """Raises ValueError."""
    outline = _outline(item.get("segmentation"), size)
    said = item.get("bbox")
    if isinstance(said, list) and len(said) == 4:
        left, top, width, height = (number(value) for value in said)
        box = (left, top, left + width, top + height)
        if outline is not None and outline.polygons and not _alike(box, bounds(outline.polygons)):
            raise ValueError("a bbox and a segmentation are in different places")
        return Shape(name, box, outline)
    if outline is not None and outline.polygons:
        return Shape(name, bounds(outline.polygons), outline)
    raise ValueError("an annotation without bbox")


def bounds(polygons: tuple[tuple[float, ...], ...]) -> tuple[float, float, float, float]:
    """Return the box around polygons."""
    across = [value for polygon in polygons for value in polygon[::2]]
    down = [value for polygon in polygons for value in polygon[1::2]]
    return min(across), min(down), max(across), max(down)


def _alike(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Return whether two boxes, each a pixel larger all round, overlap by about a third: corners were not taken for widths."""
    a, b = ((box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1) for box in (one, other))
    shared = max(min(a[2], b[2]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return min(areas) > 0 and shared >= 0.3 * (sum(areas) - shared)


def _outline(said: object, image: tuple[int, int]) -> Outline | None:
    """Raises ValueError."""
    if isinstance(said, list):
        polygons = [tuple(number(value) for value in polygon) for polygon in said if isinstance(polygon, list)]
        used = tuple(polygon for polygon in polygons if len(polygon) >= 6 and len(polygon) % 2 == 0)
        return Outline(used) if used else None
    if isinstance(said, Mapping):
        counts, size = said.get("counts"), said.get("size")
        if not isinstance(size, list) or len(size) != 2:
            raise ValueError("run lengths without a size")
        runs = decode_runs(counts) if isinstance(counts, str) else counts
        if not isinstance(runs, list | tuple) or not runs:
            raise ValueError("no run lengths")
        found = Outline((), tuple(int(number(run)) for run in runs), (int(number(size[0])), int(number(size[1]))))
        found.check((image[1], image[0]))
        return found
    return None
