"""Corrected inspections as labelled images: class folders, boxes or masks in the usual layouts, with a test part that stays."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from inspector.archive.archive import Archive
from inspector.archive.contents import event_content
from inspector.archive.corrections import newest_of
from inspector.archive.exports.evidence import write_native
from inspector.archive.filters import Filters
from inspector.archive.images import file_name, read_kept
from inspector.archive.store.query import count, every, name_of, page, result_of
from inspector.bundles.bundle import Bundle, read_card
from inspector.core.errors import ConfigError, InspectorError
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import Annotation, Boxes, Pixels, TaskName
from inspector.core.verdict import Verdict
from inspector.data.annotations import read_dataset
from inspector.data.formats.write import Format, write_dataset
from inspector.data.outlines import Outline, run_lengths
from inspector.data.samples import PARTS, Dataset, DrawnMask, Part, Sample
from inspector.data.split import read_split
from inspector.results.record_file import refused
from inspector.runs.folder import find_runs, read_run

_PLAIN: Final[Mapping[str, str]] = {Verdict.OK: "good", Verdict.NG: "bad"}  # classes of corrections that name none
_TEST_SHARE: Final = 0.2  # of the parts that no training ever learns from


Progress = Callable[[int, int], None]
_Found = tuple[str, Sequence[float], Sequence[int]]  # class, corners, run lengths inside them


@dataclass(frozen=True, slots=True)
class BaseData:
    """The data that a bundle was trained with, to which corrected parts are added. Its test part stays what it was."""

    folder: Path
    bundle: Path


@dataclass(frozen=True, slots=True)
class WrittenData:
    """What was written.

    `counts`: images of corrected parts with each class. `left_out`: NG images in which nothing was found that a label starts
    from. `test`: images of the test part, those of the base data included; 0 where none is kept apart. `fingerprint`: of the
    data set, as the card of a bundle names it that is trained with it.
    """

    counts: Mapping[str, int]
    images: int
    left_out: int
    test: int
    fingerprint: str


@dataclass(slots=True)
class _Collected:
    samples: list[Sample] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    left_out: int = 0


def is_test_part(part: str) -> bool:
    """Return whether a part belongs to the test part of every data set, by a hash of its id: no training learns from it."""
    digest = hashlib.sha256(part.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") < _TEST_SHARE * 2**32


def write_corrected(
    archive: Archive,
    filters: Filters,
    folder: Path,
    to: Format,
    *,
    who: str = "",
    base: BaseData | None = None,
    keep_test: bool = False,
    progress: Progress = lambda _done, _of: None,
) -> WrittenData:
    """Write the images of corrected inspections with their labels to a new folder, and record who has done it.

    Boxes and masks start from what was found; a person draws on from there. Class folders get the region that one bundle
    classified. `keep_test`: the test part of the split is kept apart, the same in every data set (`is_test_part`), and that of
    `base`. Raises ConfigError if the folder is in use or there is nothing to write, and StorageError, also for an image that is
    missing or damaged. What `progress` raises ends it; nothing is left then.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError("{folder} is not empty.", remedy="Name a new folder.", folder=folder)
    kept = keep_test or base is not None
    collected = _Collected()
    with temporary_folder() as place:
        task = _collect(archive, filters, place, to, collected, kept=kept, progress=progress)
        if not collected.samples:
            raise _nothing(to)
        samples, classes = (collected.samples, tuple(collected.classes)) if base is None else _with_base(base, task, collected)
        images, problems = write_dataset(Dataset(place, task, classes, tuple(samples)), folder, to)
    written = WrittenData(
        counts=Counter(kind for sample in collected.samples for kind in sample.kinds if kind),
        images=images,
        left_out=collected.left_out + len(problems),
        test=sum(sample.part == "test" for sample in samples),
        fingerprint=read_dataset(folder, task).fingerprint(),
    )
    facts = {"images": images, "left_out": written.left_out, "test": written.test, "fingerprint": written.fingerprint}
    facts["kept_apart"] = kept
    archive.write(event_content("dataset", who=who, target=str(folder), layout=to, selection=filters.described(), **facts))
    return written


