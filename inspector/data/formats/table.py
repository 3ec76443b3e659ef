"""A .csv with one line per image: its path and label.

Optional columns: the group (part or lot), the part of the split, the mask of the labelled class, and the certainty of the label
(0..1]: two experts of three give 0.6667. Alternatively there is a column for each class, exactly one of which is 1, as Roboflow
writes it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inspector.core.message import message
from inspector.data.formats.columns import SPLIT, Table, cell, names_of_codes, tables
from inspector.data.formats.layouts.object_table import EXAMPLE, form_of
from inspector.data.formats.names import GOOD, PARTS
from inspector.data.formats.record import Claim, Listing, Record, Tick, claim, class_name
from inspector.data.formats.scan import Folder

TITLE = message("Table of labels")
BY_HAND: Final = "inspector-labels.csv"  # written by `data.labelling`; nothing else in the folder counts beside it
EXPECTED = message("a .csv with the columns path and label, and perhaps group, split and confidence")
_GROUP = ("group", "part", "part_id", "lot", "lot_id", "serial")
_CONFIDENCE = ("confidence", "label_confidence")
_MASK = ("mask", "mask_path", "mask_file")
_OBJECTS = (("xmin", "x1", "left", "bbox"), ("encodedpixels",), ("maskpath", "boxid"))
_WEIGHT = 0.9
_BETWEEN = re.compile(r"[\s,;|]+")  # several labels in one cell
_BY_HAND = 1.0
_ONE = frozenset({"1", "1.0"})


def _usable(folder: Folder) -> list[Table]:
    """Return the tables of labels, those at the top before those in subfolders."""
    found = []
    for table in tables(folder):
        if table.image is None or any(table.has(names) for names in _OBJECTS) or form_of(table, folder):
            continue
        if (table.label is not None and not _drawn(table)) or _one_hot(table):
            if table.name == BY_HAND:
                return [table]
            found.append(table)
    found = [table for table in found if EXAMPLE not in table.name.lower()] or found
    top = min((table.name.count("/") for table in found), default=0)
    return [table for table in found if table.name.count("/") == top]


def _drawn(table: Table) -> bool:
    """Return whether the labels are drawings written as JSON, as in Label Studio's .csv, which names no class of an image."""
    return any(cell(row, table.label).startswith(("[", "{")) for row in table.first)


def _one_hot(table: Table) -> bool:
    """Return whether every other column holds only 0 and 1."""
    others = [value.strip() for row in table.first for at, value in enumerate(row) if at != table.image]
    return len(table.columns) > 2 and bool(others) and set(others) <= {"0", "0.0", *_ONE}


def look(folder: Folder) -> Claim | None:
    """Recognise such tables by the images that they list."""
    used = 0.0
    usable = _usable(folder)
    if [table.name for table in usable] == [BY_HAND]:
        return Claim(_BY_HAND, message("{file} holds labels that were given by hand", file=BY_HAND))
    for table in usable:
        if table.image is not None:
            used += table.known(folder, table.image) * table.lines()
    return claim(_WEIGHT, used, len(folder.images), message("tables of labels list about {count} images", count=round(used)))


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of a table, as written."""

    table: Table
    line: int
    image: str
    label: str
    group: str
    split: str
    sure: str
    mask: str

    @property
    def file(self) -> Path:
        return self.table.path


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the lines of the tables. Images that no table lists are unlabelled."""
    found = Listing(TITLE)
    seen: dict[str, str] = {}
    contradicted: set[str] = set()
    masks: set[str] = set()
    for table in _usable(folder):
        for row in _rows(table, names_of_codes(folder)):
            tick()
            image = table.find(folder, row.image)
            mask = folder.find(row.mask, table.folder) if row.mask else None
            if mask is not None:
                masks.add(mask)
            if image is None:
                found.problems.append(message("{image} is listed in {file} but is not there.", image=row.image, file=row.file))
            elif image in seen:
                if seen[image] not in ("", row.label):
                    contradicted.add(image)
                    found.problems.append(
                        message(
                            "{image} is listed with different labels in {file}; it is not used.", image=row.image, file=row.file
                        )
                    )
            else:
                seen[image] = ""
                record = _record(folder, row, image, mask, found)
                if record is not None:
                    seen[image] = row.label
                    found.records.append(record)
    found.records = [record for record in _of_one_class(found) if record.name not in contradicted]
    found.missing += [image for image in folder.images if image not in seen and image not in masks]
    return found


def _of_one_class(found: Listing) -> list[Record]:
    """Return the records without those of several classes ("dent scratch"), each of which is that of other images."""
    alone = {record.label for record in found.records}
    kept = []
    for record in found.records:
        words = [word for word in _BETWEEN.split(record.label or "") if word]
        if len(words) > 1 and alone.issuperset(words):
            found.problems.append(
                message(
                    "{file} has {count} labels and is not used: it can be of one class only.",
                    file=record.path,
                    count=len(words),
                )
            )
        else:
            kept.append(record)
    return kept


def _record(folder: Folder, row: _Row, image: str, mask: str | None, found: Listing) -> Record | None:
    """Return the record of a row; None, with a problem noted, if the row holds nothing usable."""
    part = PARTS.get(row.split.lower()) if row.split else row.table.part
    confidence = _confidence(row.sure)
    if not row.label:
        found.missing.append(image)
    elif row.split and part is None:
        found.problems.append(
            message("{file} line {line}: {split!r} is not train, val or test.", file=row.file, line=row.line, split=row.split)
        )
    elif confidence is None:
        found.problems.append(
            message(
                "{file} line {line}: the confidence {value!r} is not a number above 0 and up to 1; {image} is not used.",
                file=row.file,
                line=row.line,
                value=row.sure,
                image=row.image,
            )
        )
    elif row.mask and mask is None:
        found.problems.append(message("{image} is listed in {file} but is not there.", image=row.mask, file=row.file))
    else:
        masked = row.table.has(_MASK)
        return Record(
            image,
            folder.files[image],
            label=row.label,
            shapes=() if masked and mask is None and row.label.lower() in GOOD else None,
            mask=folder.files[mask] if mask is not None else None,
            mask_class=row.label if mask is not None else None,
            any_value=True,
            # Files are numbered anew in every folder where good ones and others lie apart.
            group=row.group or (image if masked else ""),
            part=part,
            confidence=confidence,
        )
    return None


def _confidence(said: str) -> float | None:
    """Return a confidence above 0; 1 if the text is empty; None if the text is invalid."""
    try:
        value = float(said or 1)
    except ValueError:
        return None
    return value if 0 < value <= 1 else None


def _rows(table: Table, codes: Mapping[str, str]) -> Iterator[_Row]:
    """Yield the rows of a table. `codes`: the names of classes that it writes as codes. Raises ConfigError."""
    group, split, sure, mask = (table.place(names) for names in (_GROUP, SPLIT, _CONFIDENCE, _MASK))
    kind = table.label
    for line, row in table.rows():
        said = cell(row, kind) if kind is not None else _hot(table, row)
        label = class_name(codes.get(said, said))
        about = (cell(row, place) for place in (group, split, sure, mask))
        yield _Row(table, line, cell(row, table.image), label, *about)


def _hot(table: Table, row: Sequence[str]) -> str:
    """Return the only class whose column is 1; "" if there are none or several."""
    names = [name for at, name in enumerate(table.titles) if at != table.image and cell(row, at) in _ONE]
    return class_name(names[0]) if len(names) == 1 else ""
