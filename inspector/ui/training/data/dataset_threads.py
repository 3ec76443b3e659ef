"""Threads that read a data folder without blocking the window: one surveys the folder, another fetches samples to show."""

import logging
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from inspector.cameras.demo.data import write_demo_data
from inspector.core.errors import ConfigError, InspectorError, as_problem
from inspector.core.types import IGNORE, Annotation, Boxes, Frame, TaskName
from inspector.data.annotations import read_dataset
from inspector.data.collector import no_collection
from inspector.data.samples import PARTS, Dataset, Sample, group_of
from inspector.data.split import split_samples
from inspector.data.survey import Survey, survey
from inspector.imaging.files import read_image
from inspector.ui.widgets.work_thread import WorkThread

log = logging.getLogger(__name__)

_SAY_EVERY: Final = 0.1  # seconds between two reports of progress
DEMO_PARTS: Final = 120
DEMO_SEED: Final = 7


class _GivenUp(Exception):
    """Raised when a result is no longer needed."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of the split."""

    val: float
    test: float
    seed: int
    group: str


@dataclass(frozen=True, slots=True)
class Division:
    """Result of a split: groups, images and images by class for each subset; or why the split cannot be made."""

    shares: Shares
    groups: Mapping[str, int]
    images: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]]
    examples: tuple[tuple[str, str], ...] = ()
    trouble: InspectorError | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A sample to show: its frame, reduced for a thumbnail, with the labels in pixels of that frame."""

    index: int
    name: str
    path: Path
    frame: Frame | None
    truth: Annotation
    trouble: InspectorError | None = None


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Stop quietly when nobody wants what is read any more. Raises ConfigError for a folder that cannot be read."""
    try:
        yield
    except _GivenUp:
        log.debug("%s is of no interest any more", folder)
    except OSError as error:
        raise ConfigError("The folder cannot be read ({detail}).", detail=error.strerror or error) from error


@dataclass(frozen=True, slots=True)
class Wanted:
    """A folder, and how its labels are read. `demo`: the demo data is written first, if it does not exist."""

    folder: Path
    demo: bool = False
    layout: str = ""
    backgrounds: bool = False


