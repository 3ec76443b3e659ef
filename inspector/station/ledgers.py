"""The ledgers of the watched folders of a run, written around the records of their parts."""

import hashlib
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

from inspector.cameras.base import Camera
from inspector.cameras.ledger import Ledger, RecordKey
from inspector.core.errors import StorageError
from inspector.core.registry import RECORDS
from inspector.core.storage.paths import user_data
from inspector.core.types import Inspection, Origin
from inspector.results.sink import Sink

FOLDER = "watched"


class Ledgers:
    """Opens a ledger for every watched folder and keeps it open to the end of the run. Any thread may call its methods."""

    def __init__(self) -> None:
        self._open: dict[str, Ledger] = {}
        self._lock = threading.Lock()
        self._opening = threading.Lock()  # held while the disk opens a ledger, for as long as that takes
        self._closed = False

    def attach(self, recipe: str, camera: Camera) -> None:
        """Give a camera that remembers its ledger. `recipe`: name of the recipe. Raises ConfigError or StorageError."""
        folder = camera.remembers
        if folder is None:
            return
        file = ledger_file(recipe, camera.name, folder)
        with self._opening:
            ledger = self._open.get(str(file))
            if ledger is None:
                ledger = Ledger(file, folder, _recorded)
                with self._lock:
                    closed = self._closed
                    if not closed:
                        self._open[str(file)] = ledger
                if closed:  # the station was stopped meanwhile
                    ledger.close()
            camera.ledger = ledger

    def claim(self, inspection: Inspection) -> None:
        """Note that a part has its verdict. Never waits."""
        for ledger, origin in self._of(inspection):
            ledger.claim(origin)

    def begin(self, inspection: Inspection, place: Path | None) -> None:
        """Write that the record of a part is about to be written to `place`. Raises StorageError."""
        key = RecordKey(str(place or ""), inspection.sequence, inspection.utc.isoformat())
        for ledger, origin in self._of(inspection):
            ledger.begin(origin, key, due=inspection.due)

    def done(self, inspection: Inspection) -> None:
        """Write that a part is recorded. Raises StorageError."""
        for ledger, origin in self._of(inspection):
            ledger.done(origin, due=inspection.due)

    def _of(self, inspection: Inspection) -> Iterator[tuple[Ledger, Origin]]:
        for origin in inspection.origins:
            ledger = self._open.get(origin.ledger)
            if ledger is not None:
                yield ledger, origin

    def close(self) -> None:
        """Close the ledgers. Raises StorageError for the first one that could not be written to its end."""
        with self._lock:
            self._closed = True
            ledgers = list(self._open.values())
            self._open.clear()
        problem: StorageError | None = None
        for ledger in ledgers:
            try:
                ledger.close()
            except StorageError as error:
                problem = problem or error
        if problem is not None:
            raise problem


class LedgerSink(Sink):
    """Stands in for records where none are kept: the ledger's entry is then all that says that a part was judged."""

    name = "ledger"
    records = True

    def take(self, inspection: Inspection) -> None:
        """Do nothing: every sink that records is followed by the ledgers."""


def _recorded(place: Path, keys: Collection[RecordKey]) -> set[RecordKey]:
    """Return which of these parts have a record in `place`, whether or not this run records there."""
    return {key for entry in RECORDS.values() for key in entry.load()(place, keys)}


def ledger_file(recipe: str, camera: str, folder: Path) -> Path:
    """Return the place of a ledger in the user's folder."""
    identity = "\0".join((recipe, camera, str(folder.resolve())))
    name = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return user_data() / FOLDER / f"{name}.sqlite"
