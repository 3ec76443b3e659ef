"""A file of one-line records that survives a full disk: lines are never torn, and space is reserved for them."""

import contextlib
import os
import shutil
from collections import deque
from pathlib import Path

from inspector.core.errors import StorageError

RESERVE = 16 * 1024 * 1024  # bytes reserved for records: about ten thousand parts
RESERVE_SHARE = 8  # the reserve is at most the free space divided by this
MOST_WAITING = 10_000  # most records in memory while even the reserve is full
_RESERVE_NAME = ".reserve"


class Reserve:
    """A file that keeps disk space back for records, released when the disk is full."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / _RESERVE_NAME

    @property
    def tight(self) -> bool:
        """Whether the reserve is in use or could not be made: pictures must stop."""
        try:
            return not self._file.exists()
        except OSError:  # of a disk or share that is away
            return True

    def keep_back(self) -> bool:
        """Reserve space if there is plenty again; return whether there is a reserve."""
        if not self.tight:
            return True
        try:
            size = min(RESERVE, shutil.disk_usage(self._file.parent).free // RESERVE_SHARE)
            if size < RESERVE // 1024:
                return False
            with self._file.open("wb") as stream:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(stream.fileno(), 0, size)
                else:
                    stream.write(bytes(size))
        except OSError:
            self.give_up()
            return False
        return True

    def plenty(self) -> bool:
        """Return whether there is room beyond records: the reserve, and as much again."""
        try:
            return self.keep_back() and shutil.disk_usage(self._file.parent).free > self._file.stat().st_size
        except OSError:
            return False

    def give_up(self) -> None:
        """Release the reserved space."""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)


class RecordFile:
    """Appends whole lines. Used by one thread.

    A second file reserves disk space. When the disk is full the reserve is released, so that records continue after pictures
    have stopped. When that is used up, lines wait in memory and are written in order as soon as there is room.
    """

    def __init__(self, path: Path) -> None:
        """Create the file, which must not exist. Raises StorageError if that fails."""
        self.path = path
        self.lost = 0  # number of discarded records
        self._waiting: deque[bytes] = deque()
        self.reserve = Reserve(path.parent)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise refused(path, error) from error
        self._end = 0
        self.reserve.keep_back()

    @property
    def waiting(self) -> int:
        """Number of records not yet on disk."""
        return len(self._waiting)

    def append(self, line: bytes) -> None:
        """Write a line, including its line end, after the waiting ones. Raises StorageError if it has to wait too."""
        self._waiting.append(line)
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._write_waiting()

    def replace_last(self, line: bytes) -> None:
        """Put another line in the place of the last one, which waits."""
        self._waiting[-1] = line

    def close(self) -> None:
        """Write the waiting lines and close. Raises StorageError with the number of lost records."""
        self.reserve.give_up()
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
                    if self.reserve.tight:
                        raise
                    self.reserve.give_up()
                    self._write(self._waiting[0])
                self._waiting.popleft()
        except OSError as error:
            raise refused(self.path, error) from error

    def _write(self, data: bytes) -> None:
        append_whole(self._file, data, self._end)
        self._end += len(data)


def append_whole(file: int, data: bytes, end: int) -> None:
    """Append all bytes or none to an open file whose length is `end`. Raises OSError."""
    written = 0
    try:
        while written < len(data):
            written += os.write(file, data[written:])
    except OSError:
        if written:
            os.ftruncate(file, end)
            os.lseek(file, end, os.SEEK_SET)
        raise


def refused(path: Path, error: OSError) -> StorageError:
    """Return the error for a file that cannot be written."""
    return StorageError(
        "{file} cannot be written ({detail}).",
        remedy="Free some space on that disk or choose another folder.",
        file=path,
        detail=error.strerror or error,
    )
