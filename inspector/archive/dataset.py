"""Corrected inspections as labelled images: a folder for each class, as `train` reads it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from inspector.archive.archive import Archive
from inspector.archive.corrections import newest_of
from inspector.archive.evidence import write_native
from inspector.archive.filters import Filters
from inspector.archive.images import file_name, read_kept
from inspector.archive.store.query import every, name_of, result_of
from inspector.core.errors import ConfigError
from inspector.core.types import Pixels
from inspector.core.verdict import Verdict
from inspector.results.record_file import refused

_PLAIN: Final[Mapping[str, str]] = {Verdict.OK: "good", Verdict.NG: "bad"}  # classes of corrections that name none


def write_labelled(archive: Archive, filters: Filters, folder: Path) -> Mapping[str, int]:
    """Write the images of corrected inspections to FOLDER/CLASS, and return how many each class has.

    Where one region of a camera was classified, that region is written, because it is what a network has to learn. Raises
    ConfigError if the folder is not empty, and StorageError, also for an image that is missing or damaged.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError("{folder} is not empty.", remedy="Name a new folder.", folder=folder)
    counts: Counter[str] = Counter()
    for row in every(archive.database, replace(filters, corrected=True)):
        found = result_of(archive.database, row["id"])
        said = newest_of(found["corrections"])
        if said is None:
            continue  # taken back meanwhile
        name = said["class_name"] or _PLAIN[said["verdict"]]
        for file in found["image_files"]:
            if file["deleted"] is not None:
                continue
            camera = str(file["camera"])
            pixels = _part_of(read_kept(archive.folder, file), found["record"], camera)
            place = folder / _safe(name) / f"{name_of(archive.database, row['id'])}-{file_name(camera)}"
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                write_native(place, pixels)
            except OSError as error:
                raise refused(folder, error) from error
            counts[name] += 1
    return counts


def _part_of(pixels: Pixels, record: Mapping[str, Any], camera: str) -> Pixels:
    predictions = [one for one in record["predictions"] if one["camera"] == camera and one["task"] == "classification"]
    regions = {tuple(one["region"]) for one in predictions}
    if len(regions) != 1:
        return pixels
    x, y, width, height = regions.pop()
    return pixels[y : y + height, x : x + width]


def _safe(name: str) -> str:
    """Return a class as the name of a folder."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)[:60] or "unnamed"
