"""COCO panoptic: a .json with segments_info, and a .png for each image whose colours are the numbers of its segments.

A segment's number is red + 256 * green + 65536 * blue (panopticapi). Pixels of no segment are background; a crowd is ignored.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.layouts.coco import part_of
from inspector.data.formats.names import part_of_image, photographs
from inspector.data.formats.record import Claim, Listing, Tick, add_objects, claim, class_name, listed_images, new_entries
from inspector.data.formats.scan import Folder, without_suffix
from inspector.data.formats.shapes import IGNORED, Shape, of_pixels
from inspector.imaging.files import DAMAGE, MAX_PIXELS

TITLE = message("COCO panoptic")
EXPECTED = message("a COCO panoptic .json with segments_info, its .png files, and the images")
_WEIGHT = 0.99  # where there are instances, too, they are read
Item = Mapping[str, object]


def _entries(folder: Folder) -> Iterator[tuple[str, str, Item]]:
    """Yield (file, image, annotation with the names of its categories)."""
    for name, data in folder.documents(lambda ends: b'"segments_info"' in ends or b'"isthing"' in ends):
        try:
            images = {item["id"]: str(item["file_name"]) for item in data["images"]}  # type: ignore[index]
            names = {item["id"]: class_name(item["name"]) for item in data["categories"]}  # type: ignore[index]
            for entry in data["annotations"]:  # type: ignore[index]
                if isinstance(entry, Mapping) and "segments_info" in entry:
                    yield name, images[entry["image_id"]], {**entry, "categories": names}
        except (TypeError, LookupError, AttributeError):
            continue


def look(folder: Folder) -> Claim | None:
    """Recognise such files by the images that they list."""
    images = listed_images(folder, ((name, said) for name, said, _ in _entries(folder)))
    if not images:
        return None
    return claim(
        _WEIGHT,
        len(images),
        len(photographs(folder)),
        message("a .json of COCO panoptic lists {count} of the images", count=len(images)),
    )


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the segments of each image."""
    found = Listing(TITLE)
    names = {str(path): name for name, path in folder.files.items()}
    for image, path, entry in new_entries(found, folder, _entries(folder), tick):
        name = names[str(path)]
        part = part_of(name) or part_of_image(image)

        def objects(size: tuple[int, int], entry: Item = entry, name: str = name) -> Iterator[Shape | str]:
            numbers = _numbers(folder, name, str(entry["file_name"]), size)
            yield from _segments(entry, numbers)

        add_objects(found, folder, image, path, objects, part=part, shared=True)
    plain = set(photographs(folder))
    found.missing = [name for name in found.missing if name in plain]
    return found


def _numbers(folder: Folder, name: str, said: str, size: tuple[int, int]) -> NDArray[np.uint32]:
    """Return the number of the segment of each pixel [H, W]. Raises ValueError."""
    above = name.rpartition("/")[0]
    near = (without_suffix(name), without_suffix(name).replace("annotations/", ""), f"{above}/{without_suffix(said)}", above)
    place = next((each for each in (folder.exact(f"{start}/{said}".lstrip("/")) for start in near) if each is not None), None)
    if place is None:
        raise ValueError(f"{said} is not there")
    try:
        with PIL.Image.open(folder.files[place]) as picture:
            if picture.size != size or picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"{said} is of another size")
            colours = np.asarray(picture.convert("RGB"), np.uint32)
    except DAMAGE as error:
        raise ValueError(f"{said} cannot be read: {error}") from error
    return np.asarray(colours @ np.array([1, 1 << 8, 1 << 16], np.uint32), np.uint32)


def _segments(entry: Item, numbers: NDArray[np.uint32]) -> Iterator[Shape | str]:
    """Yield the shape of each segment. Raises ValueError, TypeError or LookupError."""
    segments, names = entry["segments_info"], entry["categories"]
    if not isinstance(segments, list) or not isinstance(names, Mapping):
        raise ValueError("no list of segments")
    if len({segment["id"] for segment in segments}) < len(segments):
        raise ValueError("two segments have the same number")
    for segment in segments:
        crowd = bool(segment.get("iscrowd"))
        shape = of_pixels(IGNORED if crowd else names[segment["category_id"]], numbers == segment["id"])
        if shape is not None:
            yield shape
        if shape is None or crowd:
            yield "" if crowd else "segment"
    unknown = np.setdiff1d(np.unique(numbers), [0, *(int(segment["id"]) for segment in segments)])
    if len(unknown):
        raise ConfigError("{file} has segments that are not listed.", file=str(entry["file_name"]))
