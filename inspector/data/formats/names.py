"""Meaning of folder and file names: parts of a split, images, masks or labels, and the label file of an image."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

from inspector.data.formats.scan import Folder, read_text, without_suffix
from inspector.data.samples import Part

T = TypeVar("T")

# How people name the folders of a split.
PARTS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_LISTS: dict[str, Part] = {"train": "train", "val": "val", "test": "test"}
IMAGES = frozenset({"images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "画像"})
MASKS = frozenset(
    {
        "masks",
        "mask",
        "gt",
        "groundtruth",
        "segmentation",
        "segmentations",
        "segmentationclass",
        "segmentationclasspng",
        "ground_truth",
        "semantic",
        "マスク",
    }
)
# Pictures with labels drawn in, and those of instances, in which every object has a number of its own.
DRAWN = frozenset(
    {"segmentationobject", "segmentationclassvisualization", "visualization", "visualisation", "vis", "masks_human"}
)
NUMBERED = frozenset({"segmentationobject", "instance", "instances", "semantic_rgb", "panoptic"})
LABELS = frozenset(
    {"labels", "label", "annotations", "annotation", "annots", "annot", "ann", "anns", "anno", "xml", "xmls", "json", "jsons"}
    | {"txt", "bbox", "bboxes", "boxes", "lab", "labs", "lable", "lables", "ラベル"}
)
# Names that say where files lie, never what they show.
PLACES = IMAGES | MASKS | frozenset({"labels", "annotations", "annotation", "annots", "xmls", "jsons", "ground_truth"})
GOOD = frozenset({"good", "ok", "normal"})
# Names of folders for images that nobody has labelled.
UNLABELLED = frozenset({"nolabel", "nolabels", "unlabeled", "unlabelled", "notlabeled", "notlabelled", "unannotated", "未分類"})
# Behind the name of an image, in that of its mask.
MASK_ENDINGS = ("_mask", "-mask", ".mask", "_label", "-label", "_gt", "_seg", "_segmentation", "_masks")
_FILLERS = frozenset(
    {"obj", "data", "dataset", "set", "split", "all", "ground", "truth", "default", "dir", "folder", "source", "original"}
    | {"machine"}  # masks_machine of Supervisely
)
_ROLES = IMAGES | MASKS | LABELS | _FILLERS
# "trainannot", "valmasks": a part and a place in one word.
_JOINED = re.compile(r"^(train|val|valid|validation|test|default)(images|imgs?|annot|masks?|labels|gt)$")
_PART_BEHIND = re.compile(r"^(images|labels|imgs|masks)(tr|ts|train|val|test)$")  # imagesTr and labelsTs of nnU-Net
_SHORT = {"tr": "train", "ts": "test"}
# Cityscapes' folders: gtFine/train/CITY and imgsFine/leftImg8bit/train/CITY.
_CITIES = frozenset({"gtfine", "gtcoarse", "imgsfine", "imgscoarse", "leftimg8bit"})
_WORDS = re.compile(r"[\W_]+|(?<=\D)(?=\d)|(?<=\d)(?=\D)")


class Place(NamedTuple):
    """A folder: the part of a split that it belongs to, and the other names on the path to it."""

    part: Part | None
    rest: tuple[str, ...]


@lru_cache(maxsize=1 << 16)
def place_of(folder: str) -> Place:
    """Parse a path: "Train/images/crack" -> ("train", ("crack",)). The innermost part counts."""
    part: Part | None = None
    rest = []
    for piece in folder.lower().split("/") if folder else ():
        inner = part_of_folder(piece)
        if inner is not None:
            part = inner
        elif not is_role(piece):
            rest.append(piece)
    return Place(part, tuple(rest))


@lru_cache(maxsize=1 << 16)
def words_of(piece: str) -> tuple[str, ...]:
    """Return the words and numbers of a name in lower case, with words of purposes that were joined taken apart."""
    plain = _JOINED.sub(r"\1 \2", piece.lower())
    behind = _PART_BEHIND.match(plain)
    if behind is not None:
        plain = f"{behind[1]} {_SHORT.get(behind[2], behind[2])}"
    return tuple(word for word in _WORDS.split(plain) if word)


def is_role(piece: str) -> bool:
    """Return whether a folder's name consists of words for purposes only: "images", "labels", "data"."""
    words = words_of(piece)
    return bool(words) and all(word in _ROLES for word in words)