class SurveyThread(WorkThread[tuple[Wanted, int]]):
    """Surveys the newest requested folder; an older survey is abandoned.

    Every method but `end` returns at once. The first argument of each signal is the number that `look` returned.
    """

    progressed = Signal(int, int, int)
    previewed = Signal(int, object)
    surveyed = Signal(int, object)
    troubled = Signal(int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wanted: Wanted | None = None
        self._job = 0
        self._said = 0.0

    def look(self, wanted: Wanted) -> int:
        """Survey this folder next; return the number of the request."""
        with self._telling():
            self._wanted = wanted
            self._job += 1
            return self._job

    def give_up(self) -> None:
        """Abandon the survey."""
        with self._telling(start=False):
            self._wanted = None
            self._job += 1

    def _take(self) -> tuple[Wanted, int] | None:
        wanted, self._wanted = self._wanted, None
        return (wanted, self._job) if wanted is not None else None

    def _do(self, work: tuple[Wanted, int]) -> None:
        wanted, job = work
        with _reading(wanted.folder):
            if wanted.demo:
                self._write_demo(wanted.folder.parent, job)
            found = self._survey(wanted, job)
            if not self._over(job):
                self.surveyed.emit(job, found)

    def _failed(self, work: tuple[Wanted, int], error: InspectorError) -> None:
        _, job = work
        if not self._over(job):
            self.troubled.emit(job, error)

    def _survey(self, wanted: Wanted, job: int) -> Survey:
        return survey(
            wanted.folder,
            layout=wanted.layout,
            backgrounds=wanted.backgrounds,
            cancelled=lambda: self._over(job),
            progress=lambda done, total: self._say(job, done, total),
            preview=lambda found: self.previewed.emit(job, found),
        )

    def _write_demo(self, folder: Path, job: int) -> None:
        if folder.is_dir():
            return
        unfinished = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            write_demo_data(
                unfinished, parts=DEMO_PARTS, seed=DEMO_SEED, progress=lambda done, total: self._say(job, done, total)
            )
            unfinished.replace(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _say(self, job: int, done: int, total: int) -> None:
        if self._over(job):
            raise _GivenUp
        now = time.monotonic()
        if now - self._said >= _SAY_EVERY or done >= total:
            self._said = now
            self.progressed.emit(job, done, total)

    def _over(self, job: int) -> bool:
        return self._stop or job != self._job


@dataclass(frozen=True, slots=True)
class _Ask:
    """A request about a source's samples: `read` the labels, or answer a question."""

    source: tuple[Wanted, TaskName]
    dataset: Dataset | None = None
    whole: int | Path | None = None
    shares: Shares | None = None
    page: tuple[int, int, int] | None = None


class SampleThread(WorkThread[_Ask]):
    """Reads the labels of the chosen data once and then answers requests: pictures with their labels, and results of a split.

    Only the newest request of each kind is answered. `opened` carries the Dataset, `pictured` and `shown` a Picture, `divided`
    a Division, `troubled` an InspectorError.
    """

    opened = Signal(object)
    pictured = Signal(object)
    shown = Signal(object)
    divided = Signal(object)
    troubled = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._source: tuple[Wanted, TaskName] | None = None
        self._fresh = False  # True: the source is not read yet
        self._page: tuple[int, int, int] | None = None
        self._whole: int | Path | None = None
        self._shares: Shares | None = None
        self._dataset: Dataset | None = None

    def open(self, wanted: Wanted | None, task: TaskName | None) -> None:
        """Switch to this data; None: no data."""
        source = (wanted, task) if wanted is not None and task is not None else None
        with self._telling(start=source is not None):
            self._source, self._fresh = source, source is not None
            self._page = self._whole = self._shares = None
            self._dataset = None

    def want_page(self, first: int, count: int, side: int) -> None:
        """Fetch these samples, at most `side` pixels wide and high."""
        with self._telling(start=False):
            self._page = (first, count, side)

    def want_whole(self, which: int | Path) -> None:
        """Fetch one sample, or one image file of the data, in full."""
        with self._telling(start=False):
            self._whole = which

    def want_split(self, shares: Shares) -> None:
        """Compute the result of this split."""
        with self._telling(start=False):
            self._shares = shares

    # On the thread

    def _take(self) -> _Ask | None:
        source, dataset = self._source, self._dataset
        if source is None:
            return None
        if self._fresh:
            self._fresh = False
            return _Ask(source)
        if dataset is None:
            return None
        if self._whole is not None:
            whole, self._whole = self._whole, None
            return _Ask(source, dataset, whole=whole)
        if self._shares is not None:
            shares, self._shares = self._shares, None
            return _Ask(source, dataset, shares=shares)
        page, self._page = self._page, None
        return _Ask(source, dataset, page=page) if page is not None else None

    def _do(self, ask: _Ask) -> None:
        with _reading(ask.source[0].folder):
            if ask.dataset is None:
                self._open(ask.source)
            elif ask.whole is not None:
                self.shown.emit(_whole(ask.dataset, ask.whole))
            elif ask.shares is not None:
                with no_collection():
                    division = divide(ask.dataset, ask.shares)
                self.divided.emit(division)
            elif ask.page is not None:
                self._send_page(ask.source, ask.dataset, ask.page)

    def _failed(self, ask: _Ask, error: InspectorError) -> None:
        self.troubled.emit(error)

    def _open(self, source: tuple[Wanted, TaskName]) -> None:
        def tick() -> None:
            if self._stop or self._source != source:
                raise _GivenUp

        with no_collection():
            wanted, task = source
            dataset = read_dataset(wanted.folder, task, layout=wanted.layout, backgrounds=wanted.backgrounds, tick=tick)
        with self._wake:
            if self._source != source:
                return
            self._dataset = dataset
        self.opened.emit(dataset)

    def _send_page(self, source: tuple[Wanted, TaskName], dataset: Dataset, page: tuple[int, int, int]) -> None:
        first, count, side = page
        for index in range(first, min(first + count, len(dataset.samples))):
            if self._stop or self._source != source or self._page is not None:
                return
            self.pictured.emit(picture(dataset.samples[index], index, side=side))


def _whole(dataset: Dataset, which: int | Path) -> Picture:
    if isinstance(which, int):
        return picture(dataset.samples[which], which)
    for index, sample in enumerate(dataset.samples):
        if sample.path == which:
            return picture(sample, index)
    name = which.relative_to(dataset.folder).as_posix() if which.is_relative_to(dataset.folder) else which.name
    return picture(Sample(name, which, "", "", Annotation()), -1)


def picture(sample: Sample, index: int, *, side: int = 0) -> Picture:
    """Read a sample to show. `side`: maximum width and height in pixels; 0: original size."""
    try:
        image = read_image(sample.path)
        height, width = image.pixels.shape[:2]
        truth = sample.annotation(height, width)
    except ConfigError as error:
        return Picture(index, sample.name, sample.path, None, Annotation(), as_problem(error))
    pixels = image.pixels
    scale = min(1.0, side / max(width, height)) if side else 1.0
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), pixels.dtype)
        truth = _scaled(truth, size[0] / width, size[1] / height, size)
    frame = Frame(pixels, "training", index, time.monotonic(), datetime.now(UTC), unit=image.unit)
    return Picture(index, sample.name, sample.path, frame, truth)


