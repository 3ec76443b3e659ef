"""A file of records, a line each, that outlives a full disk: never torn, and with room kept back for it."""

import contextlib
import os
import shutil
from collections import deque
from pathlib import Path

from inspector.core.errors import StorageError

RESERVE = 16 * 1024 * 1024  # bytes kept back for records: some ten thousand parts
RESERVE_SHARE = 8  # at most the free space divided by this
MOST_WAITING = 10_000  # records kept in memory while not even the reserve is left
_RESERVE_NAME = ".reserve"


class RecordFile:
    """Appends whole lines. Used by one thread.

    A file beside it holds space that nobody else can take. Where the disk is full it is given up, so that records go on after
    pictures have stopped; after that lines wait in memory, and are written in their order as soon as there is room.
    """

    def __init__(self, path: Path) -> None:
        """Make the file, which must not be there yet. Raises StorageError if it cannot be made."""
        self.path = path
        self.lost = 0  # records that were given up
        self._waiting: deque[bytes] = deque()
        self._reserve = path.with_name(_RESERVE_NAME)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise refused(path, error) from error
        self._end = 0
        self.keep_back()

    @property
    def tight(self) -> bool:
        """Whether the space that was kept back is in use, or could not be had: pictures must stop."""
        return not self._reserve.exists()

    @property
    def waiting(self) -> int:
        """Records that are not on the disk yet."""
        return len(self._waiting)

    def keep_back(self) -> bool:
        """Keep space back, if there is plenty again; returns whether there is some now."""
        if not self.tight:
            return True
        try:
            size = min(RESERVE, shutil.disk_usage(self.path.parent).free // RESERVE_SHARE)
            if size < RESERVE // 1024:
                return False
            with self._reserve.open("wb") as stream:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(stream.fileno(), 0, size)
                else:
                    stream.write(bytes(size))
        except OSError:
            self._give_up()
            return False
        return True

    def plenty(self) -> bool:
        """Whether there is room for more than records: what is kept back, and as much again."""
        try:
            return self.keep_back() and shutil.disk_usage(self.path.parent).free > self._reserve.stat().st_size
        except OSError:
            return False

    def append(self, line: bytes) -> None:
        """Write a line, with its end, after those that wait. Raises StorageError if it has to wait, too."""
        self._waiting.append(line)
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._write_waiting()

    def close(self) -> None:
        """Write what waits, and end. Raises StorageError naming how many records are lost."""
        self._give_up()
        try:
            if self._waiting:
                self._write_waiting()
        finally:
            self.lost += len(self._waiting)
            self._waiting.clear()
            with contextlib.suppress(OSError):
                os.close(self._file)

    def _write_waiting(self) -> None:
        try:
            while self._waiting:
                try:
                    self._write(self._waiting[0])
                except OSError:
                    if self.tight:
                        raise
                    self._give_up()
                    self._write(self._waiting[0])
                self._waiting.popleft()
        except OSError as error:
            raise refused(self.path, error) from error

    def _write(self, data: bytes) -> None:
        """All of it or nothing."""
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            if written:
                os.ftruncate(self._file, self._end)
                os.lseek(self._file, self._end, os.SEEK_SET)
            raise
        self._end += written

    def _give_up(self) -> None:
        with contextlib.suppress(OSError):
            self._reserve.unlink(missing_ok=True)


def refused(path: Path, error: OSError) -> StorageError:
    """What is said of a file that cannot be written."""
    return StorageError(
        "{file} cannot be written ({detail}).",
        remedy="Free some space on that disk or choose another folder.",
        file=path,
        detail=error.strerror or error,
    )
