"""Finds the files of a folder that are new or modified and have not changed for a while.

Two sources complement each other. The operating system's change notification (`watchfiles`) names a file within milliseconds,
but says nothing of changes that another computer makes on a network share. So the folder is scanned, too: often until
notification has proved itself by naming a file before a scan found it, and rarely from then on. A file that a scan finds first
ends that trust for a while. Scans run in short slices, so that they delay no file that is ready.
"""

import heapq
import itertools
import logging
import os
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from inspector.cameras.ledger import KnownFile
from inspector.core.types import FileState
from inspector.imaging.files import is_image_name, natural_order, walk_images

_POLL: Final = 0.1  # seconds between looks at the folder itself, and shortest time between scans
_SLICE: Final = 0.02  # seconds of scanning at a time
_RARELY: Final = 10.0  # seconds between scans where notification is trusted
_NOTICE: Final = 2.0  # seconds within which a notification must follow what a scan found
_DISTRUST: Final = 600.0  # seconds of frequent scans after a change that was not notified
_MISSING: Final = 600.0  # a judged file that is missing for so long, in seconds,
_KEPT: Final = 24 * 3600.0  # and was judged so long ago, is forgotten

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Arrival:
    """A file that waits to be read. `since`: monotonic seconds when its state was first seen; `arrived`: when it changed."""

    name: str
    path: Path
    state: FileState
    since: float
    arrived: float
    ticket: int = 0  # of its newest turn


@dataclass(slots=True)
class _Scan:
    """A scan under way, or the last one. `files`: names that it has found so far; `known`: how many of them were judged."""

    began: float = float("-inf")
    ended: float = float("-inf")
    walk: Iterator[Path | os.DirEntry[str]] | None = None
    files: set[str] = field(default_factory=set)
    known: int = 0
    new: list[Path] = field(default_factory=list)
    worked: float = 0.0  # seconds


