"""The threads of the window: one that answers requests, one that carries out commands and reports what is new."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Generic, TypeVar

from PySide6.QtCore import QObject, QThread, Signal

from inspector.core.errors import InspectorError, as_problem

log = logging.getLogger(__name__)

Work = TypeVar("Work")


class BackgroundThread(QThread):
    """The base of the window's threads: one lock, one flag that ends it, one way for errors."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wake = threading.Condition()
        self._stop = False

    @contextmanager
    def _guarded(self, failed: Callable[[InspectorError], None]) -> Iterator[None]:
        """Pass an error of what is done inside to `failed`; a defect of the program is logged first."""
        try:
            yield
        except Exception as error:
            if not isinstance(error, InspectorError):
                log.exception("%s failed", type(self).__name__)
            failed(as_problem(error))


class WorkThread(BackgroundThread, Generic[Work]):
    """Processes requests one at a time and sleeps when there are none.

    Starts with the first request. `end` drops what has not begun, `finish` does it first. Both are final: later requests (from
    an answer still in progress) are ignored, so that the owner may be deleted. A subclass stores requests in attributes that it
    changes inside `_telling()`; `_take` and `_do` process them, and `_failed` reports what `_do` raises.
    """

    def __init__(self, parent: QObject | None = None, *, idle_s: float | None = None) -> None:
        """Create the thread. `idle_s`: call `_rest` after this many seconds without work; None: only at the end."""
        super().__init__(parent)
        self._idle_s = idle_s
        self._last = False  # nothing comes after what was requested

    def _take(self) -> Work | None:
        """Return the next request and remove it; None: there is none. Called on the thread, with the lock held."""
        raise NotImplementedError

    def _do(self, work: Work, /) -> None:
        """Process a request on the thread, without the lock."""
        raise NotImplementedError

    def _failed(self, work: Work, error: InspectorError, /) -> None:
        """Report why a request has no answer. Called on the thread."""
        raise NotImplementedError

    def _rest(self) -> None:
        """Release what is held for further requests. Called on the thread."""

    @contextmanager
    def _telling(self, *, start: bool = True) -> Iterator[None]:
        """Change the requests and wake the thread. `start`: also start the thread if it does not run."""
        with self._wake:
            yield
            start = start and not self._stop and not self._last
            self._wake.notify()
        if start and not self.isRunning():
            self.start()

    def end(self) -> None:
        """End the thread for good; wait for the work in progress."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        self.wait()

    def finish(self) -> None:
        """End the thread for good when all that was requested is done; wait for it."""
        with self._wake:
            self._last = True
            self._wake.notify()
        self.wait()

    def run(self) -> None:
        try:
            while (work := self._next()) is not None:
                with self._guarded(partial(self._failed, work)):
                    self._do(work)
        finally:
            self._rest()

    def _next(self) -> Work | None:
        """Sleep until there is a request and return it; return None to end."""
        while True:
            with self._wake:
                while not self._stop:
                    work = self._take()
                    if work is not None:
                        return work
                    if self._last or not self._wake.wait(self._idle_s):
                        break
                if self._stop or self._last:
                    return None
            self._rest()


class NewsThread(BackgroundThread):
    """Carries out commands in order, and tells the window that there is news.

    `news` is emitted at most `hz` times a second, and never again before the window has taken the last news. A window that is
    slow skips news; it neither queues them nor slows the thread. A subclass calls `_stir()` when something is new, and
    `_taken()` when the window takes it.
    """

    news = Signal()

    def __init__(self, parent: QObject | None = None, *, hz: float, look_s: float) -> None:
        """Create the thread. `look_s`: seconds between two calls of `_look`."""
        super().__init__(parent)
        self._period, self._look_s = 1.0 / hz, look_s
        self._commands: deque[Callable[[], None]] = deque()
        self._stirred = False  # something is new
        self._told = False  # `news` was emitted and not yet taken

    def _look(self) -> None:
        """Look for what is new without being told."""

    def _collect(self) -> bool:
        """Make the news ready to be taken; return whether there are any."""
        return True

    def _failed(self, error: InspectorError) -> None:
        """Report what a command raised. Called on the thread."""
        raise NotImplementedError

    def _command(self, command: Callable[[], None]) -> None:
        """Carry this out on the thread, after what was asked before."""
        with self._wake:
            self._commands.append(command)
            self._wake.notify_all()

    def _stir(self) -> None:
        """Note that something is new. Called by anybody."""
        with self._wake:
            if not self._stirred:  # after the first time the thread keeps its own timing
                self._stirred = True
                self._wake.notify_all()

    def _taken(self) -> None:
        """Allow the next `news`. Called by the window, with the lock held."""
        self._told = False
        self._wake.notify_all()

    def _quit(self) -> None:
        """End `_work`; commands that wait are dropped."""
        with self._wake:
            self._stop = True
            self._wake.notify_all()

    def _work(self) -> None:
        """Carry out commands and tell the window until `_quit`. Called by `run`."""
        next_news = next_look = 0.0
        while True:
            command = self._next_command(next_news, next_look)
            if self._stop:
                return
            with self._guarded(self._failed):
                if command is not None:
                    command()
                now = time.monotonic()
                if now >= next_look:
                    next_look = now + self._look_s
                    self._look()
                if now >= next_news and self._tell():
                    next_news = now + self._period

    def _next_command(self, next_news: float, next_look: float) -> Callable[[], None] | None:
        """Return the next command, or None when there may be news to tell or to look for (at these monotonic seconds)."""
        with self._wake:
            if not self._commands and not self._stop:
                due = min(next_look, next_news) if self._stirred and not self._told else next_look
                if (wait := due - time.monotonic()) > 0:
                    self._wake.wait(wait)
            return self._commands.popleft() if self._commands and not self._stop else None

    def _tell(self) -> bool:
        with self._wake:
            if not self._stirred or self._told:
                return False
            self._stirred = False
        if not self._collect():
            return False
        with self._wake:
            self._told = True
        self.news.emit()
        return True
