"""Label Studio's JSON and JSON-MIN: a list of tasks, each with an image and its annotations.

Boxes, polygons, ellipses and brush strokes are in percent of the image's size; choices are the classes of whole images.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from inspector.core.message import message
from inspector.data.formats.names import part_of_image
from inspector.data.formats.record import Claim, Listing, Tick, add_objects, claim, class_name, with_labels
from inspector.data.formats.scan import Folder
from inspector.data.formats.shapes import Shape, ellipse, number, of_pixels, polygon, turned_box

TITLE = message("Label Studio")
EXPECTED = message("a .json exported by Label Studio, and the images")
_WEIGHT = 1.0
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # put before the name of an uploaded file
_SIGNS = (b'"annotations"', b'labels"', b'"choices"', b'"annotation_id"', b'"lead_time"')
_USUAL = ("choice", "choices", "class", "label")
_PLACE = ("x", "y", "width", "height", "rotation", "radiusX", "radiusY", "points", "rle")
_ABOUT = frozenset({"annotation_id", "annotator", "created_at", "updated_at", "lead_time", "id"})
Item = Mapping[str, object]


def _fits(ends: bytes) -> bool:
    return ends.lstrip().startswith(b"[") and any(sign in ends for sign in _SIGNS)


def _tasks(folder: Folder) -> Iterator[tuple[str, Item]]:
    """Yield (file, task) of every file that looks like an export."""
    for name, data in folder.documents(_fits):
        for task in data if isinstance(data, list) else []:
            if isinstance(task, Mapping) and _image(task):
                yield name, task


def _image(task: Item) -> str:
    """Return a task's reference to its image; "" if there is none."""
    data = task.get("data")
    values: Item = data if isinstance(data, Mapping) else task
    if not isinstance(data, Mapping) and not {"annotation_id", "lead_time", "annotator"}.intersection(task):
        return ""
    texts = [value for key in ("image", "img", "picture", "url", *values) if isinstance(value := values.get(key), str)]
    return next((text for text in texts if re.search(r"\.[A-Za-z]{3,4}$", text)), "")


def _find(folder: Folder, said: str, file: str) -> str | None:
    """Return the image of a task: a path in a local storage, a URL, or the name of an upload."""
    path = unquote(said.partition("?d=")[2] or said)
    path = re.sub(r"^[a-z0-9]+://[^/]*/", "", path).lstrip("/")
    last = path.rpartition("/")[2]
    wanted = (path, last, _UPLOADED.sub("", last))
    near = file.rpartition("/")[0]
    return next((image for one in wanted if (image := folder.find(one, near, "images")) is not None), None)


