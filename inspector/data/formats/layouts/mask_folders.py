"""Images and masks with the same stems, in images/ and masks/ or similarly named folders, or as NAME_mask.png.

classes.txt names the mask values 1, 2, ... Black-and-white masks have one class, or that of their folder in masks/<class>/. In
other masks the value 255 marks unknown pixels. Folders train/, val/, test/ above or inside both folders are a split of the
data's own. In an export of Pascal VOC the masks are in SegmentationClass/, and labelmap.txt may give the colour of each class.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.layouts.mask_classes import mask_classes
from inspector.data.formats.names import (
    GOOD,
    LABELS,
    MASK_ENDINGS,
    MASKS,
    Place,
    holds,
    is_drawn,
    is_role,
    listed_parts,
    pair,
    part_of_image,
    place_of,
    spread,
    words_of,
)
from inspector.data.formats.record import Claim, Listing, Record, Tick, add_objects, claim, class_name
from inspector.data.formats.scan import Folder, without_suffix
from inspector.data.formats.shapes import Shape, of_pixels
from inspector.data.masks import HALF, is_mask, read_mask_of

TITLE = message("Images and masks")
EXPECTED = message("images/ and masks/ with a mask of the same name for each image (.png, .tif or .bmp)")
_WEIGHT = 0.85
_LOSSLESS = (".png", ".tif", ".tiff", ".bmp", ".gif", ".pbm", ".pgm", ".ppm", ".pnm", ".webp")
_SAME = 0.5  # share of the smaller mask that masks of two classes have in common, from which they show the same
_ALIKE = 0.8  # share of the names in two folders from which one may hold the masks of the other
_LOOKED_AT = 12
_FREE = frozenset({"nodefect_images", "defect_free", "normal_images", "good_images", "mt_free"})
_CITY_MASK = re.compile(
    r"_gt(?:fine|coarse)_(?:labelids|labeltrainids|instanceids|instancetrainids|color)\.png$", re.IGNORECASE
)
_CAMVID = "_L"  # behind the name of an image, in that of its mask
_CHANNEL = "_0000"  # behind the name of an image of nnU-Net, whose mask lacks it


def look(folder: Folder) -> Claim | None:
    """Recognise images that have a mask."""
    pairs, masks = _pairs(folder)
    by_class = _by_class(folder)
    pairs = {**pairs, **{image: next(iter(own.values())) for image, own in by_class.items()}}
    pairs = {**pairs, **{image: own[0] for image, own in _several(folder, masks, pairs).items()}}
    if not pairs:
        return None
    seen = spread(sorted(set(pairs.values())), _LOOKED_AT)
    share = sum(_is_mask(folder.files[name]) for name in seen) / len(seen)
    total = len(folder.images) - len(masks)
    return claim(
        _WEIGHT,
        share * len(pairs),
        total,
        message("{count} {count:|image has|images have} a mask", count=round(share * len(pairs))),
    )


def _is_mask(path: Path) -> bool:
    """Return whether an image can be a mask; True also for an unreadable file."""
    try:
        return is_mask(path)
    except ConfigError:
        return True


def _pairs(folder: Folder) -> tuple[Mapping[str, str], Sequence[str]]:
    """Return a mapping from image to mask, and every file whose place or name is that of a mask."""
    return folder.once("masks", lambda: _found_pairs(folder))


def _found_pairs(folder: Folder) -> tuple[dict[str, str], list[str]]:
    if cities := _cities(folder):
        return cities
    places = {name.rpartition("/")[0] for name in folder.images}
    drawn, masked = set(filter(is_drawn, places)), {place for place in places if holds(place, MASKS)}
    instances = [name for name in folder.images if name.rpartition("/")[0] in drawn] if drawn else []
    plain = [name for name in folder.images if name.rpartition("/")[0] not in drawn] if drawn else folder.images
    stems = {without_suffix(name).rpartition("/")[2] for name in folder.images}
    candidates = [name for name in plain if name.rpartition("/")[0] in masked or _image_stem(name) in stems]
    if not candidates:  # some keep masks in labels/ or annotations/
        labelled = {place for place in places if holds(place, LABELS)}
        candidates = [name for name in plain if name.rpartition("/")[0] in labelled]
    if not candidates:  # or beside each photograph
        candidates = _beside(folder)
    if not candidates:  # or in a folder with another name
        candidates = _twins(folder, plain)
    if not candidates:
        return {}, sorted(instances)
    masks = set(candidates)
    images = [name for name in plain if name not in masks]
    pairs = pair(images, candidates, endings=MASK_ENDINGS)
    if len(pairs) < len(images):
        pairs = _by_key(images, candidates, pairs) | pairs
    return pairs, sorted(masks.union(instances))


def _cities(folder: Folder) -> tuple[dict[str, str], list[str]] | None:
    """Return what `_found_pairs` returns for Cityscapes: PART/CITY/NAME_leftImg8bit.png and PART/CITY/NAME_gtFine_labelIds.png.

    Other files of the folder gtFine are masks that are not used: colours, and numbers of instances. None if there are none.
    """
    masks = [name for name in folder.images if _CITY_MASK.search(name)]
    used = {_CITY_MASK.sub("", name).partition("/")[2]: name for name in masks if name.lower().endswith("labelids.png")}
    if not used:
        return None
    images = {name: re.sub(r"_leftimg8bit\.\w+$", "", name, flags=re.IGNORECASE) for name in folder.images if name not in masks}
    tails = {name: next((used[tail] for tail in _tails(stem) if tail in used), None) for name, stem in images.items()}
    return {name: mask for name, mask in tails.items() if mask is not None}, masks


def _tails(path: str) -> list[str]:
    """Return a path without its first folders: "a/b/c" -> "b/c", "c"."""
    pieces = path.split("/")
    return ["/".join(pieces[start:]) for start in range(1, len(pieces))]


def _twins(folder: Folder, images: Sequence[str]) -> list[str]:
    """Return the files of the folder that holds masks by their content, named as the photographs in one other folder."""
    paths = [name.split("/") for name in images]
    for level in range(min((len(path) for path in paths), default=1) - 1):
        stems: dict[str, set[str]] = {}
        for path in paths:
            rest = "/".join(path[:level] + path[level + 1 :])
            stems.setdefault(path[level], set()).add(without_suffix(rest))
        if len(stems) != 2:
            continue
        (one, names), (other, others) = stems.items()
        if len(names & others) < _ALIKE * max(len(names), len(others)):
            continue
        drawn = [
            each for each in (one, other) if _all_masks(folder, [name for name in images if name.split("/")[level] == each])
        ]
        if len(drawn) == 1:
            return [name for name in images if name.split("/")[level] == drawn[0]]
    return []


def _all_masks(folder: Folder, names: Sequence[str]) -> bool:
    """Return whether images are masks by their content; False if one cannot be read, or if their format changes values."""
    seen = spread(names, _LOOKED_AT)
    try:
        return all(name.lower().endswith(_LOSSLESS) for name in seen) and all(is_mask(folder.files[name]) for name in seen)
    except ConfigError:
        return False


def _by_key(images: Sequence[str], masks: Sequence[str], pairs: Mapping[str, str]) -> dict[str, str]:
    """Pair what is left by names without the words for images and masks: image_01.jpg and mask_01.png, part_0000 and part."""
    taken = set(pairs.values())
    keys: dict[tuple[Place, tuple[str, ...]], list[str]] = {}
    for name in masks:
        if name not in taken:
            keys.setdefault(_key(name), []).append(name)
    found: dict[tuple[Place, tuple[str, ...]], list[str]] = {}
    for name in images:
        if name not in pairs and (key := _key(name)) in keys:
            found.setdefault(key, []).append(name)
    return {own[0]: keys[key][0] for key, own in found.items() if len(own) == len(keys[key]) == 1}


def _shows_good(name: str) -> bool:
    """Return whether a folder of an image is named after good parts, which need no mask where other images have one."""
    return any(piece in GOOD or piece in _FREE for piece in name.lower().split("/")[:-1])


def _several(folder: Folder, masks: Sequence[str], pairs: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the masks of each image that has a folder for itself, with a mask for each object in it: A/images/a, A/masks/*."""
    known = {*masks, *pairs}
    alone: dict[Place, list[str]] = {}
    for name in folder.images:
        if name not in known:
            alone.setdefault(place_of(name.rpartition("/")[0]), []).append(name)
    own: dict[Place, list[str]] = {place: [] for place, names in alone.items() if len(names) == 1 and place.rest}
    for name in masks if own else ():
        above = name.rpartition("/")[0]
        if not is_drawn(above) and (listed := own.get(place_of(above))) is not None:
            listed.append(name)
    return {alone[place][0]: listed for place, listed in own.items() if listed}