def _nothing(to: Format) -> ConfigError:
    if to == "folders":
        return ConfigError(
            "None of these parts is corrected and has a picture.", remedy="Correct parts whose pictures were kept."
        )
    return ConfigError(
        "None of these parts can be written with boxes or masks.", remedy="Correct parts in which something was found."
    )


def data_behind(archive: Archive, filters: Filters, runs: Path) -> BaseData | None:
    """Return the data of the training whose bundle judged the newest corrected part; None if it is not on this computer.

    `runs`: the folder of the trainings.
    """
    row = next(iter(page(archive.database, replace(filters, corrected=True), limit=1).rows), None)
    judged = set() if row is None else set(row["internal_configuration_id"].split())
    for folder in find_runs(runs) if judged else ():
        with suppress(InspectorError):  # of a training that is under way, or was damaged
            settings = read_run(folder).train_settings()
            if Bundle(settings.out, read_card(settings.out)).fingerprint in judged and settings.data.is_dir():
                return BaseData(settings.data, settings.out)
    return None


def layout_for(archive: Archive, filters: Filters) -> Format:
    """Return the layout for a training on corrected parts: with boxes or masks where the newest was judged by them."""
    row = next(iter(page(archive.database, replace(filters, corrected=True), limit=1).rows), None)
    record = {} if row is None else result_of(archive.database, row["id"])["record"]
    tasks = {one.get("task") for one in record.get("predictions", ())}
    return "coco" if tasks & {"detection", "segmentation"} and "classification" not in tasks else "folders"


def _collect(
    archive: Archive, filters: Filters, place: Path, to: Format, into: _Collected, *, kept: bool, progress: Progress
) -> TaskName:
    """Write the images to `place`, and return the task that their labels are for."""
    masked = to == "masks" or (to in ("coco", "yolo") and _has_masks(archive, filters))
    for found, said in _corrected(archive, filters, progress):
        part: Part | None = ("test" if is_test_part(found["part_id"]) else "train") if kept else None
        for camera, pixels in _pictures(archive, found, "classification" if to == "folders" else ""):
            name = f"{name_of(archive.database, found['id'])}-{file_name(camera)}"
            label = _label(found["record"], said, camera, pixels, into, to, masked=masked)
            if label is None:
                into.left_out += 1
                continue
            try:
                write_native(place / name, pixels)
            except OSError as error:
                raise refused(place, error) from error
            path = next(place.glob(f"{name}.*"))
            truth, outlines, shows = label
            mask = DrawnMask(path, outlines) if masked else None
            into.samples.append(
                Sample(path.name, path, found["part_id"], next(iter(shows), ""), truth, mask=mask, part=part, shows=shows)
            )
    return "classification" if to == "folders" else "segmentation" if masked else "detection"


def _label(
    record: Mapping[str, Any],
    said: Mapping[str, Any],
    camera: str,
    pixels: Pixels,
    into: _Collected,
    to: Format,
    *,
    masked: bool,
) -> tuple[Annotation, tuple[tuple[Outline, int], ...], tuple[str, ...]] | None:
    """Return labels, outlines and classes of an image; None: nothing was found in a part that is NG."""
    if to == "folders":
        name = said["class_name"] or _PLAIN[said["verdict"]]
        return Annotation(label=into.classes.setdefault(name, len(into.classes))), (), (name,)
    items = [] if said["verdict"] == Verdict.OK else list(_objects(record, camera, masked=masked))
    if said["verdict"] == Verdict.NG and not items:
        return None
    if said["class_name"] and all(name != said["class_name"] for name, _, _ in items):
        items = [(said["class_name"], box, runs) for _, box, runs in items]  # the person knows better what it is
    kinds = [into.classes.setdefault(name, len(into.classes)) for name, _, _ in items]
    shows = tuple(dict.fromkeys(name for name, _, _ in items))
    if masked:
        try:
            outlines = [_outline(box, runs, pixels.shape) for _, box, runs in items]
        except ValueError:  # a record that was not written by this program
            return None
        return Annotation(), tuple((one, kind + 1) for one, kind in zip(outlines, kinds, strict=True)), shows
    corners = np.array([box for _, box, _ in items], np.float32).reshape(-1, 4)
    return Annotation(boxes=Boxes(corners, np.ones(len(items), np.float32), np.array(kinds, np.int64))), (), shows


