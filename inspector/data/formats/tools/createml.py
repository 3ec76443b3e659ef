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


def _entries(folder: Folder) -> list[tuple[str, Item]]:
    """Return (file, image with its boxes); nothing if no image has a box, because then the files may be of any program."""
    found = [
        (name, entry)
        for name, data in folder.documents(_fits)
        for entry in (data if isinstance(data, list) else [])
        if isinstance(entry, Mapping) and isinstance(entry.get("image"), str)
    ]
    drawn = (item for _, entry in found if isinstance(items := entry.get("annotations"), list) for item in items)
    return found if any(isinstance(item, Mapping) and "coordinates" in item for item in drawn) else []


def _fits(ends: bytes) -> bool:
    return ends.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"[") and b'"annotations"' in ends and b'"image"' in ends


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