def names_no_class(path: Iterable[str]) -> bool:
    """Return whether the folders of a path say that its images are masks, or pictures of one of Cityscapes' places."""
    return any(
        MASKS.intersection((piece.lower(), "".join(words_of(piece))))
        or (is_role(piece) and MASKS.intersection(words_of(piece)))
        or piece.lower() in _CITIES
        or _JOINED.match(piece.lower())
        or is_drawn(piece)
        for piece in path
    )


def is_place(piece: str) -> bool:
    """Return whether a folder's name says where files lie and never what they show: "images", "image_2", "train_imgs"."""
    words = words_of(piece)
    return bool(PLACES.intersection((piece.lower(), "".join(words), *words))) and _is_place(piece)


def parts_named(pieces: Iterable[str]) -> dict[str, Part] | None:
    """Map folder names that differ only in the part of a split that they name; None if they differ otherwise.

    Examples: train and val; WIDER_train and WIDER_val; obj_train_data alone.
    """
    found: dict[str, Part] = {}
    rests = set()
    for piece in pieces:
        words = words_of(piece)
        named = [word for word in words if word in PARTS]
        if len(named) != 1:
            return None
        found[piece] = PARTS[named[0]]
        rests.add(tuple(word for word in words if word not in PARTS))
    alone = len(found) == 1 and all(word in _ROLES for rest in rests for word in rest)
    return found if len(rests) == 1 and (len(found) > 1 or alone) else None


def part_of_folder(piece: str) -> Part | None:
    """Return the part that a folder's name contains: "Valid", "val2017", "train_images"; None for "leak_test"."""
    words = words_of(piece)
    parts = [PARTS[word] for word in words if word in PARTS]
    others = [word for word in words if word not in PARTS]
    return parts[0] if len(parts) == 1 and all(word in _ROLES or word.isdecimal() for word in others) else None


def part_of_image(name: str) -> Part | None:
    """Return the part of a split that an image belongs to by the folders above it. The image's own name does not count."""
    return place_of(name.rpartition("/")[0]).part


def holds(folder: str, words: Iterable[str]) -> bool:
    """Return whether a folder on a path has one of these names, also combined with that of a part."""
    wanted = frozenset(words)
    return any(
        wanted.intersection((piece, "".join(words := words_of(piece)), *words)) and _is_place(piece)
        for piece in folder.lower().split("/")
    )


def is_drawn(folder: str) -> bool:
    """Return whether a folder holds pictures of labels that are no masks of classes."""
    pieces = folder.lower().split("/")
    return any(piece in DRAWN or piece in NUMBERED or "panoptic" in words_of(piece) for piece in pieces)


def _is_place(piece: str) -> bool:
    return all(word in _ROLES or word in PARTS or word.isdecimal() for word in words_of(piece))


