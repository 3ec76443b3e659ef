"""Feeding the database from journals, each record exactly once, whatever ends in between."""

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from inspector.archive.recording.journal import journal_folders
from inspector.archive.recording.segment import JournalRecord
from inspector.archive.recording.segments import JournalReader, Missing, segment_files, segment_header
from inspector.archive.store.database import Database
from inspector.archive.store.models import (
    Base,
    ConfigurationRow,
    CorrectionRow,
    DocumentRow,
    GapRow,
    HoldRow,
    ImageRow,
    JournalRow,
    RecordRow,
    ResultRow,
    RunRow,
    is_journal,
    key_of,
    sequence_of,
)
from inspector.archive.store.rows import RowBatch
from inspector.archive.store.tally import count_corrected, count_inserted, insert_or_ignore
from inspector.core.errors import StorageError

BATCH: Final = 500  # records of one transaction


class Feeder:
    """Feeds one database, for one thread at a time. Keeps the readers of journals, so that nothing is read twice."""

    def __init__(self, archive: Path, database: Database) -> None:
        self._archive = archive
        self._database = database
        self._readers: dict[str, JournalReader] = {}
        self._lock = threading.Lock()

    def feed(self, enough: Callable[[], bool] = lambda: False) -> int:
        """Feed what is new in every journal; return the number of records. Raises StorageError, and may be called again.

        `enough` is asked after every transaction whether to leave the rest for the next call.
        """
        with self._lock:
            return sum(self._feed_journal(folder, enough) for folder in journal_folders(self._archive))

    def _feed_journal(self, folder: Path, enough: Callable[[], bool]) -> int:
        """Feed what is new in one journal; return the number of records. Raises StorageError."""
        total = 0
        while not enough():
            try:
                count = self._feed_batch(folder)
            except BaseException:
                self._readers.pop(folder.name, None)  # it is ahead of the database
                raise
            total += count
            if count < BATCH:
                break
        return total

    def _feed_batch(self, folder: Path) -> int:
        reader = self._readers.get(folder.name)
        if reader is None:
            with self._database.read() as connection:
                fed = connection.execute(select(JournalRow.fed).where(JournalRow.name == folder.name)).scalar_one_or_none()
            reader = self._readers[folder.name] = JournalReader(folder, fed or 1)
        began = reader.next
        try:
            found = list(islice(reader.read(), BATCH))
        except OSError as error:
            raise StorageError(
                "The journal {folder} cannot be read ({detail}).", folder=folder, detail=error.strerror or error
            ) from error
        if not found:
            return 0
        with self._database.write() as connection:
            journal = journal_row(connection, folder.name, _public_key(folder))
            if journal["fed"] != began:  # another process was faster
                self._readers[folder.name] = JournalReader(folder, journal["fed"])
                return BATCH
            self._store(connection, journal["id"], found)
            connection.execute(update(JournalRow).where(JournalRow.id == journal["id"]).values(fed=reader.next))
        return len(found)

    def _store(self, connection: Connection, journal: int, found: list[JournalRecord | Missing]) -> None:
        records = [item for item in found if isinstance(item, JournalRecord)]
        gaps = [
            {"journal_id": journal, "first": item.first, "last": item.last, "damaged": item.damaged}
            for item in found
            if isinstance(item, Missing)
        ]
        if gaps:
            connection.execute(insert(GapRow), gaps)
        store_records(connection, journal, records)


def store_records(connection: Connection, journal: int, records: Sequence[JournalRecord]) -> None:
    """Store records of one journal, in order. `journal`: its key."""
    batch = RowBatch(journal, _run_of(connection, journal, records), lambda name: int(journal_row(connection, name)["id"]))
    for record in records:
        batch.add(record)
    store_batch(connection, batch)


def store_batch(connection: Connection, batch: RowBatch) -> None:
    """Insert and update the rows of a batch."""
    tables = Base.metadata.tables
    for name in ("record", "run", "result", "judgement", "correction", "event", "heat"):
        if batch.inserts[name]:
            connection.execute(tables[name].insert(), batch.inserts[name])
    count_inserted(connection, batch.inserts["result"])
    insert_or_ignore(connection, ImageRow, batch.inserts["image"])
    insert_or_ignore(connection, DocumentRow, batch.inserts["document"])
    configurations = sorted({row["internal_configuration_id"] for row in batch.inserts["result"]})
    insert_or_ignore(connection, ConfigurationRow, [{"id": one} for one in configurations])
    changes = batch.updates
    for row in changes["station"]:
        connection.execute(update(JournalRow).where(JournalRow.id == row["key"]).values(station=row["station"]))
    for row in changes["run"]:
        values = {name: row[name] for name in ("ended", "interrupted", "cause")}
        connection.execute(update(RunRow).where(RunRow.id == row["key"]).values(values))
    for row in changes["told"]:
        connection.execute(update(ResultRow).where(ResultRow.id == row["key"]).values(told=row["told"]))
    for row in changes["images"]:
        connection.execute(update(ResultRow).where(ResultRow.id == row["key"]).values(images=row["images"]))
    for row in changes["deleted"]:
        connection.execute(update(ImageRow).where(ImageRow.result_id == row["key"]).values(deleted=row["deleted"]))
        connection.execute(update(ResultRow).where(ResultRow.id == row["key"]).values(images=0))
    insert_or_ignore(connection, HoldRow, changes["hold"])
    for row in changes["released"]:
        connection.execute(delete(HoldRow).where(HoldRow.lot == row["lot"]))
    for row in changes["undone"]:
        connection.execute(update(CorrectionRow).where(CorrectionRow.id == row["key"]).values(undone=row["undone"]))
    corrected = {row["result_id"] for row in (*changes["human"], *changes["undone"])}
    if keys := [row["id"] for row in batch.inserts["result"]]:  # of another journal, which was fed before
        early = select(CorrectionRow.result_id).where(CorrectionRow.result_id.between(min(keys), max(keys)))
        corrected |= set(connection.execute(early).scalars())
    for key in corrected:
        _follow_corrections(connection, key)


