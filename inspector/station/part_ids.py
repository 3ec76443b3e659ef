"""Part ids that never repeat on a station: over stop, crash and restart."""

import logging
import threading
import time
from pathlib import Path
from typing import Final

from inspector.core.config import write_atomically
from inspector.core.errors import StorageError
from inspector.core.storage.locks import alone
from inspector.core.storage.paths import user_data

log = logging.getLogger(__name__)

FILE: Final = "next-part"
BLOCK: Final = 100  # ids reserved by one write; a crash skips at most this many
_LARGEST: Final = 2**63


def station_folder() -> Path:
    """Return the folder of what this station counts; it may not exist yet."""
    return user_data() / "station"


class PartIds:
    """Issues part ids. Every method may be called from any thread; several processes may share the folder.

    The file holds the first number that is not reserved. It is replaced before any number of a block is issued, so an id is
    never issued twice. If the file is damaged or cannot be written, numbers go on from the milliseconds of the clock.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Opens nothing. `folder`: by default the station's own."""
        self._file = (folder or station_folder()) / FILE
        self._lock = threading.Lock()
        self._next = self._end = 0

    def issue(self) -> str:
        """Return an id that was never issued before."""
        with self._lock:
            if self._next >= self._end:
                self._reserve()
            number, self._next = self._next, self._next + 1
        return f"P{number:06d}"

    def _reserve(self) -> None:
        try:
            with alone(self._file):
                begin = self._read()
                write_atomically(self._file, f"{begin + BLOCK}\n".encode())
        except StorageError as error:
            begin = max(_from_clock(), self._end)  # the clock may be slower than the line
            log.warning("part ids go on from the clock: %s", error)
        self._next, self._end = begin, begin + BLOCK

    def _read(self) -> int:
        try:
            text = self._file.read_bytes()[:32].decode("ascii")
            number = int(text)
        except (FileNotFoundError, NotADirectoryError):
            return 0
        except (OSError, ValueError) as error:
            log.warning("%s is damaged, so part ids go on from the clock (%s)", self._file, error)
            return _from_clock()
        return number if 0 <= number < _LARGEST and text.endswith("\n") else _from_clock()


def _from_clock() -> int:
    """Return a number beyond every one that counting from 0 reaches."""
    return time.time_ns() // 1_000_000
