"""The ledger of a watched folder: which files have been judged, kept over restarts and however the process ends.

One SQLite file per recipe, camera and folder, in the user's folder. An entry is begun before the part's record is written and
done afterwards, so a killed process leaves entries that are begun. Whether such a part was recorded is then looked up in the
records themselves, which are the truth: a recorded part is never judged again, any other part is.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from inspector.core.config import write_atomically
from inspector.core.errors import ConfigError, StorageError
from inspector.core.storage.locks import alone, refuses_locks
from inspector.core.types import FileState, Origin

PATIENCE_S: Final = 2.0  # longest wait for the disk with a part that has no deadline
GRACE_S: Final = 0.05  # the same with a part that is due now: the disk takes a millisecond
CLOSING_S: Final = 5.0  # longest wait for the disk at the end
_VERSION: Final = 1
_HEADER: Final = 100  # bytes of the smallest file that is an SQLite database (File Format, 1.3)

Entry = tuple[str, int]  # file and page
_Statement = tuple[str, tuple[object, ...]]


@dataclass(slots=True)
class KnownFile:
    """What has been judged of a file in one state. `digest`: of its bytes, empty if it was never read. `at`: time in UTC."""

    state: FileState
    digest: bytes = b""
    pages: int = 1
    done: set[int] = field(default_factory=set)
    at: float = field(default_factory=time.time)

    @property
    def complete(self) -> bool:
        return len(self.done) >= self.pages


@dataclass(frozen=True, slots=True)
class RecordKey:
    """Identifies the record of a part. `place`: file or folder that it is written to; "" if there is none."""

    place: str
    sequence: int
    utc: str


Recorded = Callable[[Path, Collection[RecordKey]], set[RecordKey]]


class Ledger:
    """An open ledger. Only one process can hold it. Every method may be called from any thread.

    A thread of its own writes what it is given. Who gave it waits for a limited time: a disk that hangs holds nobody up.
    """

    def __init__(self, file: Path, folder: Path, recorded: Recorded) -> None:
        """Open or create the ledger of `folder` and clear up what an interrupted process left.

        `recorded(place, keys)` returns which of the parts have a record there. Raises ConfigError if another process holds the
        ledger, StorageError if it cannot be used.
        """
        self.file = file
        self._folder = folder
        self._recorded = recorded
        self._disk = threading.Lock()  # held while the file is read or written, for as long as that takes
        self._changed = threading.Condition()  # guards the fields below; never held while the disk is waited for
        self._claimed: dict[Entry, Origin] = {}  # judged parts whose entry is not written yet
        self._waiting: list[_Statement] = []  # statements that are not written yet
        self._given = self._written = 0  # number of statements so far
        self._asked = self._answered = 0  # number of calls that want everything written, and of those that were attempted
        self._error: sqlite3.Error | None = None  # of the last attempt
        self._since: float | None = None  # monotonic seconds when the attempt under way began
        self._closing = False
        self._make()
        try:
            self._base = sqlite3.connect(file, timeout=0.5, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise self._refused(error) from error
        try:
            self._prepare()
            self._resolve()
        except sqlite3.OperationalError as error:
            self._base.close()
            if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                with suppress(OSError):
                    if refuses_locks(file.parent):  # which SQLite takes for a lock of somebody else
                        raise self._unlocked() from error
                raise ConfigError(
                    "The folder {folder} is already watched with this recipe by another process.",
                    remedy="Stop it there first, or give one of the two recipes another name.",
                    folder=folder,
                ) from error
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # tables are missing
                raise self._damaged(error) from error
            raise self._refused(error) from error
        except sqlite3.Error as error:
            self._base.close()
            raise self._damaged(error) from error
        self._writer = threading.Thread(target=self._write_all, name="ledger-writer", daemon=True)
        self._writer.start()

    def known(self) -> dict[str, KnownFile]:
        """Return what has been judged, including parts whose record is under way. Raises StorageError."""
        with self._changed:
            claimed = list(self._claimed.values())
        known: dict[str, KnownFile] = {}
        try:
            for path, page, pages, state, digest, at in self._read("SELECT path, page, pages, state, digest, at FROM pages"):
                _add(known, _name(path), int(page), KnownFile(FileState.parse(state), _bytes(digest), int(pages), at=float(at)))
        except sqlite3.Error as error:
            raise self._refused(error) from error
        except (ValueError, TypeError) as error:
            raise self._damaged(error) from error
        for origin in claimed:
            _add(known, origin.path, origin.page, KnownFile(origin.state, origin.digest, origin.pages))
        return known

    @property
    def fresh(self) -> bool:
        """Whether the folder has never been watched before with this ledger. Raises StorageError."""
        try:
            return not self._read("SELECT 1 FROM facts WHERE name = 'watched'")
        except sqlite3.Error as error:
            raise self._refused(error) from error

    def began(self, files: Mapping[str, FileState]) -> None:
        """Note that the folder is watched from now on. `files`: present files that are not to be inspected."""
        now = time.time()
        rows: list[_Statement] = [(_INSERT, (_blob(path), 0, 1, str(state), b"", now, None)) for path, state in files.items()]
        self._note([*rows, ("INSERT OR IGNORE INTO facts VALUES ('watched', '')", ())])

    def claim(self, origin: Origin) -> None:
        """Note in memory that a part has its verdict. Never waits for the disk."""
        with self._changed:
            self._claimed[origin.path, origin.page] = origin

    def begin(self, origin: Origin, key: RecordKey, *, due: float | None = None) -> None:
        """Write that the record of a part is about to be written. Raises StorageError; the entry is then written later.

        `due`: when the part must be told (monotonic seconds); a disk that hangs is not waited for any longer.
        """
        begun = json.dumps([key.place, key.sequence, key.utc])
        self._write(_entry(origin, begun), patience_s=self._patience_s(due))

    def done(self, origin: Origin, *, due: float | None = None) -> None:
        """Write that a part is judged and recorded. Raises StorageError: it is written later. `due`: see `begin`."""
        self._write(_entry(origin, None), patience_s=self._patience_s(due))
        with self._changed:
            if self._claimed.get((origin.path, origin.page)) is origin:
                del self._claimed[origin.path, origin.page]

    def restate(self, path: str, state: FileState) -> None:
        """Note that only the properties of a file have changed, not its content."""
        self._note([("UPDATE pages SET state = ? WHERE path = ?", (str(state), _blob(path)))])

    def forget(self, paths: Iterable[str]) -> None:
        """Drop the entries of deleted files."""
        self._note([("DELETE FROM pages WHERE path = ? AND begun IS NULL", (_blob(path),)) for path in paths])

    def close(self) -> None:
        """Write what waits and close the file. Raises StorageError. A disk that hangs is left behind after a few seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._writer.join(CLOSING_S)
        with self._changed:
            if self._writer.is_alive():
                raise self._hangs(CLOSING_S)
            if self._waiting and self._error is not None:
                raise self._refused(self._error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_reason: object) -> None:
        self.close()

    def _make(self) -> None:
        """Create the file where there is none, whole or not at all: an empty one is damaged. Raises StorageError."""
        try:
            if self.file.stat().st_size >= _HEADER:
                return
            damage = "it is empty"
        except FileNotFoundError:
            damage = ""
        except OSError as error:
            raise self._refused(error) from error
        if damage:
            raise self._damaged(damage)
        with alone(self.file), closing(sqlite3.connect(":memory:")) as base:
            if not self.file.exists():
                base.executescript(_TABLES)
                base.execute("INSERT INTO facts VALUES ('version', ?), ('folder', ?)", (str(_VERSION), repr(str(self._folder))))
                base.commit()
                write_atomically(self.file, base.serialize())

    def _prepare(self) -> None:
        base = self._base
        base.execute("PRAGMA locking_mode = EXCLUSIVE")  # held to the end of the process, however that comes
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = NORMAL")
        base.execute("BEGIN IMMEDIATE")
        base.execute("SELECT count(*) FROM facts")
        base.execute("COMMIT")

    def _resolve(self) -> None:
        """Settle the entries that a killed process left begun: keep those with a record, drop the others."""
        rows = self._base.execute("SELECT path, page, begun FROM pages WHERE begun IS NOT NULL").fetchall()
        written: dict[str, set[RecordKey]] = {}
        try:
            keys = {(path, page): RecordKey(*json.loads(begun)) for path, page, begun in rows}
            for place in {key.place for key in keys.values()} - {""}:
                written[place] = self._recorded(Path(place), {key for key in keys.values() if key.place == place})
        except (ValueError, TypeError) as error:
            raise sqlite3.DatabaseError(str(error)) from error
        self._base.execute("BEGIN")
        for (path, page), key in keys.items():
            if not key.place or key in written[key.place]:
                self._base.execute("UPDATE pages SET begun = NULL WHERE path = ? AND page = ?", (path, page))
            else:
                self._base.execute("DELETE FROM pages WHERE path = ? AND page = ?", (path, page))
        self._base.execute("COMMIT")

    def _read(self, sql: str) -> list[tuple[Any, ...]]:
        with self._disk:
            return self._base.execute(sql).fetchall()

    def _note(self, statements: list[_Statement]) -> None:
        """Write something that may come later; the next part reports what hinders it."""
        with suppress(StorageError):
            self._write(statements)

    def _patience_s(self, due: float | None) -> float:
        """Return how long to wait for the disk with a part that is due then. One that hangs already is not waited for."""
        since, now = self._since, time.monotonic()
        if since is not None and now - since > PATIENCE_S:
            return 0.0
        return PATIENCE_S if due is None else min(PATIENCE_S, max(due - now, GRACE_S))

    def _write(self, statements: list[_Statement], *, patience_s: float | None = None) -> None:
        """Have statements written, after those that wait. Raises StorageError; they are then written later."""
        with self._changed:
            self._waiting += statements
            self._given += len(statements)
            self._asked += 1
            last, mine, began = self._given, self._asked, time.monotonic()
            self._changed.notify_all()
            answered = self._changed.wait_for(lambda: self._closing or self._answered >= mine, patience_s)
            if self._written >= last:
                return
            if not answered or self._error is None:
                raise self._hangs(time.monotonic() - (began if self._since is None else self._since))
            raise self._refused(self._error) from self._error

    def _write_all(self) -> None:
        """Write what was given, until the ledger is closed. Runs on the writer's thread."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked > self._answered or self._closing)
                asked, waiting, closing = self._asked, list(self._waiting), self._closing
                self._since = time.monotonic()
            error = self._commit(waiting)
            with self._changed:
                if error is None:
                    del self._waiting[: len(waiting)]
                    self._written += len(waiting)
                self._answered, self._error, self._since = asked, error, None
                self._changed.notify_all()
            if closing:
                break
        with self._disk:
            self._base.close()

    def _commit(self, statements: list[_Statement]) -> sqlite3.Error | None:
        """Write statements, all of them or none; return why they could not be written."""
        if not statements:
            return None
        try:
            with self._disk:
                self._base.execute("BEGIN")
                try:
                    for sql, values in statements:
                        self._base.execute(sql, values)
                    self._base.execute("COMMIT")
                except BaseException:
                    if self._base.in_transaction:
                        self._base.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            return error
        return None

    def _hangs(self, seconds: float) -> StorageError:
        return StorageError(
            "The list of inspected files of {folder} has not been written to {file} for {seconds:.1f} s.",
            remedy="Check the disk, or what else it is written to.",
            folder=self._folder,
            file=self.file,
            seconds=seconds,
        )

    def _damaged(self, error: object) -> StorageError:
        return StorageError(
            "The list of inspected files of {folder} is damaged ({detail}).",
            remedy="Delete {file}. Files that are in the folder then are inspected again.",
            folder=self._folder,
            file=self.file,
            detail=error,
        )

    def _unlocked(self) -> StorageError:
        return StorageError(
            "The list of inspected files of {folder} cannot be kept in {file}, because its disk does not lock files.",
            remedy="Put this user's folder on a disk of this computer.",
            folder=self._folder,
            file=self.file,
        )

    def _refused(self, error: Exception) -> StorageError:
        if type(error) is sqlite3.DatabaseError:  # its subclasses are no damage
            return self._damaged(error)
        return StorageError(
            "The list of inspected files of {folder} cannot be kept in {file} ({detail}).",
            remedy="Free some space on that disk, and check that this user may write there.",
            folder=self._folder,
            file=self.file,
            detail=error,
        )


_TABLES: Final = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE pages (path BLOB, page INTEGER, pages INTEGER, state TEXT, digest BLOB, at REAL, begun TEXT,
    PRIMARY KEY (path, page)) WITHOUT ROWID;
"""
_INSERT: Final = "INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?, ?, ?, ?)"


def _entry(origin: Origin, begun: str | None) -> "list[_Statement]":
    """Return the statements that write a page; those of an earlier state of its file are dropped."""
    path, state = _blob(origin.path), str(origin.state)
    row = (path, origin.page, origin.pages, state, origin.digest, time.time(), begun)
    return [("DELETE FROM pages WHERE path = ? AND state != ?", (path, state)), (_INSERT, row)]


def _add(known: dict[str, KnownFile], path: str, page: int, file: KnownFile) -> None:
    """Add a page. Of two states of a file the one given last counts."""
    before = known.get(path)
    if before is not None and (before.state, before.digest) == (file.state, file.digest):
        file = before
    file.done.add(page)
    known[path] = file


def _blob(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _name(path: object) -> str:
    return _bytes(path).decode("utf-8", "surrogateescape")


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"bytes expected, not {type(value).__name__}")
    return value