class FolderWatch:
    """The files of one folder, and which of them wait to be read. Used by one thread; kept while a share is disconnected.

    `known`: what has been judged, by name relative to the folder. `alive` is called whenever the folder has answered.
    """

    def __init__(
        self,
        folder: Path,
        *,
        pattern: str,
        recursive: bool,
        settle: float,
        known: Mapping[str, KnownFile],
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._alive = alive
        self.known = dict(known)
        self._folder = folder
        self._pattern = pattern
        self._recursive = recursive
        self._settle = settle
        self._waiting: dict[str, Arrival] = {}
        self._turns: list[tuple[float, int, str]] = []
        self._tickets = itertools.count()
        self._present: set[str] = set()
        self._stems: Counter[str] = Counter()
        self._scan = _Scan()
        self._scanned_once = False
        self._changed_after = time.monotonic()  # what the next scan finds changed after this time
        self._trusted = False
        self._distrusted_until = 0.0
        self._unannounced: dict[str, float] = {}  # files that a scan found first, and when
        self._notifier: _Notifier | None = None
        self._identity: tuple[int, int] | None = None
        self._looked = float("-inf")
        self._missing: dict[str, float] = {}  # judged files that are not there, and since when
        self.on_forgotten: Callable[[list[str]], None] = lambda names: None

    # ---- one thread, one connection --------------------

    def open(self) -> None:
        """Begin to be notified; a new scan finds what changed meanwhile."""
        self._notifier = _Notifier(self._folder, recursive=self._recursive)
        self._scan = _Scan()
        self._identity = None
        self._looked = float("-inf")

    def close(self) -> None:
        """End the notification."""
        if self._notifier is not None:
            self._notifier.close()
            self._notifier = None

    def next(self, stop: threading.Event) -> Arrival | None:
        """Wait for the next file that has not changed for the settling time; None if `stop` was set. Raises OSError."""
        while not stop.is_set():
            self._hear()
            self._look()
            self._alive()
            now = time.monotonic()
            arrival = self._pop(now)
            if arrival is not None:
                return arrival
            if self._notifier is not None and (self._scan.walk is None or self._trusted):
                turn = self._turns[0][0] - now if self._turns else _POLL
                self._notifier.wait(min(_POLL if self._scan.walk is None else _SLICE, max(0.0, turn)))
        return None

    def again(self, arrival: Arrival, at: float) -> None:
        """Let a file wait on, until `at` (monotonic seconds)."""
        arrival.ticket = next(self._tickets)
        self._waiting[arrival.name] = arrival
        heapq.heappush(self._turns, (at, arrival.ticket, arrival.name))

    def changed(self, arrival: Arrival) -> None:
        """Look at a file anew that changed while it was read."""
        self._notice(arrival.path, arrival.name, time.monotonic() - 1.0)

    def part_id(self, name: str) -> str:
        """Return a file's part id: its name without suffix, or with it if another file differs in nothing else."""
        stem = _stem(name)
        return name if self._stems[stem] > 1 else stem

    def files(self) -> dict[str, FileState]:
        """Scan the folder and return the state of every file. Raises OSError."""
        found: dict[str, FileState] = {}
        for file in walk_images(self._folder, pattern=self._pattern, recursive=self._recursive):
            state = state_of(file)
            self._alive()
            if state is not None:
                found[self._name(file)] = state
        return found

    # ---- inside --------------------

    def _name(self, file: Path | os.DirEntry[str]) -> str:
        if isinstance(file, Path):
            return file.relative_to(self._folder).as_posix()
        if not self._recursive:
            return file.name
        name = file.path[len(os.fspath(self._folder)) :].lstrip(os.sep)
        return name if os.sep == "/" else name.replace(os.sep, "/")

    def _hear(self) -> None:
        """Take over what the system has notified."""
        notifier, low = self._notifier, time.monotonic() - 1.0
        if notifier is None:
            return
        for relative in sorted(notifier.take(), key=natural_order):
            path, name = self._folder / relative, relative.as_posix()
            if any(part.startswith(".") for part in relative.parts) or ("/" in name and not self._recursive):
                continue
            if path.is_dir():
                # A folder that was moved into this one is named once; its files are not.
                if self._recursive and relative.parts:
                    for file in sorted(map(Path, walk_images(path, pattern=self._pattern, recursive=True)), key=natural_order):
                        self._notice(file, self._name(file), low, heard=True)
            elif is_image_name(path.name, self._pattern):
                if self._unannounced.pop(name, None) is None and time.monotonic() >= self._distrusted_until:
                    self._trusted = True
                self._notice(path, name, low, heard=True)

    def _look(self) -> None:
        """Scan for a moment if it is time, and at once if the folder is another one now. Raises OSError."""
        now, scan = time.monotonic(), self._scan
        if now - self._looked >= _POLL:
            self._looked = now
            status = self._folder.stat()
            if self._identity not in (None, (status.st_dev, status.st_ino)):
                self.close()
                self.open()
                scan = self._scan
            self._identity = status.st_dev, status.st_ino
            self._check_trust(now)
        if scan.walk is None:
            if now - scan.ended < (max(_RARELY, 20 * scan.worked) if self._trusted else max(_POLL, 4 * scan.worked)):
                return
            self._scan = scan = _Scan(now, walk=walk_images(self._folder, pattern=self._pattern, recursive=self._recursive))
        until = now + _SLICE if self._scanned_once else float("inf")
        through = self._advance(scan, until)
        scan.worked += time.monotonic() - now
        if through:
            self._end(scan)

    def _advance(self, scan: _Scan, until: float) -> bool:
        """Continue a scan until it is through, which is returned, or until a time."""
        walk = scan.walk
        if walk is None:
            return True
        for number, file in enumerate(walk):
            name = self._name(file)
            scan.files.add(name)
            known = self.known.get(name)
            scan.known += known is not None
            state = state_of(file)
            if state is not None and (known is None or known.state != state or not known.complete):
                waiting = self._waiting.get(name)
                if waiting is None or waiting.state != state:
                    scan.new.append(Path(file))
            if number % 64 == 63:
                self._alive()
                if time.monotonic() >= until:
                    return False
        return True

    def _end(self, scan: _Scan) -> None:
        """Take over what a scan has found. An empty folder may be a disconnected share, so nothing counts as deleted then."""
        scan.walk = None
        for name in scan.files - self._present:
            self._stems[_stem(name)] += 1
            self._present.add(name)
        if scan.files and len(scan.files) < len(self._present):
            gone = self._present - scan.files
            for name in gone:
                self._stems[_stem(name)] -= 1
            self._present -= gone
        if scan.files and (scan.known < len(self.known) or self._missing):
            self._forget(self.known.keys() - scan.files)
        now, notifier = time.monotonic(), self._notifier
        notified = notifier is not None and notifier.since < self._changed_after
        for path in sorted(scan.new, key=natural_order):
            name = self._name(path)
            if name not in self._waiting and notified:
                self._unannounced[name] = now
            self._notice(path, name, self._changed_after)
        self._changed_after, self._scan = scan.began, _Scan(ended=now, worked=scan.worked)
        self._scanned_once = True

    def _forget(self, missing: set[str]) -> None:
        """Forget files that are not there any more, but not at once: a share may be listed incompletely, or come back."""
        now, wall = time.monotonic(), time.time()
        self._missing = {name: self._missing.get(name, now) for name in missing}
        old = [name for name, since in self._missing.items() if now - since > _MISSING]
        forgotten = [name for name in old if abs(wall - self.known[name].at) > _KEPT]
        for name in forgotten:
            del self.known[name], self._missing[name]
        if forgotten:
            self.on_forgotten(forgotten)

    def _notice(self, path: Path, name: str, low: float, *, heard: bool = False) -> None:
        """Let a file wait from now on if it is new or modified. `low`: the change did not come before this time."""
        state, now = state_of(path), time.monotonic()
        self._alive()
        if state is None:
            self._waiting.pop(name, None)
            return
        known, waiting = self.known.get(name), self._waiting.get(name)
        if waiting is not None and waiting.state == state:
            return
        if known is not None and known.state == state and known.complete:
            self._waiting.pop(name, None)
            return
        if name not in self._present:
            self._present.add(name)
            self._stems[_stem(name)] += 1
        age = time.time() - max(state.modified_ns, state.changed_ns) / 1e9
        arrived = now - age if low <= now - age <= now else now if heard else low
        self.again(Arrival(name, path, state, now, arrived), now + self._settle)

    def _pop(self, now: float) -> Arrival | None:
        """Return a file whose turn it is and whose state is still the same."""
        while self._turns and self._turns[0][0] <= now:
            _, ticket, name = heapq.heappop(self._turns)
            arrival = self._waiting.get(name)
            if arrival is None or arrival.ticket != ticket:
                continue
            if state_of(arrival.path) == arrival.state:
                del self._waiting[name]
                return arrival
            self._notice(arrival.path, name, now - 1.0)
        return None

    def _check_trust(self, now: float) -> None:
        """Distrust notification if it did not name what a scan found."""
        late = [name for name, found in self._unannounced.items() if now - found > _NOTICE]
        for name in late:
            del self._unannounced[name]
        if late:
            self._trusted, self._distrusted_until = False, now + _DISTRUST


class _Notifier:
    """The thread that waits for the operating system's notification of changes."""

    def __init__(self, folder: Path, *, recursive: bool) -> None:
        self.since = float("inf")  # monotonic seconds since when changes are notified
        self._folder = folder.absolute()
        self._recursive = recursive
        self._paths: set[Path] = set()
        self._lock = threading.Lock()
        self._heard = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch-{folder.name}", daemon=True)
        self._thread.start()

    def take(self) -> set[Path]:
        """Return the paths, relative to the folder, that have changed since the last call."""
        with self._lock:
            self._heard.clear()
            paths, self._paths = self._paths, set()
            return paths

    def wait(self, seconds: float) -> None:
        """Wait for a change."""
        self._heard.wait(seconds)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        try:
            from watchfiles import watch  # takes longer to import than the first scan

            changes = watch(
                self._folder,
                watch_filter=None,
                debounce=100,
                step=20,
                rust_timeout=200,
                yield_on_timeout=True,
                stop_event=self._stop,
                raise_interrupt=False,
                force_polling=False,
                recursive=self._recursive,
                ignore_permission_denied=True,
                debug=False,
            )
            for change in changes:
                self.since = min(self.since, time.monotonic())
                paths = [Path(path) for _, path in change]
                inside = {path.relative_to(self._folder) for path in paths if path.is_relative_to(self._folder)}
                with self._lock:
                    self._paths |= inside
                if inside:
                    self._heard.set()
        except (ImportError, OSError, RuntimeError) as error:  # RuntimeError: what watchfiles makes of anything else
            log.info("No notification of changes in %s: %s", self._folder, error)


def state_of(file: Path | os.DirEntry[str]) -> FileState | None:
    """Return the state of a file, or None if it has gone."""
    try:
        # A directory entry on Windows knows neither the inode nor the newest size.
        status = os.stat(file) if os.name == "nt" else file.stat()  # noqa: PTH116
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return FileState(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _stem(name: str) -> str:
    head, _, tail = name.rpartition("/")
    return f"{head}/{tail.rpartition('.')[0]}" if head else tail.rpartition(".")[0]
