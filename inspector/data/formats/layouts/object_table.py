"""A .csv with one line per object: image, class, and its box, or run lengths of its pixels.

The box is given by corners or by left, top, width and height, in pixels or as fractions of the image. Roboflow (also without a
header line, as for Keras RetinaNet), VoTT, Open Images and many data sets on Kaggle use this layout. A line without a class or
box belongs to an image without objects.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.columns import LABEL, PATH, SPLIT, Table, cell, tables
from inspector.data.formats.names import PARTS, part_of_image
from inspector.data.formats.record import Claim, Listing, Shape, Tick, add_objects, claim, class_name, number, of_pixels
from inspector.data.formats.scan import Folder
from inspector.data.samples import Part

TITLE = message("Table of objects")
EXPECTED = message("a .csv with a line an object: image, class, xmin, ymin, xmax, ymax")
_CORNERS = (
    ("xmin", "x_min", "x1", "left"),
    ("ymin", "y_min", "y1", "top"),
    ("xmax", "x_max", "x2", "right"),
    ("ymax", "y_max", "y2", "bottom"),
)
_SIZED = (("x", "left", "xmin"), ("y", "top", "ymin"), ("w", "box_width", "bbox_width"), ("h", "box_height", "bbox_height"))
_LIST = ("bbox",)
_RUNS = ("encodedpixels", "rle", "segmentation")
_KIND = (*LABEL, "classid", "class_id")
_NUMBERED = ("classid", "class_id")
_BOTH = "imageid_classid"  # "abc.jpg_3", as in Severstal's first table
_WEIGHT = 1.0
Row = Sequence[str]


def _form(table: Table) -> str:
    """Return how the table gives the positions of objects; "" if it does not."""
    if table.has(PATH) or _BOTH in table.columns:
        if all(table.has(names) for names in _CORNERS):
            return "corners"
        if all(table.has(names) for names in _SIZED):
            return "sized"
        if table.has(_LIST):
            return "list"
        if table.has(_RUNS):
            return "runs"
    first = table.columns
    if len(first) == 6 and (not any(first[1:]) or all(_is_number(value) for value in first[1:5])):
        return "bare"
    return ""


def _is_number(text: str) -> bool:
    try:
        number(text)
    except ValueError:
        return False
    return True


def _image_place(table: Table) -> int:
    place = table.place((*PATH, _BOTH))
    return 0 if place is None else place


def _image_name(table: Table, row: Row) -> str:
    said = cell(row, _image_place(table))
    return said.rpartition("_")[0] if _BOTH in table.columns else said


def look(folder: Folder) -> Claim | None:
    """Recognise such tables by the images that they list."""
    listed: set[str] = set()
    for table in tables(folder):
        seen = {_image_name(table, row) for row in table.first} if _form(table) else set()
        if any(table.find(folder, said) for said in seen):
            try:
                names = {_image_name(table, row) for _, row in table.rows(header=_form(table) != "bare")}
            except ConfigError:
                names = seen  # reading it says what is wrong
            listed.update(image for said in names if (image := table.find(folder, said)) is not None)
    return claim(
        _WEIGHT, len(listed), len(folder.images), message("tables of objects list {count} of the images", count=len(listed))
    )


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the objects of every table. Images that no table lists are unlabelled."""
    found = Listing(TITLE)
    listed: set[str] = set()
    for table in tables(folder):
        form = _form(table)
        if not form:
            continue
        rows: dict[str, list[Row]] = {}
        for _, row in table.rows(header=form != "bare"):
            rows.setdefault(_image_name(table, row), []).append(row)
        fractions = form in ("corners", "bare") and _fractions(table, form, rows)
        for said, own in rows.items():
            tick()
            image = table.find(folder, said)
            if found.is_new(image, said, table.path, listed):
                _add(found, folder, table, image, own, fractions=fractions)
    found.missing += [name for name in folder.images if name not in listed]
    return found


def _fractions(table: Table, form: str, rows: dict[str, list[Row]]) -> bool:
    """Return whether no corner exceeds 1, so that corners are fractions of the image."""
    places = _corner_places(table, form)
    values = [cell(row, place) for own in rows.values() for row in own for place in places]
    numbers = [float(value) for value in values if _is_number(value)]
    return bool(numbers) and max(numbers) <= 1.0


def _corner_places(table: Table, form: str) -> list[int | None]:
    return [1, 2, 3, 4] if form == "bare" else [table.place(names) for names in _CORNERS]


def _add(found: Listing, folder: Folder, table: Table, image: str, rows: list[Row], *, fractions: bool) -> None:
    form = _form(table)
    kind = 5 if form == "bare" else table.place(_KIND)

    def objects(size: tuple[int, int]) -> Iterator[Shape | str]:
        for row in rows:
            name = class_name(cell(row, kind))
            if _BOTH in table.columns:
                name = f"class {cell(row, _image_place(table)).rpartition('_')[2]}"
            elif form != "bare" and kind is not None and table.columns[kind] in _NUMBERED:
                name = f"class {name}"
            yield from _shapes(table, form, row, name, size, fractions=fractions)

    split = cell(rows[0], table.place(SPLIT))
    part: Part | None = PARTS.get(split.lower()) or table.part or part_of_image(image)
    add_objects(found, folder, image, table.path, objects, part=part, shared=True)


def _shapes(table: Table, form: str, row: Row, name: str, size: tuple[int, int], *, fractions: bool) -> Iterator[Shape | str]:
    """Yield the shape of a row, or what an object lacks; nothing for a row without an object. Raises ValueError."""
    if form == "runs":
        runs = cell(row, table.place(_RUNS))
        shape = _of_runs(name, runs, size) if runs else None
        if shape is not None:
            yield shape
        return
    if form == "list":
        said = cell(row, table.place(_LIST)).strip("[]() ").replace(",", " ").split()
    elif form == "sized":
        said = [cell(row, table.place(names)) for names in _SIZED]
    else:
        said = [cell(row, place) for place in _corner_places(table, form)]
    if not any(said):
        if name:
            yield f"{name}, without a box"
        return
    if len(said) != 4:
        raise ValueError(f"{len(said)} numbers for a box")
    a, b, c, d = (number(value) for value in said)
    scale = (float(size[0]), float(size[1])) if fractions else (1.0, 1.0)
    right, bottom = (a + c, b + d) if form in ("list", "sized") else (c * scale[0], d * scale[1])
    yield Shape(name or "object", (a * scale[0], b * scale[1], right, bottom))


def _of_runs(name: str, text: str, size: tuple[int, int]) -> Shape | None:
    """Decode pairs of a start, counted from 1 down the columns, and a length (Kaggle). Raises ValueError."""
    values = [int(number(word)) for word in text.split()]
    if len(values) % 2:
        raise ValueError("run lengths that are no pairs")
    flat = np.zeros(size[0] * size[1], np.bool_)
    for start, length in zip(values[::2], values[1::2], strict=True):
        if start < 1 or length < 1 or start - 1 + length > len(flat):
            raise ValueError(f"run lengths are for another size than {size[0]} x {size[1]} px")
        flat[start - 1 : start - 1 + length] = True
    return of_pixels(name, flat.reshape(size[0], size[1]).T)