def pair(images: Sequence[str], marks: Sequence[str], *, endings: Sequence[str] = ()) -> dict[str, str]:
    """Map each image to its label file.

    Candidates, in order: the file of the same name next to the image; a file at the same place except for the folders named
    "images", "labels" or after a part; the only file of that name in its part. `endings`: suffixes that may follow the image's
    name.
    """
    beside: dict[tuple[str, str], str] = {}
    alike: dict[tuple[Place, str], str] = {}
    named: dict[tuple[Part | None, str], list[str]] = {}
    for each in marks:
        folder, _, last = each.rpartition("/")
        place = place_of(folder)
        for stem in _stems(without_suffix(last), endings):
            beside.setdefault((folder, stem), each)
            alike.setdefault((place, stem), each)
            named.setdefault((place.part, stem), []).append(each)
    pairs: dict[str, str] = {}
    alone: dict[str, list[str]] = {}
    for image in images:
        folder, _, last = image.rpartition("/")
        last = _composed(last)
        place, stem = place_of(folder), without_suffix(last)
        mark = beside.get((folder, stem)) or beside.get((folder, last)) or alike.get((place, stem)) or alike.get((place, last))
        if mark is not None:
            pairs[image] = mark
            continue
        # Labels of all parts in one place, or images sorted into folders that their labels are not in.
        mark = alike.get((Place(None, place.rest), stem))
        others = named.get((place.part, stem)) or named.get((None, stem), [])
        if mark is not None or len(others) == 1:
            alone.setdefault(mark or others[0], []).append(image)
    taken = set(pairs.values())
    pairs |= {left[0]: each for each, left in alone.items() if len(left) == 1 and each not in taken}
    return pairs


def pair_once(folder: Folder, images: Sequence[str], marks: Sequence[str]) -> Mapping[str, str]:
    """Return what `pair` returns, found once for a folder: layouts ask for the same when they recognise and when they read."""
    return folder.once(("pair", tuple(images), tuple(marks)), lambda: pair(images, marks))


def _stems(stem: str, endings: Sequence[str]) -> list[str]:
    stem = _composed(stem)
    lower = stem.lower()
    if not lower.endswith(tuple(endings)):
        return [stem]
    ending = next((one for one in endings if lower.endswith(one) and len(stem) > len(one)), None)
    return [stem] if ending is None else [stem, stem[: -len(ending)]]


def _composed(text: str) -> str:
    """Compose accented characters: macOS decomposes "ガ" and "é"."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def photographs(folder: Folder) -> Sequence[str]:
    """Return the images that are not in folders of masks, labels, or images with labels drawn in, which have no labels."""
    return folder.once("photographs", lambda: _photographs(folder))


def _photographs(folder: Folder) -> list[str]:
    plain: dict[str, bool] = {}
    found = []
    for name in folder.images:
        place = name.rpartition("/")[0]
        if place not in plain:
            plain[place] = not holds(place, (*MASKS, *LABELS)) and not is_drawn(place)
        if plain[place]:
            found.append(name)
    return found


def listed_parts(folder: Folder) -> dict[str, Part]:
    """Map the stem of an image to its part, by the lists of Pascal VOC (ImageSets/Main/train.txt).

    A single list of all images is no split.
    """
    found: dict[str, Part] = {}
    for name in (name for name in folder.with_suffix(".txt") if "/imagesets/" in f"/{name.lower()}"):
        part = _LISTS.get(without_suffix(name).rpartition("/")[2])
        if part is not None:
            for line in filter(None, map(str.strip, read_text(folder.files[name], limit=64 << 20).splitlines())):
                # "stem", or "stem -1" in the list of one class; a stem may have spaces, too.
                found.update(dict.fromkeys((line, line.split()[0]), part))
    return {} if set(found.values()) == {"train"} else found


def spread(items: Sequence[T], count: int) -> Sequence[T]:
    """Return at most `count` of the items, evenly spread."""
    return items if len(items) <= count else [items[index * len(items) // count] for index in range(count)]


def common_folder(folder: Folder) -> str:
    """Return the folder, with a slash, that contains all images and carries no meaning: the data set lies one folder deeper."""
    prefix = ""
    while True:
        inner = {name[len(prefix) :].partition("/")[0] if "/" in name[len(prefix) :] else "" for name in folder.images}
        if len(inner) != 1 or "" in inner:
            return prefix
        (only,) = inner
        deeper = {
            name[len(prefix) + len(only) + 1 :].partition("/")[0]
            for name in folder.images
            if name.count("/") > prefix.count("/") + 1
        }
        if part_of_folder(only) is not None or len(deeper) < 2:
            return prefix
        prefix += f"{only}/"
