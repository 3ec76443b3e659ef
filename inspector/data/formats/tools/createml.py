"""Apple's Create ML, as Roboflow exports it: a .json that lists images with their boxes, given by their centres."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from inspector.core.message import message
from inspector.data.formats.names import part_of_image
from inspector.data.formats.record import Claim, Listing, Tick, add_objects, claim, class_name, listed_images, new_entries
from inspector.data.formats.scan import Folder
from inspector.data.formats.shapes import Shape, number

TITLE = message("Create ML")
EXPECTED = message("a .json of Create ML with image and annotations, and the images")
_WEIGHT = 1.0
Item = Mapping[str, object]


def _entries(folder: Folder) -> Iterator[tuple[str, Item]]:
    for name, data in folder.documents(lambda ends: b'"coordinates"' in ends and b'"annotations"' in ends):
        for entry in data if isinstance(data, list) else []:
            if isinstance(entry, Mapping) and isinstance(entry.get("image"), str):
                yield name, entry


def look(folder: Folder) -> Claim | None:
    """Recognise Create ML files by the images that they list."""
    images = listed_images(folder, ((name, str(entry["image"])) for name, entry in _entries(folder)))
    return claim(
        _WEIGHT, len(images), len(folder.images), message("a .json of Create ML lists {count} of the images", count=len(images))
    )


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the boxes of each image."""
    found = Listing(TITLE)
    entries = ((name, str(entry["image"]), entry) for name, entry in _entries(folder))
    for image, path, entry in new_entries(found, folder, entries, tick):
        _add(found, folder, image, path, entry.get("annotations"))
    return found


def _add(found: Listing, folder: Folder, image: str, path: Path, items: object) -> None:
    def objects(size: tuple[int, int]) -> Iterator[Shape | str]:
        if not isinstance(items, list):
            raise ValueError("no list of annotations")
        for item in items:
            x, y, width, height = (number(item["coordinates"][key]) for key in ("x", "y", "width", "height"))
            yield Shape(class_name(item["label"]), (x - width / 2, y - height / 2, x + width / 2, y + height / 2))

    add_objects(found, folder, image, path, objects, part=part_of_image(image), shared=True)
