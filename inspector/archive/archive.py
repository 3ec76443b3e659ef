"""An opened archive, for everything but the running line: what was left unfinished is finished and fed when it is opened."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.archive.keys import StationKey
from inspector.archive.recording.folders import is_there
from inspector.archive.recording.interrupted import finish_interrupted
from inspector.archive.recording.journal import archive_folder, idle_journals, open_journal
from inspector.archive.store.database import Database, open_database
from inspector.archive.store.feeder import Feeder
from inspector.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Archive:
    """The folder of images and journals, and the database that is fed from them."""

    folder: Path
    database: Database
    feeder: Feeder

    def write(self, *contents: Mapping[str, Any]) -> None:
        """Record what a person or a job did, durably and in the chain, and feed it. Raises StorageError."""
        self.record(*contents)
        self.feeder.feed()

    def record(self, *contents: Mapping[str, Any]) -> None:
        """Record like `write`, and leave the feeding to whoever feeds next. Raises StorageError; then nothing is recorded."""
        record_in(self.folder, *contents)


def record_in(folder: Path, *contents: Mapping[str, Any]) -> None:
    """Record what a person did in the archive in `folder`, whose database is not needed. Raises StorageError."""
    journal = open_journal(folder, StationKey(folder))
    try:
        finish_interrupted(journal)  # of a line that ended without a word since the archive was opened
        for content in contents:
            journal.submit(content)
    finally:
        journal.close()


@contextlib.contextmanager
def opened_archive(folder: Path | None = None, *, url: str = "", must_exist: bool = True) -> Iterator[Archive]:
    """Open the archive of this user, or of a folder. `url`: of a database server. Raises ConfigError and StorageError.

    Journals that no process writes to are finished: parts under way when it ended are NOT_INSPECTED (interrupted).
    """
    where = folder or archive_folder()
    found = is_there(where)
    if must_exist and not found:
        raise ConfigError(
            "There is no archive in {folder}.",
            remedy="It is made when a line runs: inspector run, or the window.",
            folder=where,
        )
    for journal in idle_journals(where, StationKey(where)) if found else []:
        try:
            finish_interrupted(journal)
        finally:
            journal.close()
    database = open_database(url or where)
    try:
        feeder = Feeder(where, database)
        feeder.feed()
        yield Archive(where, database, feeder)
    finally:
        database.close()
