"""Part ids that never repeat on a station: over stop, crash, restart, and files restored from a backup."""

import logging
import os
import secrets
import sys
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from inspector.core.errors import StorageError
from inspector.core.storage.durable import replace_durably
from inspector.core.storage.identity import identity_at, identity_of
from inspector.core.storage.locks import alone
from inspector.core.storage.paths import user_data

log = logging.getLogger(__name__)

FILE: Final = "next-part"
BLOCK: Final = 100  # fewest ids reserved by one write; a stop or crash skips those that are left
_MOST: Final = 10_000
_AHEAD_S: Final = 20.0  # a fast line reserves what it needs for this time
_WAIT_S: Final = 0.05  # longest wait for a reservation that is under way
_LARGEST: Final = 2**63
_LONGEST: Final = 128  # bytes of the file
_COARSE_NS: Final = 2_000_000_000  # some file systems keep times no finer
_TOUCHED_NS: Final = 60_000_000_000  # a disk takes less from the making of a file to its place


def station_folder() -> Path:
    """Return the folder of what this station counts; it may not exist yet."""
    return user_data() / "station"


class PartIds:
    """Issues part ids. Every method may be called from any thread; several processes may share the folder.

    The file holds the first number that is not reserved. It is replaced before any number of a block is issued, so an id is
    never issued twice. The next block is reserved on another thread while half of the ids are left, so that no part waits for
    the disk. If the file is not the very one that was written last (edited, restored from a backup, copied with its folder,
    damaged), is gone from a station that has judged parts, cannot be written or takes too long, numbers go on from the clock.
    """

    def __init__(self, folder: Path | None = None, *, recorded: Callable[[], bool] = lambda: False) -> None:
        """Opens nothing. `folder`: by default the station's own. `recorded` returns whether this station has judged parts."""
        self._file = (folder or station_folder()) / FILE
        self._recorded = recorded
        self._changed = threading.Condition()
        self._left: deque[range] = deque()  # reserved numbers
        self._highest = 0  # beyond every number so far
        self._size = BLOCK  # of the last reservation,
        self._since = 0.0  # and when it was made (monotonic seconds)
        self._reserving = False

    def prepare(self) -> None:
        """Reserve ids, if none are, so that `issue` does not wait for the disk."""
        with self._changed:
            if self._left or self._reserving:
                return
            self._reserving = True
        self._reserve(BLOCK)

    def issue(self) -> str:
        """Return an id that was never issued before. Waits for the disk only if `prepare` was not called."""
        with self._changed:
            unused = not self._highest
        if unused:
            self.prepare()
        with self._changed:
            left = sum(map(len, self._left))
            if left <= self._size // 2 and not self._reserving:
                self._reserve_more(left)
            if not left and not self._changed.wait_for(lambda: bool(self._left), _WAIT_S):
                log.warning("part ids go on from the clock: %s does not take a reservation in time", self._file)
                self._add(max(_from_clock(), self._highest), BLOCK)
            numbers = self._left.popleft()
            if len(numbers) > 1:
                self._left.appendleft(numbers[1:])
        return f"P{numbers[0]:06d}"

    def _reserve_more(self, left: int) -> None:
        """Reserve for the next seconds, on another thread. Called under the lock."""
        rate = (self._size - left) / max(time.monotonic() - self._since, 0.001)
        size = min(max(BLOCK, int(rate * _AHEAD_S)), _MOST)
        self._reserving = True
        threading.Thread(target=self._reserve, args=(size,), name="part-ids", daemon=True).start()

    def _reserve(self, size: int) -> None:
        begin: int | None = None
        try:
            with alone(self._file):
                begin = self._read()
                _write(self._file, begin + size)
        except StorageError as error:
            begin = None
            log.warning("part ids go on from the clock: %s", error)
        with self._changed:
            self._reserving, self._size, self._since = False, size, time.monotonic()
            # The clock may be slower than the line.
            self._add(max(_from_clock(), self._highest) if begin is None else begin, size)

    def _add(self, begin: int, size: int) -> None:
        """Add numbers to those that are left. Called under the lock."""
        self._left.append(range(begin, begin + size))
        self._highest = max(self._highest, begin + size)
        self._changed.notify_all()

    def _read(self) -> int:
        """Return the first number that is not reserved."""
        try:
            data = self._file.read_bytes()[:_LONGEST]
            found, identity = self._file.stat(), identity_at(self._file)
        except (FileNotFoundError, NotADirectoryError):
            if not self._recorded():
                return 0
            log.warning("%s is gone, so part ids go on from the clock", self._file)
            return _from_clock()
        except OSError as error:
            log.warning("%s cannot be read, so part ids go on from the clock (%s)", self._file, error)
            return _from_clock()
        kept = _parsed(data)
        if kept is None:
            log.warning("%s is damaged or was edited, so part ids go on from the clock", self._file)
            return _from_clock()
        number, made, stamp = kept
        if made == identity and _is_untouched(found, stamp):
            return number
        log.warning("%s is a copy, as from a backup, so part ids go on from the clock", self._file)
        return max(number, _from_clock())


def _write(file: Path, number: int) -> None:
    """Replace the counter durably. Raises StorageError.

    It holds which file it is and the time when it was made, so that a copy can be told from it, and a check sum.
    """
    new = file.with_name(f".{file.name}.new")  # whoever writes holds the lock
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        with new.open("xb") as stream:
            stamp = os.fstat(stream.fileno()).st_mtime_ns
            values = f"{number} {identity_of(stream.fileno())} {stamp}"
            stream.write(f"{zlib.crc32(values.encode()):08x} {values}\n".encode())
        os.utime(new, ns=(stamp, stamp))
        replace_durably(new, file)
    except OSError as error:
        raise StorageError(
            "{file} cannot be written ({detail}).",
            remedy="Free some space on that disk or choose another folder.",
            file=file,
            detail=error.strerror or error,
        ) from error


def _parsed(data: bytes) -> tuple[int, str, int] | None:
    """Return the number, which file held it and the time of that (ns); None if it was not written by `_write`."""
    try:
        text = data.decode("ascii")
        checksum, values = text.rstrip("\n").split(" ", 1)
        number, made, stamp = values.split(" ")
        kept = int(number), made, int(stamp)
        whole = text.endswith("\n") and int(checksum, 16) == zlib.crc32(values.encode())
    except ValueError:
        return None
    return kept if whole and 0 <= kept[0] < _LARGEST else None


def _is_untouched(found: os.stat_result, stamp: int) -> bool:
    """Return whether a file was neither written over nor given its old time back since `_write` left it."""
    same = abs(found.st_mtime_ns - stamp) < _COARSE_NS
    # Where the system keeps the time of the last change of any kind, nobody can set it back.
    return same and (sys.platform == "win32" or found.st_ctime_ns < stamp + _TOUCHED_NS)


def _from_clock() -> int:
    """Return a number beyond every one that counting from 0 reaches: the clock in microseconds, and up to 1,000 s by chance.

    Chance keeps two stations apart that began as copies of one another, and two starts of one whose clock was set back.
    """
    return time.time_ns() // 1_000 + secrets.randbelow(10**9)
