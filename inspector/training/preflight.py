"""Checks before a training starts: whether its results can be written and its inputs read."""

import shutil
import tempfile
from pathlib import Path

from inspector.bundles.bundle import CARD
from inspector.core.errors import InspectorError
from inspector.core.message import Message, message
from inspector.core.registry import NETWORKS
from inspector.runs.folder import CHECKPOINT, RUN, read_run, run_path
from inspector.runs.settings import TrainSettings

_SMALL_MB = 10.0  # of a network with another width or head, and of one that says nothing
# While a checkpoint replaces the earlier one there are two, each with weights, two moments of Adam and the best epoch; while
# the bundle is written its weights and its graph are there twice.
_RUN_COPIES = 8
_BUNDLE_COPIES = 4
_REST_MB = 50.0  # messages, curves, pictures, report
_MB = 1e6


def preflight(settings: TrainSettings) -> list[Message]:
    """Return a sentence for each thing that would certainly fail in this run; empty if nothing is known to.

    Leaves no trace on disk.
    """
    return [*_inputs(settings), *preflight_places(settings)]


def preflight_places(settings: TrainSettings) -> list[Message]:
    """Return the same for the places that the run writes to only."""
    run = run_path(settings)
    problems = [*_bundle_place(settings.out), *_run_place(run)]
    places = {run: weights_mb(settings) * _RUN_COPIES + _REST_MB, settings.out: weights_mb(settings) * _BUNDLE_COPIES}
    unwritable = [problem for folder in places if (problem := _unwritable(folder)) is not None]
    return [*problems, *(unwritable[:1] or _space(places, earlier=run / CHECKPOINT))]


def weights_mb(settings: TrainSettings) -> float:
    """Return the approximate size of the weights in MB."""
    if settings.options.keys() & {"filters", "head", "width"} or settings.network not in NETWORKS:
        return _SMALL_MB
    network = NETWORKS[settings.network]
    weights = network.megabytes or _SMALL_MB
    return weights * settings.width * settings.height / 224**2 if network.by_area else weights


def _inputs(settings: TrainSettings) -> list[Message]:
    problems = []
    if not settings.data.is_dir():
        problems.append(message("There is no folder {folder}.", folder=settings.data))
    if settings.pretrained and settings.pretrained != "imagenet" and not Path(settings.pretrained).is_file():
        problems.append(message("There is no file {file} with weights to start from.", file=settings.pretrained))
    return problems


def _bundle_place(folder: Path) -> list[Message]:
    if folder.exists() and not (folder / CARD).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        return [message("{folder} exists and is not a bundle.", folder=folder)]
    return []


def _run_place(folder: Path) -> list[Message]:
    if not folder.exists():
        return []
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / RUN).is_file()):
        return [message("{folder} exists and is not a training run.", folder=folder)]
    try:
        if (folder / RUN).is_file() and read_run(folder).alive():
            return [message("The training in {folder} is still going on.", folder=folder)]
    except InspectorError:
        return []  # a damaged record of an earlier run is no reason not to start anew
    return []


def _existing(folder: Path) -> Path:
    """Return the folder itself, or its nearest existing parent."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _unwritable(folder: Path) -> Message | None:
    place = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return message("Nothing can be written to {folder} ({detail}).", folder=place, detail=error.strerror or error)
    return None


def _space(places: dict[Path, float], *, earlier: Path) -> list[Message]:
    """Return a sentence for each disk with too little free space; run and bundle may share a disk.

    The space of an earlier checkpoint counts as free.
    """
    needed: dict[int, float] = {}
    free: dict[int, tuple[Path, float]] = {}
    for folder, size in places.items():
        place = _existing(folder)
        try:
            disk, room = place.stat().st_dev, shutil.disk_usage(place).free / _MB
        except OSError:
            continue
        needed[disk] = needed.get(disk, 0.0) + size
        if place == earlier.parent and earlier.is_file():
            room += earlier.stat().st_size / _MB
        free[disk] = (place, max(room, free[disk][1]) if disk in free else room)
    return [
        message(
            "There is too little free space in {folder}: the training needs about {needed:.0f} MB, and {free:.0f} MB are free.",
            folder=place,
            needed=needed[disk],
            free=room,
        )
        for disk, (place, room) in free.items()
        if room < needed[disk]
    ]
