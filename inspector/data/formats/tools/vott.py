"""VoTT (Visual Object Tagging Tool): a .json for each asset, or one export with all assets."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from inspector.core.message import message
from inspector.data.formats.names import part_of_image
from inspector.data.formats.record import Claim, Listing, Tick, add_objects, claim, class_name, listed_images
from inspector.data.formats.scan import Folder
from inspector.data.formats.shapes import Shape, number, polygon

TITLE = message("VoTT")
EXPECTED = message("the .json files of VoTT, and the images")
_WEIGHT = 1.0
_NOT_VISITED = 0
Item = Mapping[str, object]


def _fits(ends: bytes) -> bool:
    return b'"regions"' in ends and (b'"asset"' in ends or b'"assets"' in ends)


def _assets(folder: Folder) -> Iterator[tuple[str, Item, list[Item]]]:
    """Yield (file, asset, regions)."""
    for name, data in folder.documents(_fits):
        assets = data.get("assets") if isinstance(data, Mapping) else None
        for entry in assets.values() if isinstance(assets, Mapping) else [data]:
            asset, regions = (entry.get("asset"), entry.get("regions")) if isinstance(entry, Mapping) else (None, None)
            if isinstance(asset, Mapping) and isinstance(regions, list) and "name" in asset:
                yield name, asset, regions


def look(folder: Folder) -> Claim | None:
    """Recognise images that are assets."""
    images = listed_images(folder, ((name, str(asset["name"])) for name, asset, _ in _assets(folder)))
    return claim(
        _WEIGHT,
        len(images),
        len(folder.images),
        message("the .json files of VoTT list {count} of the images", count=len(images)),
    )


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the regions of each asset that was visited."""
    found = Listing(TITLE)
    listed: dict[str, tuple[Path, list[Item]]] = {}
    for name, asset, regions in _assets(folder):
        tick()
        path, said = folder.files[name], str(asset["name"])
        image = folder.find(said, name.rpartition("/")[0])
        if image is None:
            found.problems.append(message("{image} is listed in {file} but is not there.", image=said, file=path))
        elif image in listed:
            if listed[image][1] != regions:
                found.problems.append(message("{image} is listed twice; the first is used.", image=said, file=path))
        elif regions or asset.get("state") != _NOT_VISITED:
            listed[image] = (path, regions)
            _add(found, folder, image, path, asset, regions)
    found.missing += [name for name in folder.images if name not in listed]
    return found


def _add(found: Listing, folder: Folder, image: str, path: Path, asset: Item, regions: list[Item]) -> None:
    def objects(size: tuple[int, int]) -> Iterator[Shape | str]:
        for region in regions:
            yield from _shapes(region)

    size = asset.get("size")
    try:
        said = (number(size["width"]), number(size["height"])) if isinstance(size, Mapping) else (0.0, 0.0)
    except (ValueError, KeyError):
        said = (0.0, 0.0)
    add_objects(found, folder, image, path, objects, said=said, part=part_of_image(image), shared=True)


def _shapes(region: Item) -> Iterator[Shape | str]:
    """Yield the shapes of a region. Raises ValueError, TypeError or LookupError."""
    tags, box, points = region["tags"], region.get("boundingBox"), region.get("points")
    if not isinstance(tags, list) or len(tags) != 1:
        yield "a region with several tags, or none"
    elif region.get("type") == "POLYGON" and isinstance(points, list):
        yield polygon(class_name(tags[0]), [(number(point["x"]), number(point["y"])) for point in points])
    elif isinstance(box, Mapping):
        left, top = number(box["left"]), number(box["top"])
        yield Shape(class_name(tags[0]), (left, top, left + number(box["width"]), top + number(box["height"])))
    else:
        yield str(region.get("type") or "region")
