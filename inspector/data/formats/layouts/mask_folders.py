"""Images and masks with the same stems, in images/ and masks/ or similarly named folders, or as NAME_mask.png.

classes.txt names the mask values 1, 2, ... Black-and-white masks have one class. In other masks the value 255 marks unknown
pixels. Folders train/, val/, test/ above or inside both folders are a split of the data's own. In an export of Pascal VOC the
masks are in SegmentationClass/, and labelmap.txt may give the colour of each class.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.names import (
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
from inspector.data.formats.record import BACKGROUND, Claim, Listing, Record, Tick, claim, class_name
from inspector.data.formats.scan import Folder, read_text, without_suffix
from inspector.data.samples import is_mask

TITLE = message("Images and masks")
EXPECTED = message("images/ and masks/ with a mask of the same name for each image (.png, .tif or .bmp)")
_WEIGHT = 0.85
_LOSSLESS = (".png", ".tif", ".tiff", ".bmp", ".gif", ".pgm", ".webp")
_ALIKE = 0.8  # share of the names in two folders from which one may hold the masks of the other
_LOOKED_AT = 12
_CHANNEL = "_0000"  # behind the name of an image of nnU-Net, whose mask lacks it
_LISTS = ("classes.txt", "class_names.txt", "labels.txt")
_VOC_CLASSES = 40
_NO_CLASS = frozenset({"background", "bg"})


def look(folder: Folder) -> Claim | None:
    """Recognise images that have a mask."""
    pairs, masks = _pairs(folder)
    pairs = {**pairs, **{image: own[0] for image, own in _several(folder, masks, pairs).items()}}
    if not pairs:
        return None
    seen = spread(sorted(set(pairs.values())), _LOOKED_AT)
    share = sum(_is_mask(folder.files[name]) for name in seen) / len(seen)
    total = len(folder.images) - len(masks)
    return claim(_WEIGHT, share * len(pairs), total, message("{count} images have a mask", count=round(share * len(pairs))))


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


def _key(name: str) -> tuple[Place, tuple[str, ...]]:
    """Return the place of a file and the words of its name that tell it from others."""
    folder, _, last = name.rpartition("/")
    stem = without_suffix(last).removesuffix(_CHANNEL)
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
    names, colours = _classes(folder)
    found = Listing(TITLE, classes=tuple(names))
    pairs, masks = _pairs(folder)
    several = _several(folder, masks, pairs)
    pairs = {**pairs, **{image: own[0] for image, own in several.items()}}
    parts = listed_parts(folder)
    known = set(masks)
    used = {*pairs.values(), *(mask for own in several.values() for mask in own)}
    lossy = 0
    for name in folder.images:
        tick()
        mask = pairs.get(name)
        if mask is not None and not mask.lower().endswith(_LOSSLESS):
            lossy += 1
        if mask is not None:
            part = parts.get(without_suffix(name).rpartition("/")[2]) or part_of_image(name)
            more = tuple(folder.files[other] for other in several.get(name, ())[1:])
            record = Record(name, folder.files[name], mask=folder.files[mask], part=part, colours=colours, others=more)
            found.records.append(record)
        elif name not in known:
            found.missing.append(name)
    for name in masks:
        if name not in used and not is_drawn(name.rpartition("/")[0]):
            found.skip("{file} has no image.", folder.files[name])
    if lossy:
        found.problems.append(
            message("{count} masks are JPEG files, whose values are not exact; save masks as .png.", count=lossy)
        )
    return found


def _classes(folder: Folder) -> tuple[list[str], tuple[tuple[int, int, int], ...]]:
    """Return the names of the values 1, 2, ... and the colour of each; by default those of Pascal VOC. Raises ConfigError."""
    named = {name.rpartition("/")[2].lower(): name for name in reversed(folder.with_suffix(".txt"))}
    if "labelmap.txt" in named:  # name:red,green,blue:parts:actions
        lines = read_text(folder.files[named["labelmap.txt"]]).splitlines()
        pairs = [(line.split(":")[0], line.split(":")[1]) for line in lines if ":" in line and not line.startswith("#")]
    elif "label_colors.txt" in named:  # red green blue name
        lines = read_text(folder.files[named["label_colors.txt"]]).splitlines()
        words = [line.split() for line in lines]
        pairs = [(" ".join(each[3:]) or " ".join(each), ",".join(each[:3]) if len(each) > 3 else "") for each in words if each]
    else:
        listed = next((names for file in _LISTS if (names := class_list(folder, file))), []) or _roboflow_classes(folder)
        names = value_names(listed)
        return names, tuple(voc_colour(value) for value in range(1, _VOC_CLASSES + 1))
    found: list[str] = []
    colours: list[tuple[int, int, int]] = []
    for name, said in pairs:
        if class_name(name).lower() in (*BACKGROUND, *_NO_CLASS, "__ignore__", ""):
            continue
        try:
            red, green, blue = (int(value) for value in said.split(","))
        except ValueError:
            red, green, blue = voc_colour(len(found) + 1)
        found.append(class_name(name))
        colours.append((red, green, blue))
    return found, tuple(colours)


def _roboflow_classes(folder: Folder) -> list[str]:
    """Return the names in a _classes.csv with "Pixel Value, Class", sorted by value, the background first.

    Raises ConfigError.
    """
    listed = next((name for name in folder.with_suffix(".csv") if name.rpartition("/")[2] == "_classes.csv"), None)
    rows = [line.split(",", 1) for line in read_text(folder.files[listed]).splitlines()] if listed is not None else []
    if not rows or rows[0][0].strip().lower() != "pixel value":
        return []
    return [class_name(row[1]) for row in rows[1:] if len(row) == 2]


def voc_colour(value: int) -> tuple[int, int, int]:
    """Return the colour of a value in Pascal VOC's palette.

    The bits of the value fill red, green and blue in turn, from the highest bit down.
    """
    red, green, blue = (sum((value >> (3 * bit + part) & 1) << (7 - bit) for bit in range(8)) for part in range(3))
    return red, green, blue


def value_names(names: Sequence[str]) -> list[str]:
    """Return the names of the mask values 1, 2, ... from a list that may begin with names for the background."""
    left = list(names)
    while left and left[0].lower() in (*BACKGROUND, *_NO_CLASS, "__ignore__"):
        del left[0]
    return left


def class_list(folder: Folder, file: str = "classes.txt") -> list[str]:
    """Return the lines of classes.txt at the top, else of the only one further down; empty if there is none.

    Raises ConfigError.
    """
    listed = file if file in folder.files else None
    if listed is None:
        deeper = [name for name in folder.with_suffix(".txt") if name.rpartition("/")[2] == file]
        texts = {read_text(folder.files[name]) for name in deeper[:8]}
        listed = deeper[0] if len(texts) == 1 else None
    if listed is None:
        return []
    names = [name for line in read_text(folder.files[listed]).splitlines() if (name := class_name(line))]
    if len(set(names)) != len(names):
        raise ConfigError("{file} names a class twice.", remedy="Write every class once.", file=folder.files[listed])
    return names
