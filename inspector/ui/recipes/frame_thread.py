"""The thread that reads frames of one source, for a live picture while a recipe or a source is set up."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QObject, Signal

from inspector.cameras.base import Camera, open_camera
from inspector.core.config import Option
from inspector.core.errors import InspectorError
from inspector.core.message import Message
from inspector.core.types import Frame
from inspector.ui.widgets.work_thread import WorkThread

PERIOD_S: Final = 0.25  # between two pictures of a live camera


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source to read, under the name of a camera."""

    camera: str
    source: str
    options: Mapping[str, Option]


@dataclass(frozen=True, slots=True)
class NoFrame:
    """Why a source gives no frame."""

    camera: str
    problem: Message
    remedy: Message | None


class FrameThread(WorkThread[Wanted]):
    """Shows a source: a live camera again and again, any other one frame at a time.

    `framed` carries a Frame, `failed` a NoFrame. What came of an earlier source is dropped.
    """

    framed = Signal(object)
    failed = Signal(object)
    _came = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wanted: Wanted | None = None
        self._current: Wanted | None = None  # the source that the window shows
        self._over = threading.Event()  # set: the source in progress is no longer wanted
        self._another = threading.Event()  # set: another frame of a source that waits is wanted
        self._came.connect(self._deliver)

    def show_source(self, wanted: Wanted | None) -> None:
        """Read this source from now on; None: no source."""
        with self._telling(start=wanted is not None):
            self._wanted = self._current = wanted
            self._over.set()
            self._another.set()

    def next_frame(self) -> None:
        """Show the next frame of a source whose frames wait."""
        self._another.set()

    def end(self) -> None:
        self._current = None
        self._over.set()
        self._another.set()
        super().end()

    def _take(self) -> Wanted | None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self._over.clear()
        return wanted

    def _do(self, wanted: Wanted) -> None:
        camera = open_camera(wanted.camera, wanted.source, wanted.options)
        camera.on_problem = lambda _part, error: self._failed(wanted, error)
        self._read(camera, wanted)

    def _read(self, camera: Camera, wanted: Wanted) -> None:
        told = 0.0
        for frame in camera.frames(self._over):
            if self._over.is_set() or self._stop:
                return
            if camera.live and time.monotonic() - told < PERIOD_S:
                continue
            told = time.monotonic()
            self._another.clear()
            self._came.emit(wanted, frame)
            if not camera.live:
                self._another.wait()

    def _failed(self, wanted: Wanted, error: InspectorError) -> None:
        self._came.emit(wanted, NoFrame(wanted.camera, error.problem, error.remedy))

    def _deliver(self, wanted: Wanted, what: Frame | NoFrame) -> None:
        """Emit what came of a source on the window's thread."""
        if wanted is self._current:
            (self.failed if isinstance(what, NoFrame) else self.framed).emit(what)