def look(folder: Folder) -> Claim | None:
    """Recognise exports by the images of their tasks."""
    images = {_find(folder, _image(task), file) for file, task in _tasks(folder)} - {None}
    return claim(
        _WEIGHT,
        len(images),
        len(folder.images),
        message("a .json of Label Studio lists {count} of the images", count=len(images)),
    )


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the tasks.

    Tasks without a finished annotation are unlabelled; a task with several different annotations is noted as a problem.
    """
    found = Listing(TITLE)
    choices: dict[str, list[str]] = {}
    listed: set[str] = set()
    for file, task in _tasks(folder):
        tick()
        path, said = folder.files[file], _image(task)
        image = _find(folder, said, file)
        results = _results(task)
        if not results or not found.is_new(image, said, path, listed):
            continue
        if len(results) == 1:
            items = [item for item in results[0] if isinstance(item, Mapping)]
            if len(items) < len(results[0]):
                found.problems.append(
                    message("{file}: the labels of {image} are wrong ({detail}).", file=path, image=said, detail="result")
                )
                continue
            choices[image] = _choices(task, items)
            _add(found, folder, image, path, items)
        else:
            found.problems.append(
                message("{image} has {count} annotations in {file}; it is not used.", image=said, count=len(results), file=path)
            )
    found.missing += [name for name in folder.images if name not in listed]
    with_labels(found, folder, choices)
    return found


def _results(task: Item) -> list[list[object]]:
    """Return the drawn items of each finished annotation.

    An entry that is no list is returned as it is, so that it is reported.
    """
    if "data" not in task:  # JSON-MIN: one annotation, whose items stand in lists of the task itself
        return [[item for value in task.values() if isinstance(value, list) for item in value]]
    annotations = task.get("annotations", task.get("completions"))
    done = (
        [one for one in annotations if not (isinstance(one, Mapping) and one.get("was_cancelled"))]
        if isinstance(annotations, list)
        else []
    )
    results = [one.get("result") if isinstance(one, Mapping) else one for one in done]
    return [result if isinstance(result, list) else [result] for result in results]


def _value(item: Item) -> Item:
    value = item.get("value")
    return value if isinstance(value, Mapping) else item


def _choices(task: Item, items: list[Item]) -> list[str]:
    chosen = [str(name) for item in items for name in _strings(_value(item).get("choices"))]
    if "data" not in task:  # JSON-MIN keeps a choice under the name of its control, whatever that is
        said = {
            key: value for key, value in task.items() if isinstance(value, str) and key not in _ABOUT and value != _image(task)
        }
        usual = [value for key, value in said.items() if key in _USUAL]
        chosen += usual or (list(said.values()) if len(said) == 1 else [])
    return [class_name(name) for name in chosen]


def _strings(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _add(found: Listing, folder: Folder, image: str, path: Path, items: list[Item]) -> None:
    names = {str(item.get("id")): label for item in items if (label := _label(item))}

    def objects(size: tuple[int, int]) -> Iterator[Shape | str]:
        seen: dict[str, list[Item]] = {}
        for item in items:
            value, region = _value(item), str(item.get("id"))
            place = {key: value[key] for key in _PLACE if key in value}
            if not {"x", "points", "rle"}.intersection(value) or ("id" in item and place in seen.get(region, [])):
                continue  # the label of a region, or the region again with its label
            seen.setdefault(region, []).append(place)
            yield from _shapes(value, class_name(_label(item) or names.get(region, "")), size)
        yield from ("a region without a place" for region in names if region not in seen)

    first = next((item for item in items if "original_width" in item), {})
    try:
        said = (number(first.get("original_width") or 0), number(first.get("original_height") or 0))
    except ValueError:
        said = (0, 0)
    add_objects(found, folder, image, path, objects, said=said, part=part_of_image(image), shared=True)


def _label(item: Item) -> str:
    """Return the first label of a region."""
    value = _value(item)
    lists = [_strings(each) for key, each in value.items() if key.endswith("labels")]
    return next((names[0] for names in lists if names), "")


def _shapes(value: Item, name: str, size: tuple[int, int]) -> Iterator[Shape | str]:
    """Yield the shapes of a region. Raises ValueError, TypeError or LookupError."""
    across, down = size[0] / 100, size[1] / 100
    points = value.get("points")
    if value.get("format") == "rle" or "rle" in value:
        shape = of_pixels(name, _brush(value["rle"], size))
        yield "brush" if shape is None else shape
    elif isinstance(points, list):
        yield polygon(name, [(number(point[0]) * across, number(point[1]) * down) for point in points])
    elif "radiusX" in value:
        radii = (number(value["radiusX"]) * across, number(value["radiusY"]) * down)
        yield ellipse(name, (number(value["x"]) * across, number(value["y"]) * down), radii, number(value.get("rotation") or 0))
    elif "width" in value and "height" in value:
        left, top = number(value["x"]) * across, number(value["y"]) * down
        box = (left, top, left + number(value["width"]) * across, top + number(value["height"]) * down)
        turn = number(value.get("rotation") or 0)
        yield turned_box(name, box, turn, (left, top)) if turn else Shape(name, box)
    else:
        yield "keypoint"


def _brush(said: object, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the opaque pixels [H, W] of an RGBA image in the packing of @thi.ng/rle-pack that Label Studio uses.

    Raises ValueError.
    """
    if not isinstance(said, list) or not all(isinstance(byte, int) and 0 <= byte < 256 for byte in said):
        raise ValueError("a brush stroke that is no list of bytes")
    bits = np.unpackbits(np.asarray(said, np.uint8))
    at = 0

    def take(count: int) -> int:
        nonlocal at
        if at + count > len(bits):
            raise ValueError("a brush stroke that ends too soon")
        value = int("".join(map(str, bits[at : at + count].tolist())), 2)
        at += count
        return value

    total, width = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    if total != size[0] * size[1] * 4:
        raise ValueError(f"a brush stroke for another size than {size[0]} x {size[1]} px")
    values = np.zeros(total, np.uint16)
    place = 0
    while place < total:
        repeated = take(1)
        length = take(sizes[take(2)]) + 1
        if repeated:
            values[place : place + length] = take(width)
        else:
            for step in range(place, min(place + length, total)):
                values[step] = take(width)
        place += length
    return np.asarray(values.reshape(size[1], size[0], 4)[..., 3] > 0)
