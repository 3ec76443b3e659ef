"""The thread that feeds the database and lets retention delete while the line runs.

The database's library is imported on it, away from the start of the line.
"""

import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from inspector.core.errors import InspectorError, as_problem
from inspector.results.record_file import refused

if TYPE_CHECKING:
    from inspector.archive.store.database import Database
    from inspector.archive.store.feeder import Feeder

PAUSE_S: Final = 0.25
_AGAIN_S: Final = 2.0  # after the database refused
FIRST_KEEP_S: Final = 60.0  # from the start until retention runs first,
KEEP_S: Final = 3600.0  # and between two runs

log = logging.getLogger(__name__)


class FeederThread:
    """Feeds a database from the journals under `archive`, and tries again for as long as the database is away.

    `problem`: why the database cannot be fed, or nothing can be deleted, at the moment; None if all is well.
    """

    def __init__(self, archive: Path, url: str = "") -> None:
        """`url`: of a database server; "": the database in the archive's folder."""
        self._feeding: InspectorError | None = None
        self._keeping: InspectorError | None = None
        self._keep_at = time.monotonic() + FIRST_KEEP_S
        self._archive = archive
        self._url = url
        self._stop = threading.Event()
        self._database: Database | None = None
        self._feeder: Feeder | None = None
        self._thread = threading.Thread(target=self._run, name="archive-feeder", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> InspectorError | None:
        return self._feeding or self._keeping

    def stop(self, patience: float) -> None:
        """Feed what is left, for at most `patience` seconds; the rest is fed at the next start."""
        self._stop.set()
        self._thread.join(patience)

    def _run(self) -> None:
        while True:
            last = self._stop.is_set()
            try:
                self._feed()
                self._feeding = None
                if not last:
                    self._keep()
            except InspectorError as error:
                self._feeding = error
                log.debug("the archive is not fed: %s", error)
            except Exception as error:  # thread boundary: the journal keeps everything until it is mended
                if self._feeding is None:  # once, not at every try
                    log.exception("The archive cannot be fed")
                self._feeding, self._feeder = as_problem(error), None
            if last:
                break
            self._stop.wait(PAUSE_S if self._feeding is None else _AGAIN_S)
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

    def _keep(self) -> None:
        """Let retention delete, when it is time; what keeps it from that is a problem until the next time."""
        if time.monotonic() < self._keep_at or self._database is None or self._feeder is None:
            return
        from inspector.archive.archive import Archive
        from inspector.archive.store.retention import load_policy, run_retention

        self._keep_at = time.monotonic() + KEEP_S
        try:
            run_retention(Archive(self._archive, self._database, self._feeder), load_policy(self._archive))
            self._keeping = None
        except InspectorError as error:
            self._keeping = error
        except OSError as error:
            self._keeping = refused(self._archive, error)
