"""FiftyOne: images in data/, and labels.json (detections or classes by the stem of an image) or samples.json (a data set).

Boxes and polylines are fractions of the image's size; an image whose label is null was not labelled.
"""

import base64
import io
import zlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from inspector.core.message import message
from inspector.data.formats.names import PARTS, part_of_image
from inspector.data.formats.record import Claim, Listing, Tick, add_objects, claim, class_name, with_labels
from inspector.data.formats.scan import Folder
from inspector.data.formats.shapes import Shape, number, of_pixels, polygon
from inspector.imaging.files import IMAGE_SUFFIXES

TITLE = message("FiftyOne")
EXPECTED = message("labels.json or samples.json of FiftyOne, and data/ with the images")
_WEIGHT = 1.0
_LISTS = ("detections", "polylines", "classifications")
_LARGEST_MASK = 64 << 20
Item = Mapping[str, object]


def _fits(ends: bytes) -> bool:
    return (b'"classes"' in ends and b'"labels"' in ends) or (b'"samples"' in ends and b'"filepath"' in ends)


def _entries(folder: Folder) -> Iterator[tuple[str, str, Item]]:
    """Yield (file, image, sample); a sample of labels.json has its label in the field "label"."""
    stems: dict[str, str] = {}
    for name, data in folder.documents(_fits):
        if not isinstance(data, Mapping):
            continue
        labels, samples, classes = data.get("labels"), data.get("samples"), data.get("classes")
        if isinstance(labels, Mapping) and isinstance(classes, list | None):
            stems = stems or {image.rpartition("/")[2].rpartition(".")[0]: image for image in reversed(folder.images)}
            for said, label in labels.items():
                plain = str(said).rpartition("/")[2]
                image = str(said) if plain.lower().endswith(tuple(IMAGE_SUFFIXES)) else stems.get(plain)
                yield name, image or str(said), {"label": _named(label, classes or [])}
        elif isinstance(samples, list):
            yield from (
                (name, str(sample["filepath"]), sample)
                for sample in samples
                if isinstance(sample, Mapping) and "filepath" in sample
            )


def _named(label: object, classes: list[object]) -> object:
    """Return a label of labels.json as a sample has it: a class or a list of labels, with names in place of class numbers."""
    if isinstance(label, list):
        return {"detections": [_named(one, classes) for one in label]}
    if isinstance(label, Mapping):
        return {**label, "label": _class(label.get("label"), classes)}
    return label if label is None else {"label": _class(label, classes)}


def _class(said: object, classes: list[object]) -> object:
    if isinstance(said, int) and not isinstance(said, bool):
        return classes[said] if 0 <= said < len(classes) else None
    return said


def look(folder: Folder) -> Claim | None:
    """Recognise such files by the images that they list."""
    images = {folder.find(said, name.rpartition("/")[0], "data") for name, said, _ in _entries(folder)} - {None}
    return claim(
        _WEIGHT, len(images), len(folder.images), message("a .json of FiftyOne lists {count} of the images", count=len(images))
    )


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the labels of each sample; classes of whole images are labels."""
    found = Listing(TITLE)
    labels: dict[str, list[str]] = {}
    listed: set[str] = set()
    for name, said, sample in _entries(folder):
        tick()
        path = folder.files[name]
        image = folder.find(said, name.rpartition("/")[0], "data")
        fields = [value for key, value in sample.items() if isinstance(value, Mapping) and key != "metadata"]
        drawn = [one for value in fields for one in _listed(value)]
        classes = [class_name(value["label"]) for value in fields if isinstance(value.get("label"), str)]
        known = classes or any(isinstance(value.get(key), list) for value in fields for key in _LISTS)
        if known and found.is_new(image, said, path, listed):
            labels[image] = classes + [class_name(one["label"]) for one in drawn if _is_class(one)]
            tags = sample.get("tags")
            part = next((PARTS[tag] for tag in tags if tag in PARTS), None) if isinstance(tags, list) else None
            objects = [one for one in drawn if not _is_class(one)]
            add_objects(found, folder, image, path, _shapes_of(objects), part=part or part_of_image(image), shared=True)
    found.missing += [name for name in folder.images if name not in listed]
    with_labels(found, folder, labels)
    return found


def _listed(field: Item) -> list[Item]:
    lists = (field.get(key) for key in _LISTS)
    return [one for items in lists if isinstance(items, list) for one in items if isinstance(one, Mapping)]


def _is_class(item: Item) -> bool:
    return "bounding_box" not in item and "points" not in item and isinstance(item.get("label"), str)


def _shapes_of(items: list[Item]) -> Callable[[tuple[int, int]], Iterator[Shape | str]]:
    def objects(size: tuple[int, int]) -> Iterator[Shape | str]:
        for item in items:
            yield from _shapes(item, size)

    return objects


def _shapes(item: Item, size: tuple[int, int]) -> Iterator[Shape | str]:
    """Yield the shapes of a detection or polyline. Raises ValueError, TypeError or LookupError."""
    name, box, points = class_name(item["label"] or ""), item.get("bounding_box"), item.get("points")
    if isinstance(box, list):
        left, top, width, height = (number(value) * size[at % 2] for at, value in enumerate(box))
        shape = Shape(name, (left, top, left + width, top + height))
        yield _masked(shape, item["mask"], size) if item.get("mask") else shape
    elif isinstance(points, list) and (item.get("closed") or item.get("filled")):
        for line in points:
            yield polygon(name, [(number(x) * size[0], number(y) * size[1]) for x, y in line])
    else:
        yield str(item.get("_cls") or "label")


def _masked(shape: Shape, said: object, size: tuple[int, int]) -> Shape | str:
    """Return a detection with its mask, which fills its box: a packed array of numpy. Raises ValueError."""
    text = said.get("$binary", {}).get("base64", "") if isinstance(said, Mapping) else said
    try:
        packed = zlib.decompressobj().decompress(base64.b64decode(str(text)), _LARGEST_MASK)
        mask = np.load(io.BytesIO(packed), allow_pickle=False)
    except (ValueError, zlib.error, EOFError, OSError) as error:
        raise ValueError(f"a mask that cannot be read: {error}") from error
    left, top = round(shape.box[0]), round(shape.box[1])
    whole = np.zeros((size[1], size[0]), np.bool_)
    if mask.ndim != 2 or left < 0 or top < 0 or left + mask.shape[1] > size[0] + 1 or top + mask.shape[0] > size[1] + 1:
        raise ValueError("a mask that does not fit into the image")
    place = whole[top : top + mask.shape[0], left : left + mask.shape[1]]
    place[:] = mask[: place.shape[0], : place.shape[1]] > 0
    return of_pixels(shape.name, whole) or "mask"
