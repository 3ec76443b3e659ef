"""Part ids that never repeat on a station: over stop, crash and restart."""

import logging
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

from inspector.core.config import write_atomically
from inspector.core.errors import StorageError
from inspector.core.storage.locks import alone
from inspector.core.storage.paths import user_data

log = logging.getLogger(__name__)

FILE: Final = "next-part"
BLOCK: Final = 100  # fewest ids reserved by one write; a stop or crash skips those that are left
_MOST: Final = 10_000
_AHEAD_S: Final = 20.0  # a fast line reserves what it needs for this time
_WAIT_S: Final = 0.05  # longest wait for a reservation that is under way
_LARGEST: Final = 2**63


def station_folder() -> Path:
    """Return the folder of what this station counts; it may not exist yet."""
    return user_data() / "station"


class PartIds:
    """Issues part ids. Every method may be called from any thread; several processes may share the folder.

    The file holds the first number that is not reserved. It is replaced before any number of a block is issued, so an id is
    never issued twice. The next block is reserved on another thread while half of the ids are left, so that no part waits for
    the disk. If the file is damaged, cannot be written or takes too long, numbers go on from the milliseconds of the clock.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Opens nothing. `folder`: by default the station's own."""
        self._file = (folder or station_folder()) / FILE
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
                write_atomically(self._file, f"{begin + size}\n".encode())
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
        try:
            text = self._file.read_bytes()[:32].decode("ascii")
            number = int(text)
            if not 0 <= number < _LARGEST or not text.endswith("\n"):
                raise ValueError(f"it holds {text!r}")
            return number
        except (FileNotFoundError, NotADirectoryError):
            return 0
        except (OSError, ValueError) as error:
            log.warning("%s is damaged, so part ids go on from the clock (%s)", self._file, error)
            return _from_clock()


def _from_clock() -> int:
    """Return a number beyond every one that counting from 0 reaches."""
    return time.time_ns() // 1_000_000