def _follow_corrections(connection: Connection, result: int) -> None:
    """Let an inspection show the newest correction that was not undone."""
    newest = (
        select(CorrectionRow.verdict)
        .where(CorrectionRow.result_id == result, CorrectionRow.undone.is_(None))
        .order_by(CorrectionRow.creation_time.desc(), CorrectionRow.id.desc())
        .limit(1)
    )
    verdict = connection.execute(newest).scalar_one_or_none()
    columns = ResultRow.category_id, ResultRow.creation_time, ResultRow.verdict, ResultRow.human_verdict
    row = connection.execute(select(*columns).where(ResultRow.id == result).with_for_update()).one_or_none()
    if row is not None and row.human_verdict != verdict:
        connection.execute(update(ResultRow).where(ResultRow.id == result).values(human_verdict=verdict))
        count_corrected(connection, row, verdict)


def journal_row(connection: Connection, name: str, public_key: str = "") -> dict[str, Any]:
    """Return `id` and `fed` of a journal, which is made if it is new. `public_key`: of its seals, once it is known."""
    known = select(JournalRow.id, JournalRow.fed, JournalRow.public_key).where(JournalRow.name == name)
    # The row is locked on a server, so that two do not feed the same.
    while (row := connection.execute(known.with_for_update()).one_or_none()) is None:
        key = (connection.execute(select(func.max(JournalRow.id))).scalar_one() or 0) + 1
        values = {"id": key, "name": name, "public_key": public_key, "station": "", "fed": 1, "pruned": 0}
        insert_or_ignore(connection, JournalRow, [values])  # another process may give its own journal the same key first
    if public_key and not row.public_key:
        connection.execute(update(JournalRow).where(JournalRow.id == row.id).values(public_key=public_key))
    return {"id": row.id, "fed": row.fed}


def _public_key(folder: Path) -> str:
    files = segment_files(folder)
    return str(segment_header(files[0]).get("key", ""))[:64] if files else ""


def _run_of(connection: Connection, journal: int, records: Sequence[JournalRecord]) -> Mapping[str, Any] | None:
    """Return the row of the run under way before the first of these records."""
    if not records:
        return None
    first, start = key_of(journal, records[0].sequence), key_of(journal, 0)
    query = select(*RunRow.__table__.columns).where(RunRow.id < first, RunRow.id > start, RunRow.ended.is_(None))
    row = connection.execute(query.order_by(RunRow.id.desc()).limit(1)).one_or_none()
    return None if row is None else dict(row._mapping)


def import_records(database: Database, other: Database) -> tuple[int, list[str]]:
    """Store the records of another database that are not here yet, in order. Raises StorageError.

    Returns how many, and the journals that are left out: between what is here and what is still there, records are gone, and
    with them the proof; or this program did not make them.
    """
    total, left_out = 0, []
    with other.read() as source:
        for journal in source.execute(select(*JournalRow.__table__.columns)).all():
            if not is_journal(journal.name) or not _follows(database, journal):
                left_out.append(str(journal.name))
                continue
            while count := _import_batch(database, source, journal):
                total += count
    return total, left_out


def _follows(database: Database, journal: Any) -> bool:  # noqa: ANN401 - a row
    """Return whether what is left of another's journal follows what is here of it; where nothing is here, let it begin so."""
    with database.write() as connection:
        own = journal_row(connection, journal.name, journal.public_key)
        if own["fed"] == 1 and journal.pruned:
            begun = {"pruned": journal.pruned, "pruned_digest": journal.pruned_digest, "fed": journal.pruned + 1}
            connection.execute(update(JournalRow).where(JournalRow.id == own["id"]).values(begun))
            return True
        return bool(own["fed"] > journal.pruned)


def _import_batch(database: Database, source: Connection, journal: Any) -> int:  # noqa: ANN401 - a row
    with database.write() as connection:
        own = journal_row(connection, journal.name, journal.public_key)
        first, end = key_of(journal.id, own["fed"]), key_of(journal.id, journal.fed)
        columns = RecordRow.id, RecordRow.payload, RecordRow.digest, RecordRow.seal
        query = select(*columns).where(RecordRow.id >= first, RecordRow.id < end).order_by(RecordRow.id).limit(BATCH)
        records = [
            JournalRecord(sequence_of(row.id), row.payload, row.digest, row.seal or b"") for row in source.execute(query)
        ]
        if not records:
            return 0
        missing = select(*GapRow.__table__.columns).where(
            GapRow.journal_id == journal.id, GapRow.first >= own["fed"], GapRow.first <= records[-1].sequence
        )
        for gap in source.execute(missing).all():
            connection.execute(insert(GapRow), {**gap._mapping, "journal_id": own["id"]})
        store_records(connection, own["id"], records)
        connection.execute(update(JournalRow).where(JournalRow.id == own["id"]).values(fed=records[-1].sequence + 1))
    return len(records)
