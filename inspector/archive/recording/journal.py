"""The journal: what a station did, on the local disk before anybody is told of it.

One thread writes. What has gathered while the disk was busy is written and made durable together (group commit), and sealed
with the station's key. Everyone else only waits for it, and only as long as they can.
"""

import contextlib
import logging
import os
import shutil
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from inspector.archive.keys import StationKey
from inspector.archive.recording.folders import away
from inspector.archive.recording.segment import NOTICE, chained, frame, header, sealed_text
from inspector.archive.recording.segments import (
    IDENTITY,
    SUFFIX,
    JournalReader,
    Missing,
    Tail,
    has_lost_its_end,
    is_copied,
    read_tail,
    segment_files,
    segment_header,
)
from inspector.core.errors import StorageError
from inspector.core.message import Message
from inspector.core.storage.durable import sync_names
from inspector.core.storage.identity import identity_of
from inspector.core.storage.locks import LockedError, alone
from inspector.core.storage.paths import user_data
from inspector.core.text import json_line
from inspector.results.record_file import Reserve, refused

SEGMENT_BYTES = 16 * 1024 * 1024  # a segment ends with the day, or when it has grown to this
JOURNALS = "journals"  # the folder of them in the archive
ROOM_BYTES = 512 * 1024  # of a segment that are on the disk as zeros before they are needed
MOST_WAITING = 64 * 1024 * 1024  # bytes of records in memory while the disk takes none; what comes then is lost, and a gap
_TOGETHER = 512  # most records of one commit
_GATHER_S: Final = 0.01  # that notices wait for a record, or for others: nobody waits for them
_AGAIN_S: Final = 0.2  # pause before a failed commit is tried again
_LOOK_S: Final = 5.0  # interval of checking for room for the reserve
_PLENTY: Final = 64  # times as many bytes must be free where some are used before they are needed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What was under way when the station ended without a word: the run's record, and the notices of its parts."""

    run: Mapping[str, Any]
    parts: tuple[Mapping[str, Any], ...]


@dataclass(slots=True)
class _Pending:
    sequence: int
    payload: bytes
    settles: int | None = None


@dataclass(slots=True)
class _Segment:
    """The segment that is written to: open file, bytes that are written, day; bytes of the file with the zeros behind them."""

    path: Path
    file: int
    size: int
    made: int = 0
    day: date = field(default_factory=lambda: datetime.now(UTC).date())

    def make_room(self) -> None:
        """Put zeros on the disk where the next records go. Raises OSError.

        What takes their place is on a disk in half the time, and need not wait for what others write, as what makes a file
        longer does.
        """
        start = max(self.made, self.size)
        self.made = start + os.pwrite(self.file, bytes(ROOM_BYTES), start)
        make_durable(self.file)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if self.made > self.size:
                os.ftruncate(self.file, self.size)
        with contextlib.suppress(OSError):
            os.close(self.file)


