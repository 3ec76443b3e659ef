"""Images and masks with the same stems, in images/ and masks/ or in folders called alike, or as NAME_mask.png; classes.txt
names the mask values 1, 2, ... Black-and-white masks have one class. The value 255 of the others says that nobody knows.

Folders train/, val/, test/ above or in both of them are a split that the data brings along. In an export of Pascal VOC the
masks are in SegmentationClass/, and labelmap.txt may name the colour of each class.
"""

from collections.abc import Sequence
from pathlib import Path

from inspector.core.datasets.names import LABELS, MASK_ENDINGS, MASKS, holds, pair, part_of_image, spread
from inspector.core.datasets.record import BACKGROUND, Claim, Listing, Record, Tick, claim, class_name
from inspector.core.datasets.scan import Folder, read_text, without_suffix
from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.core.samples import colours_of

TITLE = message("Images and masks")
EXPECTED = message("images/ and masks/ with a mask of the same name for each image (.png, .tif or .bmp)")
_WEIGHT = 0.85
_LOSSLESS = (".png", ".tif", ".tiff", ".bmp", ".gif", ".pgm", ".webp")
_INSTANCES = "segmentationobject"
_LOOKED_AT = 12
_MOST_COLOURS = 64  # different values in a mask; a photograph has hundreds
_LISTS = ("classes.txt", "class_names.txt", "labels.txt")
_NO_CLASS = frozenset({"background", "bg"})


def look(folder: Folder) -> Claim | None:
    """Images for which there is a mask."""
    pairs, masks = _pairs(folder)
    if not pairs:
        return None
    seen = spread(sorted(set(pairs.values())), _LOOKED_AT)
    share = sum(_is_mask(folder.files[name]) for name in seen) / len(seen)
    total = len(folder.images) - len(masks)
    return claim(_WEIGHT, share * len(pairs), total, "{count} images have a mask", count=round(share * len(pairs)))


def _is_mask(path: Path) -> bool:
    """Whether a picture has few colours: one with many is a photograph. One that cannot be read is not known to be none."""
    try:
        return len(colours_of(path)) <= _MOST_COLOURS
    except ConfigError:
        return True


def _pairs(folder: Folder) -> tuple[dict[str, str], list[str]]:
    """Image -> mask, and everything that lies or is called as a mask does."""
    instances = [name for name in folder.images if _INSTANCES in name.lower().split("/")]
    stems = {without_suffix(name).rpartition("/")[2] for name in folder.images}
    candidates = [name for name in folder.images if holds(name.rpartition("/")[0], MASKS) or _image_stem(name) in stems]
    if not candidates:  # some keep masks in labels/ or annotations/
        candidates = [name for name in folder.images if holds(name.rpartition("/")[0], LABELS)]
    if not candidates:  # or beside each photograph
        candidates = _beside(folder)
    masks = set(candidates).difference(instances)
    images = [name for name in folder.images if name not in masks and name not in instances]
    pairs = pair(images, [name for name in candidates if name in masks], endings=MASK_ENDINGS)
    return pairs, sorted(masks.union(instances))


def _image_stem(name: str) -> str:
    """ "a/b_mask.png" -> "b"; "" where no ending says that it is a mask."""
    stem = without_suffix(name).rpartition("/")[2]
    return next((stem[: -len(one)] for one in MASK_ENDINGS if stem.lower().endswith(one)), "")


def _beside(folder: Folder) -> list[str]:
    """The .png files with a photograph of the same name beside, where no folders are classes."""
    kinds = {name.rpartition("/")[0] for name in folder.images}
    if len(kinds) > 1:
        return []
    stems = {without_suffix(name) for name in folder.images if not name.lower().endswith(_LOSSLESS)}
    return [name for name in folder.images if name.lower().endswith(".png") and without_suffix(name) in stems]


def read(folder: Folder, tick: Tick) -> Listing:
    """Masks are not opened here."""
    names, colours = _classes(folder)
    found = Listing(TITLE, classes=tuple(names))
    pairs, masks = _pairs(folder)
    known = set(masks)
    used = set(pairs.values())
    lossy = 0
    for name in folder.images:
        tick()
        mask = pairs.get(name)
        if mask is not None and not mask.lower().endswith(_LOSSLESS):
            lossy += 1
        if mask is not None:
            found.records.append(
                Record(name, folder.files[name], mask=folder.files[mask], part=part_of_image(name), colours=colours)
            )
        elif name not in known:
            found.missing.append(name)
    for name in masks:
        if name not in used and _INSTANCES not in name.lower().split("/"):
            found.skip("{file} has no image.", folder.files[name])
    if lossy:
        found.problems.append(
            message("{count} masks are JPEG files, whose values are not exact; save masks as .png.", count=lossy)
        )
    return found


def _classes(folder: Folder) -> tuple[list[str], tuple[tuple[int, int, int], ...]]:
    """The names of the values 1, 2, ... and the colour of each, where a labelmap.txt says them. Raises ConfigError."""
    labelmap = next((name for name in folder.with_suffix(".txt") if name.rpartition("/")[2] == "labelmap.txt"), None)
    if labelmap is None:
        return value_names(next((names for file in _LISTS if (names := class_list(folder, file))), [])), ()
    names, colours = [], []
    for line in read_text(folder.files[labelmap]).splitlines():
        name, _, rest = line.partition(":")
        if line.startswith("#") or not name.strip() or name.strip().lower() in (*BACKGROUND, *_NO_CLASS):
            continue
        try:
            red, green, blue = (int(value) for value in rest.split(":")[0].split(","))
        except ValueError:
            continue
        names.append(class_name(name))
        colours.append((red, green, blue))
    return names, tuple(colours)


def value_names(names: Sequence[str]) -> list[str]:
    """The names of the values 1, 2, ... of a mask from a list that may begin with those of what is no class."""
    left = list(names)
    while left and left[0].lower() in (*BACKGROUND, *_NO_CLASS, "__ignore__"):
        del left[0]
    return left


def class_list(folder: Folder, file: str = "classes.txt") -> list[str]:
    """The lines of classes.txt at the top, or else of the only one further down; empty if there is none. Raises ConfigError."""
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
