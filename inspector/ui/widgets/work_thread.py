"""A thread that sleeps until the window wants something of it: what every thread that answers a page has in common."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from PySide6.QtCore import QObject, QThread

Work = TypeVar("Work")


class WorkThread(QThread, Generic[Work]):
    """Takes work as long as there is any, then sleeps. Starts with the first wish. Its end is final: what is wanted of it later
    (by an answer that was still under way) is not begun, so that its owner may be deleted.

    A subclass keeps what is wanted in attributes that it changes inside `_telling()`; `_take` and `_do` make work of it.
    """

    def __init__(self, parent: QObject | None = None, *, idle_s: float | None = None) -> None:
        """`idle_s`: after so many seconds without work `_rest` is called; None: only at the end."""
        super().__init__(parent)
        self._wake = threading.Condition()
        self._stop = False
        self._idle_s = idle_s

    def _take(self) -> Work | None:
        """Return what is to be done next, taken off the list; None: nothing. Called on the thread, with the lock held."""
        raise NotImplementedError

    def _do(self, work: Work, /) -> None:
        """Do it, on the thread, without the lock. Handles its own errors."""
        raise NotImplementedError

    def _rest(self) -> None:
        """Let go of what is held for further work. Called on the thread."""

    @contextmanager
    def _telling(self, *, start: bool = True) -> Iterator[None]:
        """Change what is wanted, and wake the thread. `start`: start it, too, if it does not run."""
        with self._wake:
            yield
            start = start and not self._stop
            self._wake.notify()
        if start and not self.isRunning():
            self.start()

    def end(self) -> None:
        """End the thread for good; waits for the work under way."""
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
        """Sleep until there is work; None to end."""
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
