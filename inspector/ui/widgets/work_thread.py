"""A thread that sleeps until the window has a request; the base of every thread that answers a page."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from PySide6.QtCore import QObject, QThread

Work = TypeVar("Work")


class WorkThread(QThread, Generic[Work]):
    """Processes requests one at a time and sleeps when there are none.

    Starts with the first request. The end is final: later requests (from an answer still in progress) are ignored, so that the
    owner may be deleted. A subclass stores requests in attributes that it changes inside `_telling()`; `_take` and `_do`
    process them.
    """

    def __init__(self, parent: QObject | None = None, *, idle_s: float | None = None) -> None:
        """Create the thread. `idle_s`: call `_rest` after this many seconds without work; None: only at the end."""
        super().__init__(parent)
        self._wake = threading.Condition()
        self._stop = False
        self._idle_s = idle_s

    def _take(self) -> Work | None:
        """Return the next request and remove it; None: there is none. Called on the thread, with the lock held."""
        raise NotImplementedError

    def _do(self, work: Work, /) -> None:
        """Process a request on the thread, without the lock. The method handles its own errors."""
        raise NotImplementedError

    def _rest(self) -> None:
        """Release what is held for further requests. Called on the thread."""

    @contextmanager
    def _telling(self, *, start: bool = True) -> Iterator[None]:
        """Change the requests and wake the thread. `start`: also start the thread if it does not run."""
        with self._wake:
            yield
            start = start and not self._stop
            self._wake.notify()
        if start and not self.isRunning():
            self.start()

    def end(self) -> None:
        """End the thread for good; wait for the work in progress."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        self.wait()

    def run(self) -> None:
        try:
            while (work := self._next()) is not None:
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
                    if not self._wake.wait(self._idle_s):
                        break
                if self._stop:
                    return None
            self._rest()
