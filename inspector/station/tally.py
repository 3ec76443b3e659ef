"""The counts of a shift or lot: they go on over stop, crash and restart until a person resets them."""

import json
import logging
import os
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from inspector.core.types import Inspection, Verdict
from inspector.inspection.status import StationStatus
from inspector.recipes.recipe import Recipe
from inspector.results.sink import Sink

log = logging.getLogger(__name__)

SLOT: Final = 256  # bytes of each of the two entries of the file
LOT_BYTES: Final = 96  # of a lot's name as JSON, so that every entry fits into its place
_WAIT_S: Final = 1.0  # longest wait for another thread or process at the file
SYNC_S: Final = 1.0  # a power cut may lose the counts of this time; the end of the process loses none


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Tally:
    """Parts by verdict since `since`. `lot`: its name, "" if nobody named one."""

    ok: int = 0
    ng: int = 0
    review: int = 0
    not_inspected: int = 0
    since: datetime = field(default_factory=_now)
    lot: str = ""

    @property
    def parts(self) -> int:
        return self.ok + self.ng + self.review + self.not_inspected

    @property
    def yield_share(self) -> float | None:
        """Share of OK parts among the inspected parts; None before the first inspected part."""
        inspected = self.parts - self.not_inspected
        return self.ok / inspected if inspected else None

    def plus(self, verdict: Verdict, parts: int = 1) -> "Tally":
        """Return the tally with more parts of this verdict."""
        name = verdict.value.lower()
        return replace(self, **{name: getattr(self, name) + parts})

    def counting(self, parts: Mapping[tuple[Verdict, str | None], int]) -> "Tally":
        """Return the tally with the numbers of parts by (verdict, lot) that are of its lot, or of no certain one."""
        tally = self
        for (verdict, lot), number in parts.items():
            if lot in (None, self.lot):
                tally = tally.plus(verdict, number)
        return tally


def lot_name(said: str) -> str:
    """Return a lot's name as it is kept: on one line, and cut at LOT_BYTES."""
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in said[:LOT_BYTES]).split())
    while len(json.dumps(plain, ensure_ascii=False).encode()) > LOT_BYTES + len('""'):
        plain = plain[:-1]
    return plain.rstrip()


class TallyFile:
    """A tally kept in a file. Every method may be called from any thread, and several processes may count in one file.

    Entries are written in turn to two places of the file, each with its number and check sum, so that a write that was cut off
    leaves the one before. What a disk does not take is counted in memory, and written with a later part.
    """

    def __init__(self, path: Path | None) -> None:
        """Read the file; without one, or if it is damaged, counting begins now. None: kept in memory only."""
        self._path = path
        self._changed = threading.Lock()  # guards the fields below; never held while the disk is waited for
        self.tally = Tally() if path is None else _read(path)
        self._unwritten = Counter[tuple[Verdict, str | None]]()  # parts by verdict and lot that are not in the file yet
        self._anew: Tally | None = None  # a reset that is not in the file yet
        self._disk = threading.Lock()  # held while the file is read or written, for as long as that takes
        self._file: int | None = None
        self._synced = 0.0

    def add(self, verdict: Verdict, *, lot: str | None = None) -> None:
        """Count a part. Raises OSError if it cannot be written; it is counted nevertheless.

        `lot`: the part's; if another one has begun meanwhile, the part does not count for it.
        """
        with self._changed:
            self.tally = self.tally.counting({(verdict, lot): 1})
            self._unwritten[verdict, lot] += 1
        self._write(sync=time.monotonic() - self._synced >= SYNC_S)

    def reset(self, lot: str = "") -> None:
        """Begin anew, with this lot. Raises OSError if it cannot be written; it is then written with the next part.

        A disk that hangs is not waited for, because whoever resets has other things to do, such as stopping the line.
        """
        with self._changed:
            self.tally = self._anew = Tally(lot=lot_name(lot))
            self._unwritten.clear()
        failed: list[OSError] = []

        def write() -> None:
            try:
                self._write(sync=True, closing=True)
            except OSError as error:
                failed.append(error)

        writer = threading.Thread(target=write, name="counters-reset", daemon=True)
        writer.start()
        writer.join(2 * _WAIT_S)
        if writer.is_alive():
            failed.append(TimeoutError(f"the disk of {self._path} hangs"))
        if failed:
            raise failed[0]

    def close(self) -> None:
        """Write the counts so that they survive a power cut, and close the file. Raises OSError."""
        if self._file is not None or self._unwritten or self._anew is not None:
            self._write(sync=True, closing=True)

    def _write(self, *, sync: bool, closing: bool = False) -> None:
        if self._path is None:
            return
        if not self._disk.acquire(timeout=_WAIT_S):
            raise TimeoutError(f"the disk of {self._path} hangs")
        try:
            if self._file is None or not os.fstat(self._file).st_nlink:  # deleted meanwhile
                self._close()
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
            with _alone(self._file):
                self._update(self._file)
            if sync:
                os.fsync(self._file)
                self._synced = time.monotonic()
            if closing:
                self._close()
        except OSError:
            self._close()
            raise
        finally:
            self._disk.release()

    def _update(self, file: int) -> None:
        """Add what is not written yet to what the file holds, to which another process may have added."""
        os.lseek(file, 0, os.SEEK_SET)
        newest = _newest(os.read(file, 2 * SLOT))
        with self._changed:
            parts, anew, before = self._unwritten.copy(), self._anew, self.tally
        number, kept = newest or (0, None)
        base = kept if anew is None else anew
        tally = before if base is None else base.counting(parts)  # without its file it goes on with what it knows
        os.lseek(file, (number + 1) % 2 * SLOT, os.SEEK_SET)
        os.write(file, _entry(number + 1, tally))
        with self._changed:
            if self._anew is not anew:  # another thread has reset it meanwhile
                return
            self._anew = None
            self._unwritten -= parts
            self.tally = tally.counting(self._unwritten)

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)


