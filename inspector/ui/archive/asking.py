"""The threads that ask the archive, so that no database and no disk is waited for in the window."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal

from inspector.archive.archive import Archive, opened_archive
from inspector.archive.recording.folders import is_there
from inspector.archive.recording.journal import archive_folder
from inspector.archive.server import server_url
from inspector.core.errors import InspectorError
from inspector.ui.widgets.work_thread import WorkThread

Work = Callable[[Archive], Any]


class ArchiveSource:
    """The archive of this user on the server of the settings, or of a folder, opened by the thread that needs it first."""

    def __init__(self, folder: Path | None = None, *, url: str = "") -> None:
        self._folder, self._url = folder, url
        self._lock = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._archive: Archive | None = None
        self._anew = False

    @property
    def folder(self) -> Path:
        return self._folder or archive_folder()

    def opened(self) -> Archive | None:
        """Return the archive; None: there is none yet. Raises ConfigError and StorageError."""
        with self._lock:
            if self._anew:
                self._anew, self._archive = False, None
                self._stack.close()
            if self._archive is None and is_there(self.folder):
                url = self._url or (server_url() if self._folder is None else "")
                self._archive = self._stack.enter_context(opened_archive(self.folder, url=url))
            return self._archive

    def renew(self) -> None:
        """Have the next thread that needs it open it anew; waits for none that is at it."""
        self._anew = True

    def close(self) -> None:
        """Close it; a thread that needs it opens it again."""
        with self._lock:
            self._archive = None
            self._stack.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    what: str
    number: int
    work: Work


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """The answer, or why there is none. Both None: there is no archive."""

    what: str
    number: int
    value: Any = None
    error: InspectorError | None = None


class ArchiveThread(WorkThread[_Asked]):
    """Carries out requests in order, and calls back in the window.

    A request replaces the one of the same name that has not begun, and the answer to an older request of that name is dropped.
    """

    _answered = Signal(object)

    def __init__(self, source: ArchiveSource, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._source = source
        self._waiting: OrderedDict[str, _Asked] = OrderedDict()
        self._number = 0
        self._then: dict[str, tuple[int, Callable[[Any], object], Callable[[InspectorError], object]]] = {}
        self._answered.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._then)

    def ask(
        self, what: str, work: Work, then: Callable[[Any], object], failed: Callable[[InspectorError], object] = lambda _: None
    ) -> None:
        """Have `work` done on the thread; `then` gets what it returns, None if there is no archive."""
        with self._telling():
            self._number += 1
            self._waiting.pop(what, None)
            self._waiting[what] = _Asked(what, self._number, work)
            self._then[what] = self._number, then, failed

    def forget(self, what: str) -> None:
        """Drop a request that has not begun, and the answer to one that has."""
        with self._telling(start=False):
            self._waiting.pop(what, None)
            self._then.pop(what, None)

    def _take(self) -> _Asked | None:
        return self._waiting.popitem(last=False)[1] if self._waiting else None

    def _do(self, work: _Asked) -> None:
        archive = self._source.opened()
        value = None if archive is None else work.work(archive)
        self._answered.emit(_Said(work.what, work.number, value))

    def _failed(self, work: _Asked, error: InspectorError) -> None:
        self._answered.emit(_Said(work.what, work.number, error=error))

    def _deliver(self, said: _Said) -> None:
        known = self._then.get(said.what)
        if known is None or known[0] != said.number or self._stop:
            return
        del self._then[said.what]
        if said.error is not None:
            known[2](said.error)
        else:
            known[1](said.value)
