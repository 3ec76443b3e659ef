"""Images with temperatures, from a table or from radiometric files.

The table is temperatures.csv (file, maximum, mean, minimum in kelvin, or file and spots). Without it, the temperatures of
radiometric files are used.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.data.formats.record import Claim, Listing, Record, Tick, claim
from inspector.data.formats.scan import Folder, read_text
from inspector.imaging.files import read_image

TABLE = "temperatures.csv"
TITLE = message("Thermal images with temperatures")
MEASURED = message("Radiometric files")
EXPECTED = message(
    "radiometric files, or images and a temperatures.csv with the columns file, maximum, mean, minimum in kelvin"
)
_COLUMNS = ("file", "maximum", "mean", "minimum")
_SPOT = "spot"
_LOOKED_AT = 3
_COLD = 200.0  # kelvin: what is never warmer was rather measured in degrees Celsius


def look(folder: Folder) -> Claim | None:
    """Recognise a table of temperatures, or images that hold temperatures."""
    total = max(1, len(folder.images))
    return claim(
        1.0, total if matches(folder) else 0, total, message("the first images, or a table beside them, hold temperatures")
    )


def matches(folder: Folder) -> bool:
    """Return whether there is a table of temperatures, or the first images hold temperatures."""
    if TABLE in folder.files:
        return True
    for name in folder.images[:_LOOKED_AT]:
        if name.lower().endswith((".jpg", ".jpeg", ".tif", ".tiff")):
            try:
                return read_image(folder.files[name]).unit == "kelvin"
            except ConfigError:
                continue
    return False


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the temperatures from the table, else from the pixels of every image."""
    return _from_table(folder, tick) if TABLE in folder.files else _measured(folder, tick)


def _measured(folder: Folder, tick: Tick) -> Listing:
    found = Listing(MEASURED)
    for name in folder.images:
        tick()
        path = folder.files[name]
        try:
            image = read_image(path)
        except ConfigError as error:
            found.problems.append(error.problem)
            continue
        if image.unit != "kelvin":
            found.skip("{file} holds no temperatures and is not used.", path)
            continue
        alive = image.pixels[np.isfinite(image.pixels)]
        values = (float(alive.max()), float(alive.mean(dtype="float64")), float(alive.min()))
        found.records.append(Record(name, path, kelvin=values))
    return found


def _from_table(folder: Folder, tick: Tick) -> Listing:
    found = Listing(TITLE)
    listed: dict[str, tuple[float, float, float]] = {}
    contradicted: set[str] = set()
    for said, values in _rows(folder.files[TABLE], found.problems):
        tick()
        name = folder.exact(said)
        if name is None or name not in folder.images_set:
            found.skip("{file} is listed in temperatures.csv but is not there.", folder.root / said)
        elif listed.setdefault(name, values) != values and name not in contradicted:
            contradicted.add(name)
            found.skip("{file} is listed with different temperatures; it is not used.", folder.files[name])
    found.records = [
        Record(name, folder.files[name], kelvin=values) for name, values in listed.items() if name not in contradicted
    ]
    if found.records and max(record.kelvin[0] for record in found.records if record.kelvin) < _COLD:
        found.skip("No temperature in {file} is above -73 degrees Celsius; are they in kelvin?", folder.files[TABLE])
    found.missing += [name for name in folder.images if name not in listed]
    return found


def _rows(path: Path, problems: list[Message]) -> Iterator[tuple[str, tuple[float, float, float]]]:
    try:
        rows = csv.DictReader(io.StringIO(read_text(path, limit=64 << 20), newline=""))
        columns = rows.fieldnames or ()
        spots = [name for name in columns if name.lower().startswith(_SPOT)]
        if (set(_COLUMNS) - set(columns)) and not ("file" in columns and spots):
            raise ConfigError(
                "{file} lacks columns.", remedy="Its first line is: {columns}.", file=path, columns=",".join(_COLUMNS)
            )
        for number, row in enumerate(rows, start=2):
            values = _spots(row, spots) if set(_COLUMNS) - set(columns) else _kelvins(row)
            if values is None:
                problems.append(message("{file} line {line}: not three temperatures in kelvin.", file=path, line=number))
            else:
                yield row["file"], values
    except csv.Error as error:
        raise ConfigError("{file} cannot be read ({detail}).", file=path, detail=error) from error


def _spots(row: Mapping[str, str], columns: list[str]) -> tuple[float, float, float] | None:
    """Return (maximum, mean, minimum) of the temperatures measured at spots."""
    try:
        values = [float(row[name]) for name in columns if (row[name] or "").strip()]
    except ValueError:
        return None
    sane = values and row["file"] and all(math.isfinite(value) and 0 < value < 10_000 for value in values)
    return (max(values), sum(values) / len(values), min(values)) if sane else None


def _kelvins(row: Mapping[str, str]) -> tuple[float, float, float] | None:
    """Return (maximum, mean, minimum); None if they cannot be a scene's temperatures in kelvin."""
    try:
        high, mean, low = (float(row[name]) for name in _COLUMNS[1:])
    except (TypeError, ValueError):
        return None
    # Looser than equality allows for rounding in the file.
    sane = all(math.isfinite(value) and 0 < value < 10_000 for value in (high, mean, low)) and low <= mean + 0.1 <= high + 0.2
    return (high, mean, low) if sane and row["file"] else None