@contextmanager
def _alone(file: int) -> Iterator[None]:
    """Hold an open file against other processes. Raises OSError if one of them holds it for longer than it may."""
    until = time.monotonic() + _WAIT_S
    while not _lock(file):
        if time.monotonic() > until:
            raise TimeoutError("another process holds the file")
        time.sleep(0.01)
    try:
        yield
    finally:
        _unlock(file)


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> bool:
        os.lseek(file, 2 * SLOT, os.SEEK_SET)  # a byte that nobody reads
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: int) -> None:
        os.lseek(file, 2 * SLOT, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # the drive knows no locks
        return True

    def _unlock(file: int) -> None:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)


class Tallies:
    """The tally of the shift or lot, and apart from it that of everything simulated."""

    def __init__(self, folder: Path | None) -> None:
        """`folder`: where they are kept; None: in memory only."""
        self.shift = TallyFile(folder and folder / "shift")
        self.simulation = TallyFile(folder and folder / "simulation")

    def of(self, *, simulated: bool) -> TallyFile:
        return self.simulation if simulated else self.shift

    def of_part(self, inspection: Inspection, recipe: Recipe | None) -> TallyFile:
        """Return the tally in which a part counts. `recipe`: the one in force, for a part without a frame."""
        without_frame = recipe is not None and recipe.is_simulated
        return self.of(simulated=inspection.is_simulated if inspection.frames else without_frame)


class TallySink(Sink):
    """Counts every part, in the tally in which it belongs."""

    name = "counters"
    spare = True

    def __init__(self, tallies: Tallies, recipe: Callable[[], Recipe | None]) -> None:
        """`recipe` returns the recipe in force."""
        self._tallies = tallies
        self._recipe = recipe
        self._failed = False

    def take(self, inspection: Inspection) -> None:
        try:
            self._tallies.of_part(inspection, self._recipe()).add(inspection.verdict, lot=inspection.lot)
        except OSError as error:
            if not self._failed:  # the counts go on in memory; a full disk is reported by what records
                log.warning("the counters cannot be kept (%s)", error)
            self._failed = True

    def close(self, status: StationStatus) -> None:
        for file in (self._tallies.shift, self._tallies.simulation):
            try:
                file.close()
            except OSError as error:
                log.info("the counters cannot be kept (%s)", error)


def _entry(number: int, tally: Tally) -> bytes:
    """Return the bytes of an entry: check sum, JSON, and spaces up to its end."""
    counts = [tally.ok, tally.ng, tally.review, tally.not_inspected]
    values = {"number": number, "counts": counts, "since": tally.since.isoformat(), "lot": tally.lot}
    text = json.dumps(values, ensure_ascii=False).encode()
    if len(text) > SLOT - 10:
        raise ValueError("the entry does not fit into its place")
    return b"%08x " % zlib.crc32(text) + text.ljust(SLOT - 10) + b"\n"


def _read(path: Path) -> Tally:
    try:
        with path.open("rb") as stream:
            data = stream.read(2 * SLOT)
    except FileNotFoundError:
        return Tally()
    except OSError as error:
        log.warning("%s cannot be read, so counting begins anew (%s)", path, error)
        return Tally()
    newest = _newest(data)
    if newest is None:
        log.warning("%s is damaged, so counting begins anew", path)
    return Tally() if newest is None else newest[1]


def _newest(data: bytes) -> tuple[int, Tally] | None:
    """Return the newest entry of a file with its number; None if it has none that is whole."""
    found = [entry for at in (0, SLOT) if (entry := _parsed(data[at : at + SLOT])) is not None]
    return max(found, key=lambda entry: entry[0], default=None)


def _parsed(data: bytes) -> tuple[int, Tally] | None:
    text = data[9:].rstrip()
    try:
        if int(data[:8], 16) != zlib.crc32(text):
            return None
        values = json.loads(text)
        ok, ng, review, not_inspected = values["counts"]
        return values["number"], Tally(
            ok, ng, review, not_inspected, datetime.fromisoformat(values["since"]), str(values.get("lot", ""))
        )
    except (ValueError, KeyError, TypeError):
        return None