class Journal:
    """Appends records. Every method may be called from any thread and returns at once, but for `wait` and `close`.

    `id`: names the journal in every database that it is fed to. `interrupted`: what the process before left unfinished.
    """

    def __init__(self, folder: Path, key: StationKey, *, durable: Callable[[int], None] | None = None) -> None:
        """Open the journal in `folder`, which is made if needed, behind what is whole in it. Raises StorageError.

        One process at a time has a journal. `durable` makes what was written to an open file durable; by default the system.
        """
        self.folder = folder
        self.id = folder.name
        self._key = key
        self._make_durable = durable or make_durable
        self._held = ExitStack()
        self._held.enter_context(alone(folder, wait=0))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tail = read_tail(folder)
        except OSError as error:
            self._held.close()
            raise refused(folder, error) from error
        except BaseException:
            self._held.close()
            raise
        self.interrupted = _interrupted(tail)
        self._reserve = Reserve(folder)
        self._reserve.keep_back()
        self._segment: _Segment | None = None
        self._digest = tail.digest
        self._next = tail.sequence + 1
        self._durable = tail.sequence
        self._queue: deque[_Pending] = deque()
        self._waiting = 0  # bytes in the queue
        self._urgent = False  # whether there are records in the queue, and not only notices
        self._lost: set[int] = set()  # records that found no room in memory
        self._problem: StorageError | None = None
        self._looked = 0.0  # monotonic seconds
        self._since = 0.0  # monotonic seconds when the commit under way began; 0: none is
        self._open: dict[int, bytes] = {}  # notices of the parts under way, by their number in the run
        self._run: Mapping[str, Any] = {}
        self._closing = False
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)  # there is something to write; only the writer waits for it
        self._settled = threading.Condition(self._lock)  # a commit has ended, well or not
        self._thread = threading.Thread(target=self._write_all, name="journal-writer", daemon=True)
        self._thread.start()

    @property
    def durable(self) -> int:
        """Sequence number of the last record that is on disk; 0: none."""
        return self._durable

    @property
    def lost(self) -> int:
        """Number of records that found no room in memory."""
        return len(self._lost)

    @property
    def waiting(self) -> int:
        """Number of records that are not on disk yet."""
        with self._lock:
            return sum(1 for item in self._queue if item.sequence != NOTICE)

    @property
    def problem(self) -> StorageError | None:
        """Why the last commit failed; None if it did not."""
        return self._problem

    def stuck(self, now: float) -> float:
        """Return for how many seconds the commit under way has taken; 0 if none is."""
        since = self._since
        return now - since if since else 0.0

    def submit(self, content: Mapping[str, Any], *, settles: int | None = None) -> int:
        """Queue a record and return its sequence number. `settles`: number of the part that it answers."""
        return self.submit_all([(content, settles)])[0]

    def submit_all(self, contents: Sequence[tuple[Mapping[str, Any], int | None]]) -> list[int]:
        """Queue records that are to be made durable together, each with the number of the part that it answers or None.

        Returns their sequence numbers.
        """
        payloads = [json_line(content) for content, _ in contents]
        with self._lock:
            first = self._next
            self._next += len(contents)
            for sequence, ((content, settles), payload) in enumerate(zip(contents, payloads, strict=True), first):
                if content.get("kind") == "run":
                    self._run = {**content, "sequence": sequence}
                elif content.get("kind") == "run_ended":
                    self._run = {}
                self._put(_Pending(sequence, payload, settles))
            self._arrived.notify()
        return list(range(first, first + len(contents)))

    def opened(self, part: int, content: Mapping[str, Any]) -> None:
        """Note that a part is under way. `part`: its number in this run."""
        payload = json_line({**content, "opened": part})
        with self._lock:
            self._open[part] = payload
            self._put_notice(payload)

    def forgotten(self, part: int) -> None:
        """Note that a part will get no answer, because newer ones took its place."""
        with self._lock:
            if self._open.pop(part, None) is not None:
                self._put_notice(json_line({"forgotten": part}))

    def wait(self, sequence: int, until: float) -> bool:
        """Wait until a record is on disk, at most until `until` (monotonic seconds); return whether it is.

        A disk that refuses is not waited for, nor a record that is lost.
        """
        with self._lock:
            if sequence in self._lost:
                return False
            self._settled.wait_for(
                lambda: self._durable >= sequence or self._problem is not None, max(0.0, until - time.monotonic())
            )
            return self._durable >= sequence

    def close(self, *, patience: float = 5.0) -> None:
        """Write what waits, and let go of the journal. Raises StorageError with the number of records that were not written.

        A disk that hangs for longer than `patience` seconds is left behind; the lock is then kept until the process ends.
        """
        with self._lock:
            self._closing = True
            self._arrived.notify()
        self._thread.join(patience)
        left = self.waiting
        if not self._thread.is_alive():
            if self._segment is not None:
                self._segment.close()
            self._reserve.give_up()
            self._held.close()
        if left or self.lost:
            raise StorageError(
                "{count} {count:|record|records} could not be written to the journal {folder}.",
                remedy="Check the disk: free some space on it, or replace it.",
                count=left + self.lost,
                folder=self.folder,
            )

    # ---- the writer --------------------

    def _put(self, item: _Pending) -> None:
        """Queue an item. Called under the lock."""
        if self._waiting + len(item.payload) > MOST_WAITING or self._closing:
            self._lost |= {item.sequence} - {NOTICE}
            return
        self._queue.append(item)
        self._waiting += len(item.payload)
        self._urgent = self._urgent or item.sequence != NOTICE

    def _put_notice(self, payload: bytes) -> None:
        """Queue a notice, and wake the writer only for the first: a thread that wakes costs more. Called under the lock."""
        idle = not self._queue
        self._put(_Pending(NOTICE, payload))
        if idle:
            self._arrived.notify()

    def _write_all(self) -> None:
        while True:
            with self._lock:
                self._arrived.wait_for(lambda: bool(self._queue) or self._closing)
                self._arrived.wait_for(lambda: self._urgent or self._closing, _GATHER_S)
                batch = [self._queue[index] for index in range(min(_TOGETHER, len(self._queue)))]
                self._since = time.monotonic()
            if not batch:
                return
            try:
                self._commit(batch)
            except OSError as error:
                if not self._failed(error) and self._closing:
                    return
                time.sleep(_AGAIN_S)
                continue
            self._committed(batch)
            if not self._urgent:
                self._make_room()
            if self._reserve.tight and time.monotonic() - self._looked > _LOOK_S:
                self._looked = time.monotonic()
                self._reserve.keep_back()

    def _make_room(self) -> None:
        """Make room in the segment while nobody waits, if it gets short."""
        segment = self._segment
        if segment is None or not hasattr(os, "pwrite") or segment.made - segment.size > ROOM_BYTES // 2:
            return
        self._since = time.monotonic()  # a disk that hangs is seen here too
        try:
            if shutil.disk_usage(self.folder).free > _PLENTY * ROOM_BYTES:
                segment.make_room()
        except OSError as error:
            log.debug("no room is made in %s", segment.path, exc_info=error)
            self._segment = None  # what the disk has of it is not known
            segment.close()
        self._since = 0.0

    def _committed(self, batch: list[_Pending]) -> None:
        with self._lock:
            for item in batch:
                self._queue.popleft()
                self._waiting -= len(item.payload)
                if item.settles is not None:
                    self._open.pop(item.settles, None)
            self._urgent = any(item.sequence != NOTICE for item in self._queue)
            self._durable = max(self._durable, *(item.sequence for item in batch))
            self._since, self._problem = 0.0, None
            self._settled.notify_all()

    def _failed(self, error: OSError) -> bool:
        """Keep the batch, and never trust this segment again: what the disk has of it is not known after an error.

        Returns whether space that was kept back is free now.
        """
        tight = self._reserve.tight
        self._reserve.give_up()
        if self._segment is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._segment.file, self._segment.size)
            self._segment.close()
            self._segment = None
        if tight or error.errno is None:
            log.debug("the journal %s takes no records", self.folder, exc_info=error)
        with self._lock:
            self._since = 0.0
            self._problem = refused(self.folder, error)
            self._settled.notify_all()
        return not tight

    def _commit(self, batch: list[_Pending]) -> None:
        """Write records and make them durable. Raises OSError; then none of them counts."""
        digest, frames = self._digest, []
        last = max((index for index, item in enumerate(batch) if item.sequence != NOTICE), default=-1)
        for index, item in enumerate(batch):
            if item.sequence == NOTICE:
                frames.append(frame(NOTICE, item.payload, bytes(32)))
                continue
            digest = chained(digest, item.sequence, item.payload)
            seal = self._key.sign(sealed_text(self.id, item.sequence, digest)) if index == last else b""
            frames.append(frame(item.sequence, item.payload, digest, seal))
        segment = self._segment_for(batch)
        data = b"".join(frames)
        _write(segment.file, data)
        if last >= 0:
            self._make_durable(segment.file)
        segment.size += len(data)
        self._digest = digest

    def _segment_for(self, batch: list[_Pending]) -> _Segment:
        """Return the segment to write to: a new one with the day, when it has grown, or after an error."""
        segment, today = self._segment, datetime.now(UTC).date()
        if segment is not None and segment.size < SEGMENT_BYTES and segment.day == today:
            return segment
        if segment is not None:
            self._segment = None
            segment.close()
        with self._lock:
            first = next((item.sequence for item in batch if item.sequence != NOTICE), self._durable + 1)
            started = self._run if self._run and self._run["sequence"] < first else {}
            notices = list(self._open.values()) if started else []
        self._segment = segment = self._new_segment(first, {"run": dict(started)}, notices)
        return segment

    def _new_segment(self, first: int, fields: Mapping[str, Any], notices: list[bytes]) -> _Segment:
        """Make a segment that says what is under way, so that after an interruption only the last one has to be read."""
        fields = {"key": self._key.public.hex(), "created": datetime.now(UTC).isoformat(), **fields}
        more = b"".join(frame(NOTICE, payload, bytes(32)) for payload in notices)
        for attempt in range(10_000):
            path = self.folder / f"{first:016d}-{attempt:04d}{SUFFIX}"
            try:
                file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
            except FileExistsError:
                continue
            try:
                data = header(self.id, first, self._digest, **{IDENTITY: identity_of(file)}, **fields) + more
                _write(file, data)
                self._make_durable(file)
                sync_names(self.folder)
            except OSError:
                os.close(file)
                path.unlink(missing_ok=True)
                raise
            return _Segment(path, file, len(data))
        raise FileExistsError(f"no name is free for a segment from {first} on")


