"""The counts of a shift or lot: they go on over stop, crash and restart until a person resets them."""

import json
import logging
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
LOCK_S: Final = 1.0  # longest wait for another process that counts
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

    def plus(self, verdict: Verdict) -> "Tally":
        """Return the tally with one more part."""
        name = verdict.value.lower()
        return replace(self, **{name: getattr(self, name) + 1})


def lot_name(said: str) -> str:
    """Return a lot's name as it is kept: on one line, and cut at LOT_BYTES."""
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in said[:LOT_BYTES]).split())
    while len(json.dumps(plain, ensure_ascii=False).encode()) > LOT_BYTES + len('""'):
        plain = plain[:-1]
    return plain.rstrip()


class TallyFile:
    """A tally kept in a file. Every method may be called from any thread; several processes may count in one file.

    Entries are written in turn to two places of the file, each with its number and check sum, so that a write that was cut off
    leaves the one before.
    """

    def __init__(self, path: Path | None) -> None:
        """Read the file; without one, or if it is damaged, counting begins now. None: kept in memory only."""
        self._path = path
        self._lock = threading.Lock()
        self._number, self.tally = (0, Tally()) if path is None else _read(path)
        self._synced = 0.0

    def add(self, verdict: Verdict, *, lot: str | None = None) -> None:
        """Count a part. Raises OSError if it cannot be written; it is counted nevertheless.

        `lot`: the part's; if another one has begun meanwhile, the part does not count for it.
        """

        def counted(tally: Tally) -> Tally:
            return tally.plus(verdict) if lot in (None, tally.lot) else tally

        with self._lock:
            self._change(counted, sync=time.monotonic() - self._synced >= SYNC_S)

    def reset(self, lot: str = "") -> None:
        """Begin anew, with this lot. Raises OSError if it cannot be written."""
        with self._lock:
            self._change(lambda _: Tally(lot=lot_name(lot)), sync=True)

    def sync(self) -> None:
        """Write the counts so that they survive a power cut. Raises OSError."""
        with self._lock:
            if self._number:
                self._change(lambda tally: tally, sync=True)

    def _change(self, change: Callable[[Tally], Tally], *, sync: bool) -> None:
        """Replace the newest tally of all processes. Raises OSError; then it is replaced in memory only."""
        if self._path is None:
            self.tally = change(self.tally)
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _alone(self._path):
                number, tally = _read(self._path)
                if number > self._number:
                    self._number, self.tally = number, tally
                self._write(self._path, change(self.tally), sync=sync)
        except OSError:
            self.tally = change(self.tally)
            raise

    def _write(self, path: Path, tally: Tally, *, sync: bool) -> None:
        self._number += 1
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        file = os.open(path, flags, 0o644)
        try:
            os.lseek(file, self._number % 2 * SLOT, os.SEEK_SET)
            os.write(file, _entry(self._number, tally))
            if sync:
                os.fsync(file)
                self._synced = time.monotonic()
        finally:
            os.close(file)
        self.tally = tally


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from counting in the same file. Raises OSError."""
    from filelock import FileLock, Timeout  # takes longer to import than the rest of this package

    try:
        with FileLock(path.with_name(f"{path.name}.lock"), timeout=LOCK_S, thread_local=False):
            yield
    except Timeout as error:
        raise OSError(f"another process has locked {path}") from error


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
        try:
            for file in (self._tallies.shift, self._tallies.simulation):
                file.sync()
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
        return values["number"], Tally(
            ok, ng, review, not_inspected, datetime.fromisoformat(values["since"]), str(values.get("lot", ""))
        )
    except (ValueError, KeyError, TypeError):
        return None
