"""Corrected inspections as labelled images: a folder for each class as `train` reads it, or boxes in the usual layouts."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from inspector.archive.archive import Archive
from inspector.archive.corrections import newest_of
from inspector.archive.evidence import write_native
from inspector.archive.filters import Filters
from inspector.archive.images import file_name, read_kept
from inspector.archive.store.query import count, every, name_of, result_of
from inspector.core.errors import ConfigError
from inspector.core.types import Annotation, Boxes, Pixels
from inspector.core.verdict import Verdict
from inspector.data.formats.write import Format, write_dataset
from inspector.data.samples import Dataset, Sample
from inspector.results.record_file import refused

_PLAIN: Final[Mapping[str, str]] = {Verdict.OK: "good", Verdict.NG: "bad"}  # classes of corrections that name none


Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class WrittenBoxes:
    """How many images were written, and how many NG parts were left out because no box was found that the label starts from."""

    images: int
    left_out: int


def write_labelled(
    archive: Archive, filters: Filters, folder: Path, *, progress: Progress = lambda _done, _of: None
) -> Mapping[str, int]:
    """Write the images of corrected inspections to FOLDER/CLASS, and return how many each class has.

    Where one region of a camera was classified, that region is written, because it is what a network has to learn. Raises
    ConfigError if the folder is not empty, and StorageError, also for an image that is missing or damaged. What
    `progress` raises ends it; nothing is left then.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError("{folder} is not empty.", remedy="Name a new folder.", folder=folder)
    counts: Counter[str] = Counter()
    try:
        for found, said in _corrected(archive, filters, progress):
            name = said["class_name"] or _PLAIN[said["verdict"]]
            for camera, pixels in _pictures(archive, found, "classification"):
                place = folder / _safe(name) / f"{name_of(archive.database, found['id'])}-{file_name(camera)}"
                place.parent.mkdir(parents=True, exist_ok=True)
                write_native(place, pixels)
                counts[name] += 1
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise refused(folder, error) from error
        raise
    return counts


def write_boxes(
    archive: Archive, filters: Filters, folder: Path, to: Format, *, progress: Progress = lambda _done, _of: None
) -> WrittenBoxes:
    """Write the images of corrected inspections with boxes. They start from what was found: a person draws on from there.

    An OK part has no box. Raises ConfigError if the folder is in use, there is nothing to write, or the layout holds no boxes,
    and StorageError.
    """
    samples: list[Sample] = []
    classes: dict[str, int] = {}
    left_out = 0
    with tempfile.TemporaryDirectory(prefix="inspector-") as name:
        for found, said in _corrected(archive, filters, progress):
            for camera, pixels in _pictures(archive, found, ""):
                boxes = [] if said["verdict"] == Verdict.OK else list(_found(found["record"], camera))
                if said["verdict"] == Verdict.NG and not boxes:
                    left_out += 1
                    continue
                place = Path(name) / f"{name_of(archive.database, found['id'])}-{file_name(camera)}"
                try:
                    write_native(place, pixels)
                except OSError as error:
                    raise refused(Path(name), error) from error
                samples.append(_sample(next(Path(name).glob(f"{place.name}.*")), boxes, classes))
        if not samples:
            raise ConfigError(
                "None of these parts can be written with boxes.", remedy="Correct parts in which something was found."
            )
        dataset = Dataset(Path(name), "detection", tuple(classes), tuple(samples))
        images, problems = write_dataset(dataset, folder, to)
    return WrittenBoxes(images, left_out + len(problems))


def _corrected(archive: Archive, filters: Filters, progress: Progress) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield all that is known of each corrected inspection, and its correction."""
    meant = replace(filters, corrected=True)
    total = count(archive.database, meant)
    for done, row in enumerate(every(archive.database, meant)):
        progress(done, total)
        found = result_of(archive.database, row["id"])
        said = newest_of(found["corrections"])
        if said is not None:  # else it was taken back meanwhile
            yield found, said


def _pictures(archive: Archive, found: Mapping[str, Any], task: str) -> Iterator[tuple[str, Pixels]]:
    """Yield the images that are kept by camera, reduced to the region that a bundle for this task looked at; "": whole."""
    for file in found["image_files"]:
        if file["deleted"] is None:
            camera = str(file["camera"])
            pixels = read_kept(archive.folder, file)
            yield camera, _part_of(pixels, found["record"], camera, task) if task else pixels


def _part_of(pixels: Pixels, record: Mapping[str, Any], camera: str, task: str) -> Pixels:
    predictions = [one for one in record["predictions"] if one["camera"] == camera and one["task"] == task]
    regions = {tuple(one["region"]) for one in predictions}
    if len(regions) != 1:
        return pixels
    x, y, width, height = regions.pop()
    return pixels[y : y + height, x : x + width]


def _found(record: Mapping[str, Any], camera: str) -> Iterator[tuple[str, Sequence[float]]]:
    """Yield class and corners of what was found: boxes, or the areas of masks where no bundle gives boxes."""
    seen = [one for one in record["predictions"] if one["camera"] == camera]
    for key in ("boxes", "areas"):
        items = [item for one in seen for item in one.get(key, ())]
        if items:
            yield from ((str(item["class"]), item["box"]) for item in items)
            return


def _sample(path: Path, boxes: Sequence[tuple[str, Sequence[float]]], classes: dict[str, int]) -> Sample:
    """Return an image with its boxes; new classes are added."""
    kinds = [classes.setdefault(name, len(classes)) for name, _ in boxes]
    corners = np.array([box for _, box in boxes], np.float32).reshape(-1, 4)
    truth = Boxes(corners, np.ones(len(boxes), np.float32), np.array(kinds, np.int64))
    shows = tuple(dict.fromkeys(name for name, _ in boxes))
    return Sample(path.name, path, path.name, shows[0] if shows else "", Annotation(boxes=truth), shows=shows)


def _safe(name: str) -> str:
    """Return a class as the name of a folder."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)[:60] or "unnamed"