def open_journal(archive: Path, key: StationKey, *, durable: Callable[[int], None] | None = None) -> Journal:
    """Open the first journal under the archive's folder that no other process has; a new one if there is none.

    Raises StorageError.
    """
    for folder in _own_folders(archive, key):
        with contextlib.suppress(LockedError):
            return Journal(folder, key, durable=durable)
    return Journal(archive / JOURNALS / uuid.uuid4().hex, key, durable=durable)


def idle_journals(archive: Path, key: StationKey) -> Iterator[Journal]:
    """Open, one after the other, every journal that no process has, so that what one left unfinished can be finished.

    Raises StorageError.
    """
    for folder in _own_folders(archive, key):
        try:
            journal = Journal(folder, key)
        except LockedError:
            continue
        yield journal


def archive_folder() -> Path:
    """Return the folder of this user's archive; it may not exist yet."""
    return user_data() / "archive"


def journal_folders(archive: Path) -> list[Path]:
    """Return the folders of all journals under the archive's folder. Raises StorageError."""
    parent = archive / JOURNALS
    try:
        return sorted(folder for folder in parent.iterdir() if folder.is_dir()) if parent.is_dir() else []
    except OSError as error:
        raise away(parent, error) from error


def holds_parts(archive: Path | None = None) -> bool:
    """Return whether a journal under the archive's folder (by default this user's) tells of a part.

    What cannot be read counts as if it did.
    """
    try:
        for folder in journal_folders(archive or archive_folder()):
            for found in JournalReader(folder, 1).read():
                if isinstance(found, Missing) or found.content.get("kind") == "result":
                    return True
    except (OSError, StorageError):
        return True
    return False


