"""FOLDER/<class>/*.jpg, or FOLDER/train/<class>/*.jpg and the like where the data brings a split along.

A .png with the stem of another image beside it is that image's mask, white where the defect is.
"""

from collections import Counter
from dataclasses import replace

from inspector.core.message import message
from inspector.data.formats.mask_folders import PARTS
from inspector.data.formats.record import Listing, Record, Tick
from inspector.data.formats.scan import Folder, without_suffix

TITLE = message("Class folders")
MASKED = message("Class folders with masks")
EXPECTED = message("one folder a class, with its images in it, or with a .png mask of the same name beside each image")


def matches(folder: Folder) -> bool:
    """Return whether there are images in folders."""
    return any("/" in name and not name.startswith("_") for name in folder.images)


def read(folder: Folder, tick: Tick) -> Listing:
    """The first folder of a path is the class."""
    found = Listing(TITLE)
    tops = {name.split("/", 1)[0] for name in folder.images if "/" in name}
    deep = all(name.count("/") > 1 for name in folder.images)
    split = {top.lower() for top in tops} <= set(PARTS) and (len(tops) > 1 or deep)
    for top in sorted(top for top in tops if top.startswith("_")):
        found.skip(
            "{file} is no class, because its name begins with an underscore; its images are not used.", folder.root / top
        )
    stems = Counter(without_suffix(name) for name in folder.images)
    for name in folder.images:
        tick()
        top, _, inner = name.partition("/")
        kind, _, rest = inner.partition("/") if split else (top, "", inner)
        if not rest:
            found.unlabelled(folder, [name])
            continue
        shared = stems[without_suffix(name)] > 1
        if kind.startswith("_") or (shared and name.lower().endswith(".png")):
            continue
        mask = folder.sibling(name, ".png") if shared else None
        if mask is not None:
            found.layout = MASKED
        path = folder.files[mask] if mask is not None else None
        found.records.append(
            Record(name, folder.files[name], label=kind, mask=path, mask_class=kind, part=PARTS[top.lower()] if split else None)
        )
    kinds: dict[str, set[str | None]] = {}
    for record in found.records:
        kinds.setdefault(record.path.stem, set()).add(record.label)
    # Where files are numbered anew in every folder, a number is no part that was seen more than once.
    found.records = [
        replace(record, group=f"{record.label}/{record.path.stem}") if len(kinds[record.path.stem]) > 1 else record
        for record in found.records
    ]
    return found