def _by_class(folder: Folder) -> Mapping[str, Mapping[str, str]]:
    """Return the masks of each image by their class, where they lie in a folder for each class: masks/<class>/a.png.

    Empty unless there are several such folders, none of which is a place of images too.
    """
    return folder.once("masks by class", lambda: _found_by_class(folder))


def _found_by_class(folder: Folder) -> dict[str, dict[str, str]]:
    masks = set(_pairs(folder)[1])
    inner = {name: place_of(name.rpartition("/")[0]) for name in masks}
    kinds = {place.rest[-1] for place in inner.values() if place.rest}
    images = {name: place_of(name.rpartition("/")[0]) for name in folder.images if name not in masks}
    if len(kinds) < 2 or any(place.rest and place.rest[-1] in kinds for place in images.values()):
        return {}
    known = {(place, without_suffix(name).rpartition("/")[2]): name for name, place in images.items()}
    found: dict[str, dict[str, str]] = {}
    for name, place in inner.items():
        last = name.rpartition("/")[2]
        above = Place(place.part, place.rest[:-1])
        image = next((known[above, stem] for stem in (_image_stem(last), without_suffix(last)) if (above, stem) in known), None)
        if image is None or not place.rest:
            continue
        kind = next(piece for piece in reversed(name.split("/")[:-1]) if piece.lower() == place.rest[-1])
        found.setdefault(image, {})[kind] = name
    return dict(sorted(found.items())) if any(len(own) > 1 for own in found.values()) or len(found) > len(kinds) else {}


