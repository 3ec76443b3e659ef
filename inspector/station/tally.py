"""The counts of a shift or lot: they go on over stop, crash and restart until a person resets them."""

import json
import logging
import os
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from inspector.core.types import Inspection, Verdict
from inspector.inspection.status import StationStatus
from inspector.results.sink import Sink

log = logging.getLogger(__name__)

SLOT: Final = 256  # bytes of each of the two entries of the file
SYNC_S: Final = 1.0  # a power cut may lose the counts of this time; the end of the process loses none


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Tally:
    """Parts by verdict since `since`."""

    ok: int = 0
    ng: int = 0
    review: int = 0
    not_inspected: int = 0
    since: datetime = field(default_factory=_now)

    @property
    def parts(self) -> int:
        return self.ok + self.ng + self.review + self.not_inspected

    @property
    def yield_share(self) -> float | None:
        """Share of OK parts among the inspected parts; None before the first inspected part."""
        inspected = self.parts - self.not_inspected
        return self.ok / inspected if inspected else None

    def plus(self, verdict: Verdict) -> "Tally":
        """Return the tally with one more part."""
        name = verdict.value.lower()
        return replace(self, **{name: getattr(self, name) + 1})


class TallyFile:
    """A tally kept in a file. Every method may be called from any thread.

    Entries are written in turn to two places of the file, each with its number and check sum, so that a write that was cut off
    leaves the one before.
    """

    def __init__(self, path: Path | None) -> None:
        """Read the file; without one, or if it is damaged, counting begins now. None: kept in memory only."""
        self._path = path
        self._lock = threading.Lock()
        self._number, self.tally = (0, Tally()) if path is None else _read(path)
        self._synced = 0.0

    def add(self, verdict: Verdict) -> None:
        """Count a part. Raises OSError if it cannot be written; it is counted nevertheless."""
        with self._lock:
            self._set(self.tally.plus(verdict), sync=time.monotonic() - self._synced >= SYNC_S)

    def reset(self) -> None:
        """Begin anew. Raises OSError if it cannot be written."""
        with self._lock:
            self._set(Tally(), sync=True)

    def sync(self) -> None:
        """Write the counts so that they survive a power cut. Raises OSError."""
        with self._lock:
            if self._number:
                self._set(self.tally, sync=True)

    def _set(self, tally: Tally, *, sync: bool) -> None:
        self.tally = tally
        self._number += 1
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        file = os.open(self._path, flags, 0o644)
        try:
            os.lseek(file, self._number % 2 * SLOT, os.SEEK_SET)
            os.write(file, _entry(self._number, tally))
            if sync:
                os.fsync(file)
                self._synced = time.monotonic()
        finally:
            os.close(file)


class TallySink(Sink):
    """Counts every part in one of several tallies."""

    name = "counters"

    def __init__(self, files: Sequence[TallyFile], choose: Callable[[Inspection], TallyFile]) -> None:
        """`choose` returns the one of `files` in which a part counts."""
        self._files = tuple(files)
        self._choose = choose
        self._failed = False

    def take(self, inspection: Inspection) -> None:
        try:
            self._choose(inspection).add(inspection.verdict)
        except OSError as error:
            if not self._failed:  # the counts go on in memory; a full disk is reported by what records
                log.warning("the counters cannot be kept (%s)", error)
            self._failed = True

    def close(self, status: StationStatus) -> None:
        try:
            for file in self._files:
                file.sync()
        except OSError as error:
            log.info("the counters cannot be kept (%s)", error)


def _entry(number: int, tally: Tally) -> bytes:
    """Return the bytes of an entry: check sum, JSON, and spaces up to its end."""
    counts = [tally.ok, tally.ng, tally.review, tally.not_inspected]
    text = json.dumps({"number": number, "counts": counts, "since": tally.since.isoformat()}).encode()
    return b"%08x " % zlib.crc32(text) + text.ljust(SLOT - 10) + b"\n"


def _read(path: Path) -> tuple[int, Tally]:
    try:
        with path.open("rb") as stream:
            data = stream.read(2 * SLOT)
    except FileNotFoundError:
        return 0, Tally()
    except OSError as error:
        log.warning("%s cannot be read, so counting begins anew (%s)", path, error)
        return 0, Tally()
    found = [entry for at in (0, SLOT) if (entry := _parsed(data[at : at + SLOT])) is not None]
    if not found:
        log.warning("%s is damaged, so counting begins anew", path)
    return max(found, default=(0, Tally()), key=lambda entry: entry[0])


def _parsed(data: bytes) -> tuple[int, Tally] | None:
    text = data[9:].rstrip()
    try:
        if int(data[:8], 16) != zlib.crc32(text):
            return None
        values = json.loads(text)
        ok, ng, review, not_inspected = values["counts"]
        return values["number"], Tally(ok, ng, review, not_inspected, datetime.fromisoformat(values["since"]))
    except (ValueError, KeyError, TypeError):
        return None
