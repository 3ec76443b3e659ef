"""The thread between the training queue and the page; all reading and writing of run files happens here.

The page is notified at most `DISPLAY_HZ` times a second, and never again before it has taken the last news. A flood of messages
makes the page skip updates; it neither queues nor freezes.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from PySide6.QtCore import QObject, QSize, Qt, QThread, Signal
from PySide6.QtGui import QImage, QImageReader

from inspector.core.errors import InspectorError
from inspector.core.message import message
from inspector.runs.folder import SAMPLES, Tail, read_curves, tail_messages
from inspector.runs.settings import TrainSettings
from inspector.training.queue import TrainingQueue
from inspector.training.state import LIVE, RunInfo
from inspector.ui.training.run.history import RunHistory, compressed
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


class TrainingBridge(QThread):
    """Owns the queue of the runs in `folder`.

    Every method but `end` returns at once. `news`: call `take`. `failed` carries an InspectorError, `added` the folder of a run
    that joined the queue. QThread's `finished` follows `close`.
    """

    news = Signal()
    failed = Signal(object)
    added = Signal(object)

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder = folder
        self._wake = threading.Condition()
        self._commands: deque[Callable[[TrainingQueue], None]] = deque()
        self._stirred = False
        self._closing: Literal["", "detach", "cancel"] = ""
        self._told = False
        self._news = News()
        # Of the thread alone:
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
        self._command(lambda queue: self.added.emit(queue.add(settings)))

    def command(self, name: Command, folder: Path) -> None:
        """Send a run a command, or remove the run."""
        self._command(lambda queue: getattr(queue, name)(folder))

    def watch(self, folder: Path | None) -> None:
        """Include this run in the news from now on, starting with its history."""
        self._command(lambda queue: self._open(folder))

    def take(self) -> News:
        """Return what has changed since the last call."""
        with self._wake:
            taken, self._news, self._told = self._news, News(), False
            self._wake.notify()
        taken.messages = compressed(taken.messages)
        return taken

    def close(self, *, cancel: bool) -> None:
        """End the queue. `cancel`: also cancel active trainings; otherwise they go on in the background."""
        with self._wake:
            self._closing = "cancel" if cancel else "detach"
            self._wake.notify()

    def end(self) -> None:
        """End at once without questions, and wait for the thread. Active trainings go on in the background."""
        if not self._closing:
            self.close(cancel=False)
        self.wait()

    def _command(self, command: Callable[[TrainingQueue], None]) -> None:
        with self._wake:
            self._commands.append(command)
            self._wake.notify()
        self.begin()

    # On the thread

    def run(self) -> None:
        try:
            queue = TrainingQueue(self.folder, listener=self._hear, changed=self._stir, removed=self._stir)
        except InspectorError as error:
            self._fail(error)
            return
        except Exception as error:
            log.exception("the training queue cannot be opened")
            self._fail(_defect(error))
            return
        try:
            self._work(queue)
            if self._closing == "cancel":
                self._cancel_all(queue)
        finally:
            queue.close(detach=self._closing != "cancel")

    def _work(self, queue: TrainingQueue) -> None:
        told = 0.0
        while True:
            command = self._next(told + 1 / DISPLAY_HZ)
            if self._closing:
                return
            try:
                if command is not None:
                    command(queue)
                if self._look(queue):
                    told = time.monotonic()
            except InspectorError as error:
                self._fail(error)
            except Exception as error:
                log.exception("the training page's thread failed")
                self._fail(_defect(error))

    def _next(self, due: float) -> Callable[[TrainingQueue], None] | None:
        """Return the next command, or None when it is time to check the runs; not before `due` (monotonic seconds)."""
        with self._wake:
            if not self._commands and not self._closing and not self._stirred:
                self._wake.wait(LOOK_S)
            if not self._commands and not self._closing:
                self._wake.wait_for(lambda: bool(self._commands or self._closing), max(due - time.monotonic(), 0.0))
            self._stirred = False
            return self._commands.popleft() if self._commands else None

    def _look(self, queue: TrainingQueue) -> bool:
        """Collect the changes and notify the page; return whether there were any."""
        runs = tuple(queue.runs())
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
            fresh = news.runs is not None or news.history is not None or bool(messages) or samples is not None
            if not fresh or self._told:
                return False
            self._told = True
        self.news.emit()
        return True

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

    def _fail(self, error: InspectorError) -> None:
        self.failed.emit(error)

    # Called by the queue, in its thread

    def _hear(self, folder: Path, message: WorkerMessage) -> None:
        self._stir(folder)

    def _stir(self, what: object) -> None:
        with self._wake:
            self._stirred = True
            self._wake.notify()


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


def _defect(error: Exception) -> InspectorError:
    problem = message("This program has a defect: {detail}.", detail=f"{type(error).__name__}: {error}")
    return InspectorError(problem.template, remedy="Please report it with the program's log.", **problem.values)
