"""Names and colours of the classes in masks: which value, or which colour, stands for which class.

They stand in classes.txt, in the lists of Pascal VOC (labelmap.txt), CamVid (label_colors.txt, class_dict.csv) and Roboflow
(_classes.csv), or in a .json: {"0": "background", "1": "dent"}, {"dent": [255, 0, 0]}, or the "labels" of nnU-Net.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from inspector.core.errors import ConfigError
from inspector.data.formats.columns import cell, tables
from inspector.data.formats.record import BACKGROUND, class_name
from inspector.data.formats.scan import Folder, read_text

_LISTS = ("classes.txt", "class_names.txt", "labels.txt")
_VOC_CLASSES = 40
_NO_CLASS = frozenset({"background", "bg", "unlabeled", "unlabelled", "void", "ignore", "ignored"})
_KITTI = "semantic"  # its folder of masks, whose values count the classes from 0
_NAMES_IN_JSON = 64 << 10  # bytes of a .json from which it lists more than the names of classes
_MOST_JSON = 16  # files that are looked at
Colour = tuple[int, int, int]


def mask_classes(folder: Folder) -> tuple[list[str], tuple[Colour, ...]]:
    """Return the names of the values 1, 2, ... and the colour of each; by default those of Pascal VOC. Raises ConfigError."""
    named = {name.rpartition("/")[2].lower(): name for name in reversed(folder.with_suffix(".txt"))}
    if "labelmap.txt" in named:  # name:red,green,blue:parts:actions
        lines = read_text(folder.files[named["labelmap.txt"]]).splitlines()
        pairs = [(line.split(":")[0], line.split(":")[1]) for line in lines if ":" in line and not line.startswith("#")]
    elif "label_colors.txt" in named:  # red green blue name
        lines = read_text(folder.files[named["label_colors.txt"]]).splitlines()
        words = [line.split() for line in lines]
        pairs = [(" ".join(each[3:]) or " ".join(each), ",".join(each[:3]) if len(each) > 3 else "") for each in words if each]
        if any(place.rpartition("/")[2].lower() == _KITTI for place in folder.folders):
            _check_first(pairs[0][0] if pairs else "", folder, named["label_colors.txt"])
    elif not (pairs := list(_colour_table(folder))):
        listed = next((names for file in _LISTS if (names := class_list(folder, file))), []) or _roboflow_classes(folder)
        in_json = {} if listed else _names_in_json(folder)
        pairs = [(name, ",".join(map(str, colour))) for name, colour in in_json.items() if isinstance(colour, tuple)]
        if not pairs:
            by_value = {value: name for name, value in in_json.items() if isinstance(value, int)}
            names = [by_value.get(value, f"class {value}") for value in range(1, max(by_value, default=0) + 1)]
            return names or value_names(listed), tuple(voc_colour(value) for value in range(1, _VOC_CLASSES + 1))
    return _with_colours(pairs)


def _with_colours(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], tuple[Colour, ...]]:
    """Return names and colours without the background; a colour that is missing is that of Pascal VOC."""
    found: list[str] = []
    colours: list[Colour] = []
    for name, said in pairs:
        if _is_background(name):
            continue
        try:
            red, green, blue = (int(value) for value in said.split(","))
        except ValueError:
            red, green, blue = voc_colour(len(found) + 1)
        found.append(class_name(name))
        colours.append((red, green, blue))
    return found, tuple(colours)


def _is_background(name: str) -> bool:
    return class_name(name).lower() in (*BACKGROUND, *_NO_CLASS, "__ignore__", "")


def _check_first(name: str, folder: Folder, file: str) -> None:
    """Raise ConfigError if the class of the value 0 is not the background: its objects are not to be seen in a mask."""
    if not _is_background(name):
        raise ConfigError(
            "{file} gives the class {name!r} the value 0, which pixels without a label have as well; its objects are lost.",
            remedy="Export the masks again with a first class named background.",
            file=folder.files[file],
            name=class_name(name),
        )


def _colour_table(folder: Folder) -> Iterator[tuple[str, str]]:
    """Yield (name, "red,green,blue") of a table with the columns name, r, g and b, such as class_dict.csv."""
    for table in tables(folder):
        places = [table.place(names) for names in (("name", "class", "label"), ("r", "red"), ("g", "green"), ("b", "blue"))]
        if None not in places:
            yield from ((cell(row, places[0]), ",".join(cell(row, at) for at in places[1:])) for _, row in table.rows())
            return


def _names_in_json(folder: Folder) -> dict[str, int | Colour]:
    """Return the value or the colour of each class that a small .json lists; empty if there is none. Raises ConfigError."""
    for name in folder.json_by_owner[0][:_MOST_JSON]:
        try:
            small = folder.files[name].stat().st_size <= _NAMES_IN_JSON
            found = _named(folder.json(name)) if small else {}
        except (ConfigError, OSError):
            continue
        if found:
            if not any(isinstance(value, tuple) for value in found.values()):
                _check_first(next((each for each, value in found.items() if value == 0), ""), folder, name)
            return found
    return {}


def _named(data: object) -> dict[str, int | Colour]:
    """Return what a .json says of classes: colours by name, numbers by name or names by number, from 0 or 1 without a gap."""
    for key in ("labels", "id2label", "label2id"):
        inner = data.get(key) if isinstance(data, Mapping) else None
        data = inner if isinstance(inner, Mapping) else data
    if not isinstance(data, Mapping) or not data:
        return {}
    said: Mapping[Any, Any] = data
    if all(str(key).isdecimal() and isinstance(value, str) for key, value in said.items()):
        said = {value: int(key) for key, value in said.items()}
    if all(isinstance(value, list) and len(value) == 3 for value in said.values()):
        parts = [each for value in said.values() for each in value]
        if not all(isinstance(part, int) and 0 <= part < 256 for part in parts):
            return {}
        if all(len(set(value)) == 1 for value in said.values()):  # grey: the values themselves
            return {class_name(name): value[0] for name, value in said.items()}
        return {class_name(name): (value[0], value[1], value[2]) for name, value in said.items()}
    values = list(said.values())
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return {}
    counted = sorted(values) in (list(range(len(values))), list(range(1, len(values) + 1)))
    return {class_name(name): value for name, value in said.items()} if counted and len(values) > 1 else {}


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
    while left and _is_background(left[0]):
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