def _scaled(truth: Annotation, scale_x: float, scale_y: float, size: tuple[int, int]) -> Annotation:
    boxes, mask = truth.boxes, truth.mask
    if boxes is not None:
        factors = np.array([scale_x, scale_y] * 2, np.float32)
        boxes = Boxes((boxes.xyxy * factors).astype(np.float32), boxes.scores, boxes.classes)
    return replace(truth, boxes=boxes, mask=None if mask is None else _shrunk(mask, size))


def _shrunk(mask: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a smaller mask that still shows thin marks."""
    small = np.zeros((size[1], size[0]), np.uint8)
    for value in sorted(np.unique(mask[mask > 0]).tolist(), key=lambda value: value != IGNORE):
        share = cv2.resize(np.where(mask == value, np.uint8(255), np.uint8(0)), size, interpolation=cv2.INTER_AREA)
        small[share > 0] = value
    return small


def divide(dataset: Dataset, shares: Shares) -> Division:
    """Return the result of the split for this data."""
    samples = dataset.samples
    try:
        if shares.group:
            samples = tuple(replace(sample, group=group_of(sample.name, shares.group)) for sample in samples)
        split = split_samples(samples, val=shares.val, test=shares.test, seed=shares.seed)
    except ConfigError as error:
        return Division(shares, {}, {}, {}, _examples(samples, shares.group), as_problem(error))
    parts = dict(zip(PARTS, (split.train, split.val, split.test), strict=True))
    return Division(
        shares,
        {part: len({sample.group for sample in inside}) for part, inside in parts.items()},
        {part: len(inside) for part, inside in parts.items()},
        {part: dict(Counter(kind for sample in inside for kind in sample.kinds)) for part, inside in parts.items()},
        _examples(samples, shares.group),
    )


def _examples(samples: tuple[Sample, ...], pattern: str) -> tuple[tuple[str, str], ...]:
    """Return a few file names and the group derived from each."""
    try:
        re.compile(pattern)
    except re.error:
        return ()
    step = max(1, len(samples) // 3)
    return tuple((sample.name, group_of(sample.name, pattern)) for sample in samples[::step][:3])
