"""The thread that feeds the database while the line runs. The database's library is imported on it, away from the start."""

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from inspector.core.errors import InspectorError

if TYPE_CHECKING:
    from inspector.archive.store.database import Database
    from inspector.archive.store.feeder import Feeder

PAUSE_S: Final = 0.25
_AGAIN_S: Final = 2.0  # after the database refused

log = logging.getLogger(__name__)


class FeederThread:
    """Feeds a database from the journals under `archive`, and tries again for as long as the database is away.

    `problem`: why it cannot be fed at the moment; None if it can.
    """

    def __init__(self, archive: Path, url: str = "") -> None:
        """`url`: of a database server; "": the database in the archive's folder."""
        self.problem: InspectorError | None = None
        self._archive = archive
        self._url = url
        self._stop = threading.Event()
        self._database: Database | None = None
        self._feeder: Feeder | None = None
        self._thread = threading.Thread(target=self._run, name="archive-feeder", daemon=True)
        self._thread.start()

    def stop(self, patience: float) -> None:
        """Feed what is left, for at most `patience` seconds; the rest is fed at the next start."""
        self._stop.set()
        self._thread.join(patience)

    def _run(self) -> None:
        while True:
            last = self._stop.is_set()
            try:
                self._feed()
                self.problem = None
            except InspectorError as error:
                self.problem = error
                log.debug("the archive is not fed: %s", error)
            except Exception:  # thread boundary: the journal keeps everything until it is mended
                log.exception("The archive cannot be fed")
                self._feeder = None
            if last:
                break
            self._stop.wait(PAUSE_S if self.problem is None else _AGAIN_S)
        if self._database is not None:
            self._database.close()

    def _feed(self) -> None:
        from inspector.archive.store.database import open_database
        from inspector.archive.store.feeder import Feeder

        if self._database is None:
            self._database = open_database(self._url or self._archive)
        if self._feeder is None:
            self._feeder = Feeder(self._archive, self._database)
        self._feeder.feed()
