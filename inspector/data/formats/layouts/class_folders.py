"""Class folders: FOLDER/<class>/*.jpg, also with train/, val/ and test/ above or below the classes.

A .png with the stem of another image in the same folder is the mask of this image, white on the defect; so is NAME_mask.png.
Folders named after their purpose ("images", "image_2", "masks", "labels") are no classes, nor are folders inside "masks". Where
other images have masks, images of a class named "good", "ok" or "normal" show no defect without one.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from inspector.core.message import message
from inspector.data.formats.names import (
    GOOD,
    MASK_ENDINGS,
    UNLABELLED,
    common_folder,
    is_place,
    is_role,
    names_no_class,
    part_of_folder,
    parts_named,
    words_of,
)
from inspector.data.formats.record import Claim, Listing, Record, Tick, claim
from inspector.data.formats.scan import Folder, without_suffix
from inspector.data.samples import Part

TITLE = message("Class folders")
MASKED = message("Class folders with masks")
EXPECTED = message("one folder a class, with its images in it, or with a .png mask of the same name beside each image")
_WEIGHT = 0.4
_MASKED = 0.9
_ONE_CLASS = 0.1  # certainty for a single class, which teaches no distinction
_SHOWN = 6  # names in a sentence
_MANY, _FEW, _PARTS = 20, 10, 0.3  # many folders with few images each are probably parts, not classes
_COUNTED = re.compile(r"(.*\D)0\d+")  # kos01, kos02, ...: parts that are counted


class _Kinds:
    """The class and the part of a split that the folders of a path name."""

    def __init__(self, folder: Folder) -> None:
        self.prefix = common_folder(folder)
        folders = {name.rpartition("/")[0] for name in folder.images}
        paths = {each: self._path(each) for each in folders if f"{each}/".startswith(self.prefix)}
        said = [path for path in paths.values() if path]
        above = parts_named({path[0] for path in said}) or {}
        below = {} if above or not all(len(path) > 1 for path in said) else parts_named({path[1] for path in said}) or {}
        self._known: dict[str, tuple[str, Part | None]] = {}
        for each, path in paths.items():
            kind = path[1 if above else 0] if len(path) > bool(above) else ""
            part = above.get(path[0]) if above and path else below.get(path[1]) if below and path else None
            self._known[each] = kind, part if kind else None

    def _path(self, folder: str) -> list[str]:
        path = folder[len(self.prefix) :].split("/")
        if names_no_class(path) or any("".join(words_of(piece)) in UNLABELLED for piece in path):
            return []
        plain = [piece for piece in path if piece and not is_place(piece)]
        return plain if len(plain) > 1 or not all(map(is_role, plain)) else []  # "data" alone is no class

    def of(self, name: str) -> tuple[str, Part | None]:
        """Return (class, part) of a path; ("", None) if its folders name no class."""
        return self._known.get(name.rpartition("/")[0], ("", None))


def look(folder: Folder) -> Claim | None:
    """Recognise images in folders whose names can be classes."""
    kinds = _Kinds(folder)
    counts = Counter(kinds.of(name)[0] for name in folder.images)
    used = sum(count for kind, count in counts.items() if kind and not kind.startswith("_"))
    classes = [kind for kind in counts if kind and not kind.startswith("_")]
    masks = len(_masks(folder.images))
    weight = _ONE_CLASS if len(classes) < 2 else _MASKED if masks > 0.2 * used else _WEIGHT
    if len(classes) > _MANY and used < _FEW * len(classes):
        weight = min(weight, _PARTS)
    numbered = {found[1].lower() if (found := _COUNTED.fullmatch(kind)) else kind for kind in classes}
    if len(classes) > 2 and len(numbered) == 1 and masks:
        weight = min(weight, _PARTS)
    return claim(
        weight,
        used,
        len(folder.images),
        message("{count} {count:|image lies|images lie} in {classes} folders", count=used, classes=len(classes)),
    )


def _masks(names: Iterable[str]) -> dict[str, str]:
    """Return a mapping from each mask to its image in the same folder."""
    found: dict[str, str] = {}
    by_stem: dict[str, str] = {}
    masks = []
    for name in names:
        stem = without_suffix(name)
        other = by_stem.setdefault(stem, name)
        if other != name and name.lower().endswith(".png"):
            found[name] = other
        elif other != name and other.lower().endswith(".png"):
            by_stem[stem] = name
            found[other] = name
        if stem.lower().endswith(MASK_ENDINGS):
            masks.append((name, stem))
    for name, stem in masks:
        ending = next(ending for ending in MASK_ENDINGS if stem.lower().endswith(ending))
        image = by_stem.get(stem[: -len(ending)])
        if image is not None:
            found[name] = image
    return found


def _nested(folder: Folder, kinds: _Kinds) -> dict[str, set[str]]:
    """Return the folders inside those of the classes that may be the real classes, by class: a few, with many images each.

    Others are parts, lots or days.
    """
    found: dict[str, Counter[str]] = {}
    for name in folder.images:
        kind, _ = kinds.of(name)
        behind = name.split("/")[:-1]
        inner = behind[behind.index(kind) + 1 :] if kind and kind in behind else []
        if inner and not is_role(inner[0]) and part_of_folder(inner[0]) is None:
            found.setdefault(kind, Counter())[inner[0]] += 1
    several = {kind: set(counts) for kind, counts in found.items() if len(counts) > 1}
    numbered = all(_COUNTED.fullmatch(inner) or inner.isdecimal() for own in several.values() for inner in own)
    return {} if numbered or sum(map(len, several.values())) > _MANY else several


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the labels: the class is the first folder of a path that names neither a part nor a purpose."""
    found = Listing(TITLE)
    kinds = _Kinds(folder)
    if kinds.prefix:
        found.skip("All images lie in {file}; the folders in it are taken for the classes.", folder.root / kinds.prefix)
    images_of = _masks(folder.images)
    mask_of = {image: mask for mask, image in images_of.items()}
    for kind in sorted({kinds.of(name)[0] for name in folder.images}):
        if kind.startswith("_"):
            found.skip(
                "{file} is no class, because its name begins with an underscore; its images are not used.", folder.root / kind
            )
    if nested := _nested(folder, kinds):
        found.problems.append(
            message(
                "The folders {inner} inside those of the classes are not taken for classes; choose one of {outer} if they are.",
                inner=", ".join(sorted({inner for own in nested.values() for inner in own})[:_SHOWN]),
                outer=", ".join(sorted(nested)[:_SHOWN]),
            )
        )
    for name in folder.images:
        tick()
        kind, part = kinds.of(name)
        if not kind:
            found.missing.append(name)
            continue
        if kind.startswith("_") or name in images_of:
            continue
        mask = mask_of.get(name)
        if mask is not None:
            found.layout = MASKED
        path = folder.files[mask] if mask is not None else None
        good = () if mask is None and images_of and kind.lower() in GOOD else None
        record = Record(name, folder.files[name], label=kind, mask=path, mask_class=kind, part=part, shapes=good)
        found.records.append(record)
    labels: dict[str, set[str | None]] = {}
    for record in found.records:
        labels.setdefault(record.path.stem, set()).add(record.label)
    # Where files are numbered anew in every folder, a number is no part that was seen more than once.
    found.records = [
        replace(record, group=f"{record.label}/{record.path.stem}") if len(labels[record.path.stem]) > 1 else record
        for record in found.records
    ]
    return found
