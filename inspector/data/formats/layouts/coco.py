"""COCO: a .json with images, annotations and categories, anywhere in the folder; one file per part, or one for all.

Boxes are (left, top, width, height); outlines are polygons or run lengths, compressed or not. The part is taken from the name
of the file or of its folder ("train", "valid", "test", also "instances_val2017.json").

CVAT and datumaro mark objects drawn with a brush as crowds (iscrowd 1). A crowd in COCO's own sense, in COCO's own data or
around other objects of its class, is a region in which individual objects are not labelled.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.names import part_of_image, photographs
from inspector.data.formats.record import Claim, Listing, Record, Tick, add_objects, claim, class_name
from inspector.data.formats.scan import Folder, peek, without_suffix
from inspector.data.formats.shapes import IGNORED, Shape, number, of_pixels, rotated
from inspector.data.outlines import Outline, decode_runs
from inspector.data.samples import Part

TITLE = message("COCO")
EXPECTED = message("a COCO .json with images, annotations and categories, and the images")
_WEIGHT = 1.0
_BROKEN = 0.3  # less than folders that can be classes
_LOOKED_AT = 200
_SEVERAL = 4  # boxes of which it can be told how all are written
_FAR_OUT = 3.0  # pixels beyond the image that no rounding explains
_SIGNS = (b'"file_name"', b'"image_id"', b'"category_id"', b'"iscrowd"')
_NOT_COCO = (b'"shapes"', b'"assets"', b'"_via_', b'"dm_format_version"', b'"segments_info"', b'"label_classes"', b'"slots"')
_PART = re.compile(r"(?:^|[/_.\-])(train|valid|val|test)(?:ing|idation)?(?:\d*)(?=$|[/_.\-])")
Summary = tuple[tuple[str, str], ...]
_PARTS: dict[str, Part] = {"train": "train", "valid": "val", "val": "val", "test": "test"}


def files(folder: Folder) -> list[str]:
    """Return the .json files whose beginning or end looks like COCO."""
    found = []
    alone = [
        name for name in folder.with_suffix(".json") if name.count("/") <= 3 and len(folder.by_stem[without_suffix(name)]) == 1
    ]
    for name in alone[:_LOOKED_AT]:
        ends = peek(folder.files[name])
        keys = sum(key in ends for key in (b'"images"', b'"annotations"', b'"categories"'))
        if (
            keys
            and not any(sign in ends for sign in _NOT_COCO)
            and (any(sign in ends for sign in _SIGNS) or _cut(folder, name))
        ):
            found.append(name)
    return found


def _cut(folder: Folder, name: str) -> bool:
    """Return whether a file is incomplete JSON, so that labels may be missing."""
    try:
        folder.json(name)
    except ConfigError:
        return True
    return False


def look(folder: Folder) -> Claim | None:
    """Recognise COCO files by the images that they list."""
    listed: set[str] = set()
    names = files(folder)
    broken, labelled = 0, False
    for name in names:
        try:
            file = _parse(name, folder, Listing(TITLE))
        except ConfigError:
            broken += 1
            continue
        labelled = labelled or file.labelled
        images = (_find(folder, said, name) for said, _ in file.images.values())
        listed.update(image for image in images if image is not None)
    if names and broken == len(names):  # reading it says what is wrong
        return claim(
            _BROKEN, 1, 1, message("{count} .json {count:|file looks|files look} like COCO, and cannot be read", count=broken)
        )
    if not listed:
        gone = bool(names) and bool(folder.images) and labelled
        return claim(_BROKEN, 1, 1, message("COCO files list other images than those that are here")) if gone else None
    weight = _WEIGHT if labelled else _BROKEN  # a mere list of images teaches nothing
    return claim(
        weight, len(listed), len(photographs(folder)), message("COCO files list {count} of the images", count=len(listed))
    )


def part_of(name: str) -> Part | None:
    """Return the part named by the path of a label file: "valid/_annotations.coco.json" -> "val"."""
    found = _PART.findall(name.lower())
    return _PARTS[found[-1]] if found else None


@dataclass(slots=True)
class _File:
    """A COCO file.

    `shapes`: annotations by image. `labels`: categories of whole images. `labelled`: False for a mere list of images
    (datumaro's image_info), which says nothing about their content.
    """

    name: str
    path: Path
    images: Mapping[int | str, tuple[str, tuple[float, float]]]
    shapes: dict[object, list[Mapping[str, object]]]
    categories: Mapping[int | str, str]
    labels: dict[object, list[str]] = field(default_factory=dict)
    labelled: bool = True
    crowds: set[int] = field(default_factory=set)  # by `id` of the annotation


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the images of every file. Anything that cannot be understood is noted as a problem and does not stop the rest."""
    found = Listing(TITLE)
    classes: dict[str, None] = {}
    parsed = []
    for name in files(folder):
        try:
            parsed.append(_parse(name, folder, found))
        except ConfigError as error:
            found.problems.append(error.problem)
    for file in parsed:
        used = {str(file.categories[_key(item["category_id"])]) for items in file.shapes.values() for item in items}
        used.update(label for labels in file.labels.values() for label in labels)
        # A first category that nothing is of is a heading above the others, as some tools write it.
        classes.update(dict.fromkeys(name for name in file.categories.values() if name in used or not used))
    several = len({part_of(file.name) for file in parsed if file.labelled}) > 1
    labelled: dict[str, Summary] = {}
    # A file that only lists images comes after those that say what is in them.
    for file in sorted(parsed, key=lambda each: (not each.labelled, not each.shapes, "instances" not in each.name)):
        _read_file(folder, file, labelled, found, tick, part_of(file.name) if several or part_of_image(file.name) else None)
    found.missing += [name for name in folder.images if name not in labelled]
    found.classes = tuple(classes)
    return found


def _read_file(
    folder: Folder, file: _File, labelled: dict[str, Summary], found: Listing, tick: Tick, part: Part | None
) -> None:
    """Add the images of one file to the listing. `labelled`: the images known so far, and their objects."""
    elsewhere = 0
    for key, (said, size) in file.images.items():
        tick()
        place = _find(folder, said, file.name)
        items = file.shapes.get(key, [])
        if place is None:
            found.problems.append(message("{image} is listed in {file} but is not there.", image=said, file=file.path))
        elif place in labelled:
            if items and labelled[place] not in ((), _summary(file, items)):
                found.problems.append(message("{image} is listed twice; the first is used.", image=said, file=file.path))
        elif file.labelled:
            labelled[place] = _summary(file, items)
            elsewhere += "/" in said and not place.endswith(said.removeprefix("./"))
            _record(folder, file, key, place, size, part or part_of_image(place), found)
    if elsewhere:
        found.problems.append(
            message(
                "{count} {count:|image is|images are} not in the folders that {file} names; "
                "{count:|it was found by its name|they were found by their names} alone.",
                count=elsewhere,
                file=file.path,
            )
        )


def _find(folder: Folder, said: str, file: str) -> str | None:
    """Return the image that a file refers to; a path of another machine is matched by its file name alone."""
    near = _places(file)
    return folder.find(said, *near) or folder.find(said.replace("\\", "/").rpartition("/")[2], *near)


def _summary(file: _File, items: list[Mapping[str, object]]) -> Summary:
    """Return the classes and boxes, to compare whether two files agree."""
    return tuple(sorted((file.categories[_key(item["category_id"])], str(item.get("bbox"))) for item in items))


def _places(name: str) -> list[str]:
    """Return the folders in which the images of a .json may lie."""
    folder, _, last = name.rpartition("/")
    above = folder.rpartition("/")[0]
    stem = last.removesuffix(".json").removeprefix("instances_")
    return [folder, f"{folder}/images".lstrip("/"), f"{above}/images".lstrip("/"), f"{above}/{stem}".lstrip("/"), above]


def _parse(name: str, folder: Folder, found: Listing) -> _File:
    path, data = folder.files[name], folder.json(name)
    try:
        if not isinstance(data, Mapping):
            raise ValueError("not an object")
        images: dict[int | str, tuple[str, tuple[float, float]]] = {}
        for item in _objects(data, "images"):
            size = (number(item.get("width") or 0), number(item.get("height") or 0))
            said = str(item.get("file_name") or item["coco_url"])  # LVIS names an address only
            if images.setdefault(_key(item["id"]), about := (said, size)) != about:
                raise ValueError(f"two images have the id {item['id']}")
        categories: dict[int | str, str] = {}
        for item in _objects(data, "categories") if "categories" in data else []:
            if categories.setdefault(_key(item["id"]), name_of := class_name(item["name"])) != name_of:
                raise ValueError(f"two categories have the id {item['id']}")
        annotations = _objects(data, "annotations") if "annotations" in data else []
        file = _File(name, path, images, {}, dict(sorted(categories.items(), key=lambda one: (str(type(one[0])), one[0]))))
        file.labelled = bool(annotations) or ("annotations" in data and bool(categories) and "image_info" not in name)
        source = data.get("info")
        own = isinstance(source, Mapping) and str(source.get("description", "")).startswith("COCO 20")
        lost = _sort(annotations, file, own=own)
        if _in_corners(file):
            raise ValueError("its boxes are corners (left, top, right, bottom), and not left, top, width, height")
        if _in_fractions(file):
            raise ValueError("its boxes are fractions of the image, and not pixels")
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
    if file.crowds:
        found.problems.append(
            message(
                "{file}: {count} annotations are of crowds (iscrowd); they are no objects, and their regions are ignored.",
                file=path,
                count=len(file.crowds),
            )
        )
    return file


def _sort(annotations: list[Mapping[str, object]], file: _File, *, own: bool) -> int:
    """Assign annotations to their images and return how many belong to none.

    `own`: the file is COCO's own. Raises ValueError or TypeError.
    """
    lost = 0
    doubtful: set[int | str] = set()
    for item in annotations:
        image, said = _key(item.get("image_id")), item.get("category_id")
        category = _key(said) if isinstance(said, int | str | float) else -1
        if image not in file.images or said is None or category not in file.categories:
            lost += 1
            doubtful.add(image)  # without this object its image would pass for one with fewer
        elif "bbox" not in item and not item.get("segmentation"):
            file.labels.setdefault(image, []).append(file.categories[category])
        else:
            file.shapes.setdefault(image, []).append(item)
    for items in file.shapes.values():
        file.crowds.update(id(item) for item in items if item.get("iscrowd") and (own or _holds_others(item, items)))
    if annotations and not any("category_id" in item for item in annotations):  # captions, or whole scenes
        file.labelled = False
        return 0
    kept = {} if lost and lost == len(annotations) else file.images  # the numbers of its images mean something else
    file.images = {key: image for key, image in kept.items() if key not in doubtful}
    return lost


def _in_corners(file: _File) -> bool:
    """Return whether the boxes are corners: so read all lie inside their images, otherwise some reach far out."""
    outside = boxes = 0
    for key, items in file.shapes.items():
        width, height = file.images[_key(key)][1] if _key(key) in file.images else (0.0, 0.0)
        for item in items:
            if (box := _corners(item)) is None or not width:
                continue
            left, top, right, bottom = box[0], box[1], box[2] - box[0], box[3] - box[1]
            if right <= left or bottom <= top or right > width + 1 or bottom > height + 1:
                return False
            boxes += 1
            outside += box[2] > width + _FAR_OUT or box[3] > height + _FAR_OUT
    return boxes >= _SEVERAL and outside > 1


def _in_fractions(file: _File) -> bool:
    """Return whether no number of any box exceeds 1: with so few pixels nothing could be seen."""
    boxes = [box for items in file.shapes.values() for item in items if (box := _corners(item)) is not None and any(box)]
    return len(boxes) >= _SEVERAL and max(map(max, boxes)) <= 1


def _holds_others(crowd: Mapping[str, object], items: list[Mapping[str, object]]) -> bool:
    """Return whether other objects of its class lie inside the box."""
    around = _corners(crowd)
    others = [_corners(item) for item in items if item is not crowd and _key(item["category_id"]) == _key(crowd["category_id"])]
    return around is not None and any(
        box is not None and box[0] >= around[0] and box[1] >= around[1] and box[2] <= around[2] and box[3] <= around[3]
        for box in others
    )


def _corners(item: Mapping[str, object]) -> tuple[float, float, float, float] | None:
    said = item.get("bbox")
    if not isinstance(said, list) or len(said) != 4:
        return None
    left, top, width, height = (number(value) for value in said)
    return left, top, left + width, top + height


def _key(value: object) -> int | str:
    """Return an id; some tools write the same number as 7, "7" or 7.0. Raises ValueError."""
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 19 else value
    raise ValueError(f"{str(value)[:40]!r} is not an id")


def _objects(data: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    items = data.get(key)
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise ValueError(f"{key} is not a list of objects")
    return items


def _record(
    folder: Folder, file: _File, key: int | str, name: str, said: tuple[float, float], part: Part | None, found: Listing
) -> None:
    items = file.shapes.get(key, [])
    labels = set(file.labels.get(key, []))
    if not items and labels:
        if len(labels) == 1:
            found.records.append(Record(name, folder.files[name], label=labels.pop(), part=part))
        else:
            found.skip("{file} has several labels and is not used: it can be of one class only.", folder.files[name])
        return

    def objects(size: tuple[int, int]) -> Iterator[Shape | str]:
        for item in items:
            shape = _shape(item, file.categories[_key(item["category_id"])], size)
            if id(item) in file.crowds:
                yield Shape(IGNORED, shape.box, shape.outline)
                yield ""  # whatever else is in it: not known to be all there is
            else:
                yield shape

    add_objects(found, folder, name, file.path, objects, said=said, part=part, shared=True)


def _shape(item: Mapping[str, object], name: str, size: tuple[int, int]) -> Shape:
    """Return the shape of an annotation. Raises ValueError."""
    outline = outline_of(item.get("segmentation"), size)
    said = item.get("bbox")
    if isinstance(said, list) and len(said) == 4:
        left, top, width, height = (number(value) for value in said)
        box = (left, top, left + width, top + height)
        drawn = None if outline is None else bounds(outline.polygons) if outline.polygons else outline.bounds()
        if drawn is not None and not any(box):  # not written, as some programs do beside an outline
            box = drawn
        if drawn is not None and not _alike(box, drawn):
            raise ValueError("a bbox and a segmentation are in different places")
        return rotated(Shape(name, box, outline), item.get("attributes"))
    if outline is not None and outline.polygons:
        return Shape(name, bounds(outline.polygons), outline)
    if outline is not None and (shape := of_pixels(name, outline.pixels())) is not None:
        return shape
    raise ValueError("an annotation without bbox")


def bounds(polygons: tuple[tuple[float, ...], ...]) -> tuple[float, float, float, float]:
    """Return the bounding box of polygons."""
    across = [value for polygon in polygons for value in polygon[::2]]
    down = [value for polygon in polygons for value in polygon[1::2]]
    return min(across), min(down), max(across), max(down)


def _alike(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Return whether two boxes, each enlarged by a pixel on all sides, overlap by half.

    If so, corners were not taken for widths.
    """
    a, b = ((box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1) for box in (one, other))
    shared = max(min(a[2], b[2]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return min(areas) > 0 and shared >= 0.5 * (sum(areas) - shared)


def outline_of(said: object, image: tuple[int, int]) -> Outline | None:
    """Convert COCO's `segmentation` for an image of (width, height); None if it is empty. Raises ValueError."""
    if isinstance(said, list):
        lists = said if any(isinstance(each, list) for each in said) else [said]  # some write a single polygon flat
        polygons = [tuple(number(value) for value in polygon) for polygon in lists if isinstance(polygon, list)]
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
