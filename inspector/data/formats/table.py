"""A .csv with a line an image: its path and label, and perhaps the group (part or lot), the part of the split it is in, and
how sure the label is (0..1]: two experts of three say 0.6667.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.mask_folders import PARTS
from inspector.data.formats.record import Listing, Record, Tick, class_name
from inspector.data.formats.scan import Folder, peek, read_text

TITLE = message("Table of labels")
EXPECTED = message("a .csv with the columns path and label, and perhaps group, split and confidence")
_PATH = ("path", "file", "filename", "file_name", "image", "image_path", "filepath")
_LABEL = ("label", "class", "class_name", "category", "target")
_GROUP = ("group", "part", "part_id", "lot", "lot_id", "serial")
_SPLIT = ("split", "set", "subset", "fold")
_CONFIDENCE = ("confidence", "label_confidence")
_LARGEST = 256 << 20


def file(folder: Folder) -> str | None:
    """Return the table at the top of the folder, if there is one."""
    for name in sorted(folder.files):
        if "/" not in name and name.lower().endswith(".csv"):
            first = peek(folder.files[name]).split(b"\n", 1)[0].decode("utf-8-sig", "replace").rstrip("\r")
            try:
                columns = next(csv.reader([first], delimiter=_delimiter(first)), [])
            except csv.Error:
                continue
            if _column(columns, _PATH) is not None and _column(columns, _LABEL) is not None:
                return name
    return None


def matches(folder: Folder) -> bool:
    """Return whether there is such a table."""
    return file(folder) is not None


def read(folder: Folder, tick: Tick) -> Listing:
    """Return the lines of the table. Images that it does not list are not labelled."""
    name = file(folder)
    if name is None:
        raise ConfigError("There is no table of labels in {folder}.", folder=folder.root)
    path = folder.files[name]
    found = Listing(TITLE)
    seen: dict[str, str] = {}
    contradicted: set[str] = set()
    for line, said, label, group, split, sure in _rows(path):
        tick()
        image = folder.find(said)
        part = PARTS.get(split.lower()) if split else None
        confidence = _confidence(sure)
        if image is None:
            found.problems.append(message("{image} is listed in {file} but is not there.", image=said, file=path))
        elif not label:
            found.unlabelled(folder, [image])
            seen[image] = ""
        elif split and part is None:
            found.problems.append(
                message("{file} line {line}: {split!r} is not train, val or test.", file=path, line=line, split=split)
            )
        elif confidence is None:
            seen[image] = ""
            found.problems.append(
                message(
                    "{file} line {line}: the confidence {value!r} is not a number above 0 and up to 1; {image} is not used.",
                    file=path,
                    line=line,
                    value=sure,
                    image=said,
                )
            )
        elif image in seen:
            if seen[image] != label:
                contradicted.add(image)
                found.problems.append(
                    message("{image} is listed with different labels in {file}; it is not used.", image=said, file=path)
                )
        else:
            seen[image] = label
            found.records.append(Record(image, folder.files[image], label=label, group=group, part=part, confidence=confidence))
    found.records = [record for record in found.records if record.name not in contradicted]
    found.unlabelled(folder, [image for image in folder.images if image not in seen])
    return found


def _confidence(said: str) -> float | None:
    """Return a share above 0, 1 where nothing is said; None: that is none."""
    try:
        value = float(said or 1)
    except ValueError:
        return None
    return value if 0 < value <= 1 else None


def _rows(path: Path) -> Iterator[tuple[int, str, str, str, str, str]]:
    """Yield (line, path, label, group, split, confidence). Raises ConfigError."""
    text = read_text(path, limit=_LARGEST)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text[:4096].split("\n", 1)[0]))
        columns = next(rows, [])
        at = [_column(columns, names) for names in (_PATH, _LABEL, _GROUP, _SPLIT, _CONFIDENCE)]
        for row in rows:
            if row:
                said = ["" if index is None or index >= len(row) else row[index].strip() for index in at]
                yield rows.line_num, said[0], class_name(said[1]), said[2], said[3], said[4]
    except csv.Error as error:
        raise ConfigError("{file} cannot be read ({detail}).", file=path, detail=error) from error


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def _column(columns: list[str], names: tuple[str, ...]) -> int | None:
    lowered = [column.strip().lower() for column in columns]
    return next((lowered.index(name) for name in names if name in lowered), None)
