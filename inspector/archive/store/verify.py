"""Proof that the archive is what the stations wrote: no record changed, removed or inserted, no image exchanged."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from inspector.archive.recording.segment import JournalRecord, chained, genesis, sealed_text
from inspector.archive.store.database import Database
from inspector.archive.store.models import GapRow, ImageRow, JournalRow, RecordRow, ResultRow, TallyRow, key_of, sequence_of
from inspector.archive.store.rows import result_row
from inspector.archive.store.tally import places
from inspector.core.ed25519 import signed_by
from inspector.core.message import Message, message

_CHECKED = ("verdict", "part_id", "creation_time", "result_state", "internal_recipe_id", "is_simulated")
_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Proof:
    """What was checked, and every problem. `unsealed`: records at the end that no seal covers yet."""

    journals: int
    records: int
    seals: int
    images: int
    unsealed: int
    problems: Sequence[Message]

    @property
    def sound(self) -> bool:
        return not self.problems


@dataclass(slots=True)
class _Count:
    records: int = 0
    seals: int = 0
    unsealed: int = 0
    images: int = 0


def verify(database: Database, archive: Path, *, trusted: str = "", images: bool = False) -> Proof:
    """Check every record, and with `images` every image file. `trusted`: public key of the station, in hexadecimal.

    Without it, the key is the one that the journal itself names.
    """
    total = _Count()
    problems: list[Message] = []
    with database.read() as connection:
        journals = connection.execute(select(*JournalRow.__table__.columns).order_by(JournalRow.id)).all()
        for journal in journals:
            problems += _check_journal(connection, journal, trusted or journal.public_key, total)
        problems += _check_results(connection)
        problems += _check_counts(connection)
        if images:
            problems += _check_images(connection, archive, total)
    return Proof(len(journals), total.records, total.seals, total.images, total.unsealed, tuple(problems))


def _check_journal(connection: Connection, journal: Any, key: str, total: _Count) -> Iterator[Message]:  # noqa: ANN401 - a row
    public = bytes.fromhex(key) if len(key) == 64 else b""
    gaps = select(GapRow.first, GapRow.last).where(GapRow.journal_id == journal.id)
    known = dict(connection.execute(gaps).all())
    before, expected, open_seal = journal.pruned_digest or genesis(journal.name), journal.pruned + 1, 0
    for row in _records(connection, journal.id):
        total.records += 1
        sequence = sequence_of(row.id)
        if sequence != expected and known.get(expected) != sequence - 1:
            yield message(
                "Journal {journal}: the records {first} to {last} are missing.",
                journal=journal.name,
                first=expected,
                last=sequence - 1,
            )
        payload = row.payload if isinstance(row.payload, bytes) else str(row.payload).encode()  # SQLite takes anything
        if chained(before, sequence, payload) != row.digest:
            text = "Journal {journal}: record {sequence} does not follow the one before it: one was changed or inserted."
            yield message(text, journal=journal.name, sequence=sequence)
        open_seal += 1
        if row.seal is not None:
            total.seals += 1
            if signed_by(public, sealed_text(journal.name, sequence, row.digest), row.seal):
                open_seal = 0
            else:
                yield message(
                    "Journal {journal}: the seal of record {sequence} is not the station's.",
                    journal=journal.name,
                    sequence=sequence,
                )
        before, expected = row.digest, sequence + 1
    if expected != journal.fed:
        yield message(
            "Journal {journal}: the records {first} to {last} are missing.",
            journal=journal.name,
            first=expected,
            last=journal.fed - 1,
        )
    total.unsealed += open_seal


def _records(connection: Connection, journal: int) -> Iterator[Any]:
    query = select(RecordRow.id, RecordRow.payload, RecordRow.digest, RecordRow.seal)
    after = key_of(journal, 0)
    while rows := connection.execute(
        query.where(RecordRow.id > after, RecordRow.id < key_of(journal + 1, 0)).order_by(RecordRow.id).limit(_AT_ONCE)
    ).all():
        yield from rows
        after = rows[-1].id


def _check_results(connection: Connection) -> Iterator[Message]:
    """Compare the searchable rows with the records that they were made from."""
    columns = [getattr(ResultRow, name) for name in _CHECKED]
    query = select(RecordRow.id, RecordRow.payload, ResultRow.id.label("result"), *columns)
    joined = query.outerjoin(ResultRow, ResultRow.id == RecordRow.id).where(RecordRow.kind == "result")
    for row in connection.execute(joined.execution_options(yield_per=_AT_ONCE)):
        if row.result is None:
            yield message("Inspection {key} is missing in the table of results.", key=row.id)
            continue
        try:
            made = result_row(row.id, JournalRecord(0, row.payload, b"").content, {})
        except (ValueError, KeyError, TypeError):
            yield message("Record {key} cannot be read.", key=row.id)
            continue
        changed = [name for name in _CHECKED if made[name] != getattr(row, name)]
        if changed:
            yield message("Inspection {key}: {names} differ from its record.", key=row.id, names=", ".join(changed))
    extra = select(func.count()).select_from(ResultRow).where(ResultRow.id.not_in(select(RecordRow.id)))
    count = connection.execute(extra).scalar_one()
    if count:
        yield message("{count} inspections in the table of results have no record.", count=count)


def _check_counts(connection: Connection) -> Iterator[Message]:
    """Compare the counts that are kept with the rows that they count."""
    kept = {tuple(place): number for *place, number in connection.execute(select(*TallyRow.__table__.columns))}
    known = {tuple(place): number for *place, number in connection.execute(places())}
    wrong = sum(kept.get(place) != known.get(place) for place in {*kept, *known})
    if wrong:
        yield message("{count} counts of inspections differ from the inspections.", count=wrong)


def _check_images(connection: Connection, archive: Path, total: _Count) -> Iterator[Message]:
    query = select(ImageRow.path, ImageRow.sha256).where(ImageRow.deleted.is_(None))
    for path, digest in connection.execute(query.execution_options(yield_per=_AT_ONCE)):
        total.images += 1
        try:
            data = (archive / path).read_bytes()
        except OSError as error:
            yield message("The image {path} cannot be read ({detail}).", path=path, detail=error.strerror or error)
            continue
        if hashlib.sha256(data).hexdigest() != digest:
            yield message("The image {path} is not the one that was recorded.", path=path)
