"""The thread between the training queue and the page; all reading and writing of run files happens here.

The page is notified at most `DISPLAY_HZ` times a second, and never again before it has taken the last news. A flood of messages
makes the page skip updates; it neither queues nor freezes.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QImage, QImageReader

from inspector.core.errors import InspectorError
from inspector.runs.folder import SAMPLES, Tail, read_curves, tail_messages
from inspector.runs.settings import TrainSettings
from inspector.training.queue import TrainingQueue
from inspector.training.state import LIVE, RunInfo
from inspector.ui.training.run.history import RunHistory, compressed
from inspector.ui.widgets.work_thread import NewsThread
from inspector.workers.messages import WorkerMessage

log = logging.getLogger(__name__)

DISPLAY_HZ: Final = 8.0
LOOK_S: Final = 0.5  # interval between checks of the runs when no notification comes
CANCEL_S: Final = 40.0  # time that runs of an earlier window get to end when this window closes
SAMPLES_SHOWN: Final = 8
SAMPLE_SIDE: Final = 512  # maximum side in pixels; enough for the enlarged view

Command = Literal["pause", "resume", "stop", "cancel", "remove", "resume_interrupted"]


@dataclass(frozen=True, slots=True, eq=False)
class SamplePicture:
    """A picture of predictions on a validation image."""

    file: Path
    image: QImage


@dataclass(slots=True)
class News:
    """Changes since the page last took the news.

    None or empty: no change. `history`: the watched run's history so far, if it is new; `messages`: its messages since.
    """

    runs: tuple[RunInfo, ...] | None = None
    watched: Path | None = None
    history: RunHistory | None = None
    messages: list[WorkerMessage] = field(default_factory=list)
    samples: tuple[SamplePicture, ...] | None = None


class TrainingBridge(NewsThread):
    """Owns the queue of the runs in `folder`.

    Every method but `end` returns at once. `news`: call `take`. `failed` carries an InspectorError, `added` the folder of a run
    that joined the queue. QThread's `finished` follows `close`.
    """

    failed = Signal(object)
    added = Signal(object)

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent, hz=DISPLAY_HZ, look_s=LOOK_S)
        self.folder = folder
        self._closing: Literal["", "detach", "cancel"] = ""
        self._news = News()
        # Of the thread alone:
        self._queue: TrainingQueue | None = None
        self._runs: tuple[RunInfo, ...] | None = None  # None: not sent yet
        self._watched: Path | None = None
        self._tail: Tail[WorkerMessage] | None = None
        self._sample_files: tuple[Path, ...] = ()

    def begin(self) -> None:
        """Find runs, continue those that wait, and follow those that train; one call is enough."""
        if not self.isRunning() and not self._closing:
            self.start()

    def add(self, settings: TrainSettings) -> None:
        """Add a run to the end of the queue; `added` carries its folder."""
        self._order(lambda queue: self.added.emit(queue.add(settings)))

    def command(self, name: Command, folder: Path) -> None:
        """Send a run a command, or remove the run."""
        self._order(lambda queue: getattr(queue, name)(folder))

    def watch(self, folder: Path | None) -> None:
        """Include this run in the news from now on, starting with its history."""
        self._order(lambda _: self._open(folder))

    def take(self) -> News:
        """Return what has changed since the last call."""
        with self._wake:
            taken, self._news = self._news, News()
            self._taken()
        taken.messages = compressed(taken.messages)
        return taken

    def close(self, *, cancel: bool) -> None:
        """End the queue. `cancel`: also cancel active trainings; otherwise they go on in the background."""
        self._closing = "cancel" if cancel else "detach"
        self._quit()

    def end(self) -> None:
        """End at once without questions, and wait for the thread. Active trainings go on in the background."""
        if not self._closing:
            self.close(cancel=False)
        self.wait()

    def _order(self, order: Callable[[TrainingQueue], None]) -> None:
        def command() -> None:
            assert self._queue is not None
            self._stir()
            order(self._queue)

        self._command(command)
        self.begin()

    # On the thread

    def run(self) -> None:
        with self._guarded(self._failed):
            self._queue = TrainingQueue(self.folder, listener=self._hear, changed=self._changed, removed=self._changed)
            try:
                self._work()
                if self._closing == "cancel":
                    self._cancel_all(self._queue)
            finally:
                self._queue.close(detach=self._closing != "cancel")

    def _look(self) -> None:
        self._stir()

    def _collect(self) -> bool:
        assert self._queue is not None
        runs = tuple(self._queue.runs())
        messages = list(self._tail.read()) if self._tail is not None else []
        samples = self._new_samples(runs)
        with self._wake:
            news = self._news
            if runs != self._runs:
                self._runs = news.runs = runs
            if messages:
                news.watched = self._watched
                news.messages += messages
                if len(news.messages) > DISPLAY_HZ * 1000:
                    news.messages = compressed(news.messages)
            if samples is not None:
                news.watched, news.samples = self._watched, samples
            return news.runs is not None or news.history is not None or bool(messages) or samples is not None

    def _failed(self, error: InspectorError) -> None:
        self.failed.emit(error)

    def _open(self, folder: Path | None) -> None:
        """Read all messages of a run, and follow it."""
        self._watched, self._sample_files = folder, ()
        self._tail = tail_messages(folder) if folder is not None else None
        history = RunHistory()
        if self._tail is not None and folder is not None:
            for message in self._tail.read():
                history.take(message)
            history.fill_gaps(read_curves(folder))
        with self._wake:
            self._news.watched, self._news.history = folder, history
            self._news.messages, self._news.samples = [], ()

    def _new_samples(self, runs: Sequence[RunInfo]) -> tuple[SamplePicture, ...] | None:
        """Return the newest pictures of the watched run if they differ from those sent last."""
        told = next((info.samples for info in runs if info.folder == self._watched), None)
        if self._watched is None or told is None:
            return None
        files = newest_samples(self._watched / SAMPLES)
        if files == self._sample_files:
            return None
        self._sample_files = files
        return tuple(SamplePicture(file, image) for file in files if not (image := _read(file)).isNull())

    def _cancel_all(self, queue: TrainingQueue) -> None:
        """Cancel active trainings, and give workers of an earlier window time to end."""
        try:
            for info in queue.runs():
                if info.state in LIVE:
                    queue.cancel(info.folder)
            end = time.monotonic() + CANCEL_S
            while any(info.state in LIVE for info in queue.runs()) and time.monotonic() < end:
                time.sleep(1 / DISPLAY_HZ)
        except InspectorError as error:
            log.error("%s", error)

    # Called by the queue, in its thread

    def _hear(self, folder: Path, message: WorkerMessage) -> None:
        self._stir()

    def _changed(self, what: object) -> None:
        self._stir()


def newest_samples(folder: Path) -> tuple[Path, ...]:
    """Return the pictures of the newest epoch that has any, in order: `epoch-NNN-K.jpg`, at most `SAMPLES_SHOWN`."""
    try:
        files = [(path.stem.split("-"), path) for path in folder.glob("epoch-*.jpg")]
    except OSError:
        return ()
    numbered = [([int(part) for part in parts[1:]], path) for parts, path in files if all(part.isdigit() for part in parts[1:])]
    newest = max((numbers[0] for numbers, _ in numbered), default=0)
    return tuple(path for numbers, path in sorted(numbered) if numbers[0] == newest)[:SAMPLES_SHOWN]


def _read(file: Path) -> QImage:
    reader = QImageReader(str(file))
    size = reader.size()
    if size.isValid() and max(size.width(), size.height()) > SAMPLE_SIDE:
        reader.setScaledSize(size.scaled(QSize(SAMPLE_SIDE, SAMPLE_SIDE), Qt.AspectRatioMode.KeepAspectRatio))
    return reader.read()
