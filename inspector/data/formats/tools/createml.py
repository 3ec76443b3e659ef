"""Apple's Create ML, as Roboflow exports it: a .json that lists images with their boxes, given by their centres."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.names import part_of_image
from inspector.data.formats.record import Claim, Listing, Shape, Tick, add_objects, claim, class_name, number
from inspector.data.formats.scan import Folder, peek

TITLE = message("Create ML")
EXPECTED = message("a .json of Create ML with image and annotations, and the images")
_WEIGHT = 1.0
Item = Mapping[str, object]


def _entries(folder: Folder) -> Iterator[tuple[str, Item]]:
    for name in folder.with_suffix(".json")[:50]:
        ends = peek(folder.files[name])
        if b'"coordinates"' not in ends or b'"annotations"' not in ends:
            continue
        try:
            data = folder.json(name)
        except ConfigError:
            continue
        for entry in data if isinstance(data, list) else []:
            if isinstance(entry, Mapping) and isinstance(entry.get("image"), str):
                yield name, entry


def look(folder: Folder) -> Claim | None:
    """Recognise Create ML files by the images that they list."""
    images = {folder.find(str(entry["image"]), name.rpartition("/")[0]) for name, entry in _entries(folder)} - {None}
    return claim(
        _WEIGHT, len(images), len(folder.images), message("a .json of Create ML lists {count} of the images", count=len(images))
    )


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the boxes of each image."""
    found = Listing(TITLE)
    listed: set[str] = set()
    for name, entry in _entries(folder):
        tick()
        path, said = folder.files[name], str(entry["image"])
        image = folder.find(said, name.rpartition("/")[0])
        if found.is_new(image, said, path, listed):
            _add(found, folder, image, path, entry.get("annotations"))
    found.missing += [name for name in folder.images if name not in listed]
    return found


def _add(found: Listing, folder: Folder, image: str, path: Path, items: object) -> None:
    def objects(size: tuple[int, int]) -> Iterator[Shape | str]:
        if not isinstance(items, list):
            raise ValueError("no list of annotations")
        for item in items:
            x, y, width, height = (number(item["coordinates"][key]) for key in ("x", "y", "width", "height"))
            yield Shape(class_name(item["label"]), (x - width / 2, y - height / 2, x + width / 2, y + height / 2))

    add_objects(found, folder, image, path, objects, part=part_of_image(image), shared=True)
