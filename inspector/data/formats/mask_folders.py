"""images/ and masks/ with the same stems; classes.txt names the mask values 1, 2, ... Black-and-white masks have one class.

Folders train/, val/, test/ in both of them are a split that the data brings along.
"""

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.record import Listing, Record, Tick, class_name
from inspector.data.formats.scan import Folder, read_text
from inspector.data.samples import Part

TITLE = message("Images and masks")
EXPECTED = message("images/ and masks/ with a .png of the same name for each image")

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


def matches(folder: Folder) -> bool:
    """Return whether both folders are there."""
    return {"images", "masks"} <= folder.folders and any(folder.under("masks"))


def read(folder: Folder, tick: Tick) -> Listing:
    """Masks are not opened here."""
    found = Listing(TITLE, classes=tuple(class_list(folder)))
    used = set()
    for name in folder.under("images"):
        tick()
        mask = folder.sibling(f"masks/{name.removeprefix('images/')}", ".png")
        if mask is None:
            found.unlabelled(folder, [name])
        else:
            used.add(mask)
            inner = name.split("/")[1]
            found.records.append(Record(name, folder.files[name], mask=folder.files[mask], part=PARTS.get(inner.lower())))
    for name in folder.under("masks"):
        if name not in used:
            found.skip("{file} has no image.", folder.files[name])
    return found


def class_list(folder: Folder, file: str = "classes.txt") -> list[str]:
    """Return the lines of classes.txt, or an empty list if there is none. Raises ConfigError."""
    if file not in folder.files:
        return []
    names = [name for line in read_text(folder.files[file]).splitlines() if (name := class_name(line))]
    if len(set(names)) != len(names):
        raise ConfigError("{file} names a class twice.", remedy="Write every class once.", file=folder.files[file])
    return names