def _own_folders(archive: Path, key: StationKey) -> list[Path]:
    """Return the journals that this station may go on with: those that were sealed with its key, and new ones.

    Of one that has lost its end, or was copied as from a backup or to another computer, a database may know records whose
    numbers would come again. Raises StorageError.
    """
    own = []
    for folder in journal_folders(archive):
        header = next(filter(None, map(segment_header, reversed(segment_files(folder)))), {})
        try:
            lost = has_lost_its_end(folder) or is_copied(folder)
        except OSError as error:
            raise refused(folder, error) from error
        if not lost and header.get("key", key.public.hex()) == key.public.hex():
            own.append(folder)
    return own


def problem_of(journal: Journal, now: float) -> Message | None:
    """Return what keeps records from the disk, or None."""
    problem = journal.problem
    if problem is not None:
        return problem.problem
    stuck = journal.stuck(now)
    if stuck > 0:
        return StorageError(
            "The disk of the journal {folder} has not answered for {seconds:.1f} s.", folder=journal.folder, seconds=stuck
        ).problem
    return None


def _interrupted(tail: Tail) -> Interrupted | None:
    return Interrupted(tail.run, tuple(tail.open.values())) if tail.run else None


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def make_durable(file: int) -> None:
    """Wait until the disk has what was written to an open file. Raises OSError."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(file)
    else:
        os.fsync(file)
