"""A database server that no longer answers: its connection is shut, so that whoever waits for it gets an error."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Engine, event

CONNECT_S: Final = 5  # longest time until a server takes a connection,
ANSWER_S: Final = 30.0  # until it answers a statement,
MIGRATION_S: Final = 3600.0  # and one that changes tables, which takes minutes where they hold millions of inspections


class Patience:
    """Watches the statements of an engine from a thread of its own, which is started by the first one."""

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._seconds = seconds
        self._wake = threading.Condition()
        self._due: dict[int, tuple[float, Any]] = {}  # monotonic time and connection of the driver
        self._thread: threading.Thread | None = None
        self._stop = False
        for name in ("before_cursor_execute", "commit", "rollback"):
            event.listen(engine, name, lambda connection, *_: self._begin(connection.connection.dbapi_connection))
        event.listen(engine, "after_cursor_execute", lambda connection, *_: self._end(connection.connection.dbapi_connection))
        for name in ("checkin", "invalidate"):
            event.listen(engine, name, lambda connection, *_: self._end(connection))

    @contextlib.contextmanager
    def prolonged(self, seconds: float) -> Iterator[None]:
        """Wait longer for the statements that begin meanwhile."""
        usual, self._seconds = self._seconds, seconds
        try:
            yield
        finally:
            self._seconds = usual

    def close(self) -> None:
        """End the thread."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def _begin(self, connection: Any) -> None:  # noqa: ANN401 - of the driver
        with self._wake:
            self._due[id(connection)] = time.monotonic() + self._seconds, connection
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="archive-server", daemon=True)
                self._thread.start()
            self._wake.notify()

    def _end(self, connection: Any) -> None:  # noqa: ANN401 - of the driver
        with self._wake:
            self._due.pop(id(connection), None)

    def _watch(self) -> None:
        with self._wake:
            while not self._stop:
                now = time.monotonic()
                for key, (due, connection) in list(self._due.items()):
                    if due <= now:
                        del self._due[key]
                        _shut(connection)
                first = min((due for due, _ in self._due.values()), default=None)
                self._wake.wait(None if first is None else max(0.0, first - now))


def _shut(connection: Any) -> None:  # noqa: ANN401 - of the driver
    """Shut the socket under a connection; the driver then reports that the server is gone."""
    with contextlib.suppress(Exception):  # thread boundary: it may have been closed this moment
        wire = socket.socket(fileno=connection.fileno())
        try:
            wire.shutdown(socket.SHUT_RDWR)
        finally:
            wire.detach()
