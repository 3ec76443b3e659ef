"""The thread that reads pictures to be labelled, and writes their labels."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QSize, Signal
from PySide6.QtGui import QImage

from inspector.core.errors import ConfigError, InspectorError
from inspector.core.types import Annotation, Region
from inspector.data.labelling import read_hand_labels, write_hand_labels
from inspector.data.samples import Sample
from inspector.ui.canvas.rendering import full_range
from inspector.ui.inspect.panels.filmstrip import thumbnail
from inspector.ui.training.data.dataset_threads import picture
from inspector.ui.widgets.work_thread import WorkThread


@dataclass(frozen=True, slots=True)
class Seen:
    """A small picture of an image of a folder; null if the image cannot be read."""

    folder: Path
    name: str
    image: QImage


@dataclass(frozen=True, slots=True)
class _Open:
    folder: Path


@dataclass(frozen=True, slots=True)
class Kept:
    """Labels of a folder, as they are in its file."""

    folder: Path
    table: bytes


@dataclass(frozen=True, slots=True)
class _Look:
    folder: Path
    name: str


class LabelThread(WorkThread[_Open | Kept | _Look]):
    """Answers the newest requests, writing first.

    `opened` carries a HandLabels, `seen` a Seen, `written` what is on the disk now, a Kept, and `troubled` an InspectorError.
    """

    opened = Signal(object)
    seen = Signal(object)
    written = Signal(object)
    troubled = Signal(object)

    def __init__(self, size: QSize, parent: QObject | None = None) -> None:
        """Create the thread. `size`: largest size of a picture in pixels."""
        super().__init__(parent)
        self._size = size
        self._opening: _Open | None = None
        self._writing: Kept | None = None
        self._wanted: deque[_Look] = deque()

    def open(self, folder: Path) -> None:
        """Read the images and labels of this folder."""
        with self._telling():
            self._opening = _Open(folder)
            self._wanted.clear()

    def want(self, folder: Path, names: Sequence[str]) -> None:
        """Read these images next, in this order; what was wanted before is dropped."""
        with self._telling(start=False):
            self._wanted = deque(_Look(folder, name) for name in names)

    def write(self, folder: Path, table: bytes) -> None:
        """Keep these labels; older ones that wait are dropped."""
        with self._telling(start=False):
            self._writing = Kept(folder, table)

    def end(self) -> None:
        """End the thread when what waits to be written is on the disk."""
        with self._wake:
            writing, self._writing = self._writing, None
        super().end()
        if writing is not None:
            with self._guarded(self.troubled.emit):
                self._do(writing)

    def _take(self) -> _Open | Kept | _Look | None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            return writing
        if self._opening is not None:
            opening, self._opening = self._opening, None
            return opening
        return self._wanted.popleft() if self._wanted else None

    def _do(self, work: _Open | Kept | _Look) -> None:
        match work:
            case _Open(folder):
                self.opened.emit(read_hand_labels(folder))
            case Kept(folder, table):
                write_hand_labels(folder, table)
                self.written.emit(work)
            case _Look(folder, name):
                self.seen.emit(Seen(folder, name, self._picture(folder / name)))

    def _failed(self, work: _Open | Kept | _Look, error: InspectorError) -> None:
        if isinstance(work, _Look) and isinstance(error, ConfigError):
            self.seen.emit(Seen(work.folder, work.name, QImage()))
        else:
            self.troubled.emit(error)

    def _picture(self, path: Path) -> QImage:
        frame = picture(Sample(path.name, path, "", "", Annotation()), 0, side=max(self._size.toTuple())).frame
        if frame is None:
            return QImage()
        whole = Region(0, 0, frame.width, frame.height)
        return thumbnail(frame, whole, size=self._size / 2, ranges=full_range)  # which makes two pixels for each
