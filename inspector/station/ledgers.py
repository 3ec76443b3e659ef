"""The ledgers of the watched folders of a run, written around the records of their parts."""

import hashlib
import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from inspector.cameras.base import Camera
from inspector.cameras.ledger import Ledger, RecordKey
from inspector.core.errors import StorageError
from inspector.core.storage.paths import user_data
from inspector.core.types import Inspection
from inspector.results.sink import Sink

FOLDER = "watched"


class Ledgers:
    """Opens a ledger for every watched folder and keeps it open to the end of the run. Any thread may call its methods."""

    def __init__(self, sinks: Sequence[Sink] = ()) -> None:
        """`sinks`: those that record look up what an interrupted process has recorded."""
        self._recording = [sink for sink in sinks if sink.records]
        self._open: dict[str, Ledger] = {}
        self._lock = threading.Lock()

    def attach(self, recipe: str, camera: Camera) -> None:
        """Give a camera that remembers its ledger. `recipe`: name of the recipe. Raises ConfigError or StorageError."""
        folder = camera.remembers
        if folder is None:
            return
        file = ledger_file(recipe, camera.name, folder)
        with self._lock:
            if str(file) not in self._open:
                self._open[str(file)] = Ledger(file, folder, self._recorded)
            camera.ledger = self._open[str(file)]

    def claim(self, inspection: Inspection) -> None:
        """Note that a part has its verdict. Never waits."""
        for origin in inspection.origins:
            if origin.ledger in self._open:
                self._open[origin.ledger].claim(origin)

    def begin(self, inspection: Inspection, place: Path | None) -> None:
        """Write that the record of a part is about to be written to `place`. Raises StorageError."""
        key = RecordKey(str(place or ""), inspection.sequence, inspection.utc.isoformat())
        for origin in inspection.origins:
            if origin.ledger in self._open:
                self._open[origin.ledger].begin(origin, key)

    def done(self, inspection: Inspection) -> None:
        """Write that a part is recorded. Raises StorageError."""
        for origin in inspection.origins:
            if origin.ledger in self._open:
                self._open[origin.ledger].done(origin)

    def _recorded(self, place: Path, keys: Collection[RecordKey]) -> set[RecordKey]:
        return {key for sink in self._recording for key in sink.recorded(place, keys)}

    def close(self) -> None:
        """Close the ledgers. Raises StorageError for the first one that could not be written to its end."""
        with self._lock:
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


def ledger_file(recipe: str, camera: str, folder: Path) -> Path:
    """Return the place of a ledger in the user's folder."""
    identity = "\0".join((recipe, camera, str(folder.resolve())))
    name = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return user_data() / FOLDER / f"{name}.sqlite"