def _drawn_by_class(found: Listing, folder: Folder, image: str, own: Mapping[str, str]) -> None:
    """Add the record of an image that has a black-and-white mask for each class."""

    def objects(size: tuple[int, int]) -> Iterator[Shape | str]:
        seen = np.zeros((size[1], size[0]), np.bool_)
        for kind, name in sorted(own.items()):
            pixels = read_mask_of(folder.files[name], size[1], size[0])
            white = HALF if pixels.max(initial=0) >= HALF else 1
            drawn = pixels >= white
            if (drawn & seen).sum() > _SAME * min(drawn.sum(), seen.sum()):
                raise ConfigError(
                    "The masks of {image} show the same under several classes, so that its class is not known.",
                    remedy="Keep one folder of masks, or draw each object under its class only.",
                    image=image,
                )
            seen |= drawn
            shape = of_pixels(class_name(kind), drawn)
            if shape is not None:
                yield shape

    add_objects(found, folder, image, folder.files[image], objects, part=part_of_image(image))


def _key(name: str) -> tuple[Place, tuple[str, ...]]:
    """Return the place of a file and the words of its name that tell it from others."""
    folder, _, last = name.rpartition("/")
    stem = without_suffix(last).removesuffix(_CHANNEL)
    if stem.endswith(_CAMVID) and holds(folder, LABELS):
        stem = stem.removesuffix(_CAMVID)
    return place_of(folder), tuple(word for word in words_of(stem) if not is_role(word))


def _image_stem(name: str) -> str:
    """Return the stem of a mask's image: "a/b_mask.png" -> "b"; "" if no ending marks the file as a mask."""
    stem = without_suffix(name).rpartition("/")[2]
    lower = stem.lower()
    return next((stem[: -len(one)] for one in MASK_ENDINGS if lower.endswith(one)), "") if lower.endswith(MASK_ENDINGS) else ""


def _beside(folder: Folder) -> list[str]:
    """Return the .png files next to a photograph of the same name, if no folders are classes."""
    kinds = {name.rpartition("/")[0] for name in folder.images}
    if len(kinds) > 1:
        return []
    stems = {without_suffix(name) for name in folder.images if not name.lower().endswith(_LOSSLESS)}
    return [name for name in folder.images if name.lower().endswith(".png") and without_suffix(name) in stems]


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the pairs of images and masks, without opening the masks."""
    names, colours = mask_classes(folder)
    found = Listing(TITLE, classes=tuple(names))
    pairs, masks = _pairs(folder)
    several = _several(folder, masks, pairs)
    pairs = {**pairs, **{image: own[0] for image, own in several.items()}}
    by_class = _by_class(folder)
    parts = listed_parts(folder)
    known = set(masks)
    used = {*pairs.values(), *(mask for own in (*several.values(), *map(Mapping.values, by_class.values())) for mask in own)}
    lossy = 0
    for name in folder.images:
        tick()
        if by_class:
            if name in by_class:
                _drawn_by_class(found, folder, name, by_class[name])
            elif name not in known:
                found.missing.append(name)
            continue
        mask = pairs.get(name)
        if mask is not None and not mask.lower().endswith(_LOSSLESS):
            lossy += 1
        if mask is not None:
            part = parts.get(without_suffix(name).rpartition("/")[2]) or part_of_image(name)
            more = tuple(folder.files[other] for other in several.get(name, ())[1:])
            record = Record(name, folder.files[name], mask=folder.files[mask], part=part, colours=colours, others=more)
            found.records.append(record)
        elif name not in known and _shows_good(name):
            found.records.append(Record(name, folder.files[name], shapes=(), part=part_of_image(name)))
        elif name not in known:
            found.missing.append(name)
    for name in masks:
        drawn = is_drawn(name.rpartition("/")[0]) or (_CITY_MASK.search(name) and "labelids" not in name.lower())
        if name not in used and not drawn:
            found.skip("{file} has no image.", folder.files[name])
    if lossy:
        found.problems.append(
            message(
                "{count} {count:|mask is a JPEG file|masks are JPEG files}, whose values are not exact; save masks as .png.",
                count=lossy,
            )
        )
    return found