def _outline(box: Sequence[float], runs: Sequence[int], shape: Sequence[int]) -> Outline:
    """Return the area of a mask as run lengths of the whole image."""
    left, top, right, bottom = (int(value) for value in box)
    whole = np.zeros((shape[0], shape[1]), np.bool_)
    whole[top:bottom, left:right] = Outline((), tuple(runs), (bottom - top, right - left)).pixels()
    return Outline((), run_lengths(whole), (shape[0], shape[1]))


def _with_base(base: BaseData, task: TaskName, collected: _Collected) -> tuple[list[Sample], tuple[str, ...]]:
    """Return the samples of the base data, whose test part stays, and the corrected ones, with the classes of both."""
    card, split = read_card(base.bundle), read_split(base.bundle)
    if card.task != task:
        raise ConfigError(
            "{bundle} does {task}, and these labels are for {other}.",
            remedy="Choose another layout.",
            bundle=card.name,
            task=card.task,
            other=task,
        )
    given = read_dataset(base.folder, task, classes=card.classes, backgrounds=bool(card.training.get("backgrounds", False)))
    parts: dict[str, Part] = {name: part for part in PARTS for name in split[part]}
    names = (*given.classes, *(name for name in collected.classes if name not in given.classes))
    own = [replace(sample, part=parts.get(sample.name, "train")) for sample in given.samples]
    return own + [_renumbered(sample, tuple(collected.classes), names) for sample in collected.samples], names


def _renumbered(sample: Sample, before: Sequence[str], names: Sequence[str]) -> Sample:
    """Return the sample with the class indices of another list of names."""
    index = [names.index(name) for name in before]
    truth = sample.truth
    if truth.label is not None:
        truth = replace(truth, label=index[truth.label])
    if truth.boxes is not None:
        kinds = np.array([index[kind] for kind in truth.boxes.classes.tolist()], np.int64)
        truth = replace(truth, boxes=Boxes(truth.boxes.xyxy, truth.boxes.scores, kinds))
    mask = sample.mask
    if isinstance(mask, DrawnMask):
        mask = replace(mask, outlines=tuple((outline, index[value - 1] + 1) for outline, value in mask.outlines))
    return replace(sample, truth=truth, mask=mask)


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


def _has_masks(archive: Archive, filters: Filters) -> bool:
    """Return whether areas of a mask were found in one of the corrected NG parts."""
    meant = replace(filters, corrected=True, human_verdict=Verdict.NG)
    return any(
        next(_objects(result_of(archive.database, row["id"])["record"], camera=None, masked=True), None) is not None
        for row in every(archive.database, meant)
    )


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


def _objects(record: Mapping[str, Any], camera: str | None, *, masked: bool) -> Iterator[_Found]:
    """Yield what was found: areas of masks, or boxes, or the boxes of areas where no bundle gives boxes. None: any camera."""
    seen = [one for one in record.get("predictions", ()) if camera is None or one["camera"] == camera]
    if masked:
        areas = [area for one in seen for area in one.get("areas", ())]
        yield from ((str(area["class"]), area["box"], area["runs"]) for area in areas if "runs" in area)
        return
    for key in ("boxes", "areas"):
        items = [item for one in seen for item in one.get(key, ())]
        if items:
            yield from ((str(item["class"]), item["box"], ()) for item in items)
            return
