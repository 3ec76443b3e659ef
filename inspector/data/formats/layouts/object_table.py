"""A .csv with one line per object: image, class, and its box, polygon, or run lengths of its pixels.

The box is given by corners, by left, top, width and height, or by centre and size, in pixels or as fractions of the image. Row
and Column (Halcon) are the first and the last pixel. Roboflow (also without a header line, as for Keras RetinaNet), VoTT, Open
Images and many data sets on Kaggle use this layout. A line without a box, and without a class or with one of good parts,
belongs to an image without objects.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.columns import LABEL, SPLIT, Table, cell, names_of_codes, tables
from inspector.data.formats.names import GOOD, PARTS, part_of_image
from inspector.data.formats.record import Claim, Listing, Tick, add_objects, claim, class_name
from inspector.data.formats.scan import Folder, image_size
from inspector.data.formats.shapes import Shape, number, of_pixels, polygon
from inspector.data.samples import Part

TITLE = message("Table of objects")
EXPECTED = message("a .csv with a line an object: image, class, xmin, ymin, xmax, ymax")
_PIXELS = (("row1", "rowbegin"), ("column1", "col1"), ("row2", "rowend"), ("column2", "col2"))
_CORNERS = (
    ("xmin", "x1", "left", "minx", "bbox_xmin", "bbox_x1", "bbox_left", "topleftx", "startx", *_PIXELS[1]),
    ("ymin", "y1", "top", "miny", "bbox_ymin", "bbox_y1", "bbox_top", "toplefty", "starty", *_PIXELS[0]),
    ("xmax", "x2", "right", "maxx", "bbox_xmax", "bbox_x2", "bbox_right", "bottomrightx", "endx", *_PIXELS[3]),
    ("ymax", "y2", "bottom", "maxy", "bbox_ymax", "bbox_y2", "bbox_bottom", "bottomrighty", "endy", *_PIXELS[2]),
)
_LEFT_TOP = (("x", "left", "xmin", "bbox_x", "bbox_left", "minx"), ("y", "top", "ymin", "bbox_y", "bbox_top", "miny"))
_CENTRE = (
    ("x_center", "x_centre", "center_x", "centre_x", "cx", "xc"),
    ("y_center", "y_centre", "center_y", "centre_y", "cy", "yc"),
)
_SIZE = (("w", "box_width", "bbox_width", "bbox_w", "width"), ("h", "box_height", "bbox_height", "bbox_h", "height"))
_LIST = ("bbox",)
_POINTS = ("points", "polygon", "vertices")
_RUNS = ("encodedpixels", "rle", "segmentation")
_KIND = (*LABEL, "classid")
_NUMBERED = ("classid",)
_NO_KIND = frozenset({"source", "comment", "remark", "annotator", "user", "username", "date", "time", "url", "id", "usage"})
_BOTH = ("imageid_classid",)  # "abc.jpg_3", as in Severstal's first table
_NOTHING = GOOD | {"no finding", "none", "no defect", "no_defect", "background"}  # classes of lines without an object
_WEIGHT = 1.0
_NO_RUNS = ("", "-1")  # of an image without an object
EXAMPLE = "submission"  # Kaggle's sample_submission.csv, whose labels mean nothing
Row = Sequence[str]


def form_of(table: Table, folder: Folder) -> str:
    """Return how the table gives the positions of objects; "" if it does not."""
    if (table.image is None and not table.has(_BOTH)) or EXAMPLE in table.name.lower():
        return ""
    if table.titles == tuple(map(str, range(len(table.titles)))):  # no header line
        return "bare" if len(table.columns) == 6 and all(not v or _is_number(v) for v in table.first[0][1:5]) else ""
    forms = {"corners": _CORNERS, "centred": (*_CENTRE, *_SIZE), "sized": (*_LEFT_TOP, *_SIZE)}
    for form, names in forms.items():
        if table.has(*names) and not (form != "corners" and _of_image(table, folder)):
            return form
    return next((form for form, names in (("list", _LIST), ("points", _POINTS), ("runs", _RUNS)) if table.has(names)), "")


def _of_image(table: Table, folder: Folder) -> bool:
    """Return whether the columns "width" and "height" are the size of the image and not of a box."""
    places = [table.place(names) for names in _SIZE]
    if [table.columns[place] for place in places if place is not None] != ["width", "height"]:
        return False
    for row in table.first:
        image = table.find(folder, cell(row, table.image))
        if image is not None:
            try:
                size = image_size(folder.files[image])
            except ConfigError:
                return False
            return [cell(row, place) for place in places] == [str(value) for value in size]
    return False


def _is_number(text: str) -> bool:
    try:
        number(text)
    except ValueError:
        return False
    return True


def _image_name(table: Table, row: Row) -> str:
    both = table.place(_BOTH)
    return cell(row, table.image) if both is None else cell(row, both).rpartition("_")[0]


def look(folder: Folder) -> Claim | None:
    """Recognise such tables by the images that they list."""
    listed: set[str] = set()
    for table in tables(folder):
        seen = {_image_name(table, row) for row in table.first} if form_of(table, folder) else set()
        if any(table.find(folder, said) for said in seen):
            try:
                names = {_image_name(table, row) for _, row in table.rows()}
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
        form = form_of(table, folder)
        if not form:
            continue
        rows: dict[str, list[Row]] = {}
        for _, row in table.rows():
            rows.setdefault(_image_name(table, row), []).append(row)
        fractions = bool(_places(table, form)) and _fractions(table, form, rows)
        if form == "list" and _in_corners(folder, table, rows):
            raise ConfigError(
                "The boxes in {file} are corners (left, top, right, bottom), and not left, top, width, height.",
                remedy="Write the corners in columns of their own: xmin, ymin, xmax, ymax.",
                file=table.path,
            )
        for said, own in rows.items():
            tick()
            image = table.find(folder, said)
            if found.is_new(image, said, table.path, listed):
                _add(found, folder, table, form, image, own, fractions=fractions)
    found.missing += [name for name in folder.images if name not in listed]
    return found


def _fractions(table: Table, form: str, rows: dict[str, list[Row]]) -> bool:
    """Return whether no value exceeds 1, so that they are fractions of the image."""
    places = _places(table, form)
    values = [table.decimal(cell(row, place)) for own in rows.values() for row in own for place in places]
    numbers = [float(value) for value in values if _is_number(value)]
    return bool(numbers) and max(numbers) <= 1.0


def _in_corners(folder: Folder, table: Table, rows: Mapping[str, list[Row]]) -> bool:
    """Return whether lists of four numbers are corners: so read all lie inside their images, otherwise several reach out."""
    outside = 0
    for said, own in rows.items():
        boxes = [
            list(map(float, found)) for row in own if len(found := _listed(table, row)) == 4 and all(map(_is_number, found))
        ]
        image = table.find(folder, said) if boxes else None
        if image is None:
            continue
        try:
            width, height = image_size(folder.files[image])
        except ConfigError:
            continue
        if any(c <= a or d <= b or c > width + 1 or d > height + 1 for a, b, c, d in boxes):
            return False
        outside += sum(a + c > width + 1 or b + d > height + 1 for a, b, c, d in boxes)
    return outside > 1


def _listed(table: Table, row: Row) -> list[str]:
    """Return the numbers of a box that stand in a single cell."""
    return cell(row, table.place(_LIST)).strip("[]() ").replace(",", " ").split()


def _places(table: Table, form: str) -> list[int | None]:
    """Return the columns of the four numbers of a box; none if it stands in a single column."""
    names = {"corners": _CORNERS, "centred": (*_CENTRE, *_SIZE), "sized": (*_LEFT_TOP, *_SIZE)}
    return [1, 2, 3, 4] if form == "bare" else [table.place(each) for each in names.get(form, ())]


def _kind_place(table: Table, form: str) -> int | None:
    """Return the column of classes: the one named so, else the only other one that holds words."""
    if form == "bare":
        return 5
    place = table.place(_KIND)
    if place is not None:
        return place
    known = {table.image, *_places(table, form), *(table.place(names) for names in (_LIST, _POINTS, _RUNS, SPLIT, _BOTH))}
    words = [
        at
        for at, column in enumerate(table.columns)
        if at not in known and column not in _NO_KIND and not all(_is_number(row[at]) for row in table.first)
    ]
    return words[0] if len(words) == 1 else None


def _add(found: Listing, folder: Folder, table: Table, form: str, image: str, rows: list[Row], *, fractions: bool) -> None:
    kind, count = _kind_place(table, form), table.place(_NUMBERED)

    def objects(size: tuple[int, int]) -> Iterator[Shape | str]:
        for row in rows:
            said = cell(row, kind)
            name = class_name(names_of_codes(folder).get(said, said) if said.startswith("/") else said)
            if (both := table.place(_BOTH)) is not None:
                name = f"class {cell(row, both).rpartition('_')[2]}"
            elif form != "bare" and kind is not None and table.columns[kind] in _NUMBERED:
                name = f"class {name}"
            elif not said and (numbered := cell(row, count)):  # the names were not written, as by supervision's CSVSink
                name = f"class {numbered}"
            yield from _shapes(table, form, row, name, size, fractions=fractions)

    split = cell(rows[0], table.place(SPLIT))
    part: Part | None = PARTS.get(split.lower()) or table.part or part_of_image(image)
    add_objects(found, folder, image, table.path, objects, part=part, shared=True)


def _shapes(table: Table, form: str, row: Row, name: str, size: tuple[int, int], *, fractions: bool) -> Iterator[Shape | str]:
    """Yield the shape of a row, or what an object lacks; nothing for a row without an object. Raises ValueError."""
    if form in ("runs", "points"):
        drawn = cell(row, table.place(_RUNS if form == "runs" else _POINTS))
        if drawn in _NO_RUNS:
            return
        name = name or "object"
        shape = _of_points(name, drawn) if drawn.startswith("[") else _of_runs(name, drawn, size)
        if shape is not None:
            yield shape
        return
    said = _listed(table, row) if form == "list" else [table.decimal(cell(row, at)) for at in _places(table, form)]
    if not any(said):
        if name and name.lower() not in _NOTHING:
            yield f"{name}, without a box"
        return
    if len(said) != 4:
        raise ValueError(f"{len(said)} numbers for a box")
    scale = (float(size[0]), float(size[1])) if fractions else (1.0, 1.0)
    a, b, c, d = (number(value) * scale[at % 2] for at, value in enumerate(said))
    if form == "centred":
        a, b, c, d = a - c / 2, b - d / 2, a + c / 2, b + d / 2
    elif form in ("list", "sized"):
        c, d = a + c, b + d
    elif table.has(*_PIXELS):
        c, d = c + 1, d + 1
    yield Shape(name or "object", (a, b, c, d))


def _of_points(name: str, text: str) -> Shape:
    """Return a polygon written as a list of points, flat or of pairs. Raises ValueError."""
    values = [number(word) for word in re.findall(r"[^\s,\[\](){}]+", text)]
    if len(values) % 2:
        raise ValueError(f"{len(values)} numbers for the points of a polygon")
    return polygon(name, list(zip(values[::2], values[1::2], strict=True)))


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
