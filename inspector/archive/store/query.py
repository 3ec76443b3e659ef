"""Finding inspections: filters, pages in the order of time or of margin, and the counts beside each filter."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain, islice
from operator import itemgetter
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, func, literal, select, tuple_

from inspector.archive.filters import Filters
from inspector.archive.recording.segment import JournalRecord, genesis
from inspector.archive.store.database import Database
from inspector.archive.store.models import (
    CorrectionRow,
    DocumentRow,
    EventRow,
    GapRow,
    HeatRow,
    ImageRow,
    JournalRow,
    RecordRow,
    ResultRow,
    RunRow,
    journal_of,
    key_of,
    parse_result_id,
    result_id,
    sequence_of,
)
from inspector.archive.store.names import identity_of
from inspector.archive.store.selection import conditions, configurations, either, has_range, is_narrow, matching, time_of
from inspector.archive.store.tally import by_time, count_by
from inspector.core.errors import ConfigError

PAGE: Final = 100
NEAR: Final = 2000  # inspections that are looked through for a page before an index of what is meant is searched
FACETS: Final = (
    "verdict",
    "product_id",
    "rule",
    "class_name",
    "lot",
    "shift",
    "operator",
    "station",
    "internal_configuration_id",
    "human_verdict",
)
Order = Literal["newest", "oldest", "margin"]


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of `result`, and where the next page begins; None: there is none."""

    rows: Sequence[Mapping[str, Any]]
    after: tuple[float, int] | None


def page(database: Database, filters: Filters, *, order: Order = "newest", limit: int = PAGE, after: object = None) -> Page:
    """Return the next inspections. `after`: of the page before. Cost does not grow with the number of pages."""
    name, down = ("margin" if order == "margin" else "creation_time"), order == "newest"
    with database.read() as connection:
        # Each in an index of its own, in the order of time; together they would have to be sorted.
        known = configurations(connection, filters.bundle) if filters.bundle else [None]
        sides = [(side, one) for side in either(filters) for one in known]
        found = [_next(connection, side, one, order=order, limit=limit, after=after) for side, one in sides]
    each = {row["id"]: row for row in chain(*found)}
    rows = list(each.values())
    if len(found) > 1:
        rows = sorted(rows, key=itemgetter(name, "id"), reverse=down)[:limit]
    last = rows[-1] if len(rows) == limit else None
    return Page(rows, None if last is None else (last[name], last["id"]))


def _next(
    connection: Connection, filters: Filters, bundles: str | None, *, order: Order, limit: int, after: object
) -> list[dict[str, Any]]:
    way = _Way(connection, bundles, order, limit, after if isinstance(after, tuple) else None)
    keys = way.ranged(filters) if order != "margin" and has_range(filters) else way.found(filters)
    rows = connection.execute(select(*ResultRow.__table__.columns).where(ResultRow.id.in_(keys)))
    found = {row.id: dict(zip(row._fields, row, strict=True)) for row in rows}
    return [found[key] for key in keys]


@dataclass(frozen=True, slots=True)
class _Way:
    """How the keys of a page are found: of a configuration of bundles, in an order, after a place in it."""

    connection: Connection
    bundles: str | None
    order: Order
    limit: int
    after: tuple[float, int] | None

    def ranged(self, filters: Filters) -> list[int]:
        """Return the keys of a page of values between limits, or of names with a beginning, in the order of time.

        Where many are meant, they are among the next ones in time. Few are found in the index of the range.
        """
        if is_narrow(self.connection, filters, most=NEAR):
            return self.found(filters, sort=True)
        if len(keys := self._near(filters)) == self.limit:
            return keys
        timed = by_time(self.connection, filters)
        if not has_range(timed):
            return self.found(timed)
        if timed != filters and len(keys := self._near(timed)) == self.limit:
            return keys
        narrow = is_narrow(self.connection, filters)
        return self.found(filters if narrow else timed, search=narrow, sort=narrow)

    def _near(self, filters: Filters) -> list[int]:
        """Return the keys of a page as far as they are among the next inspections in time."""
        time, down = ResultRow.creation_time, self.order == "newest"
        query = select(time).where(*conditions(Filters(since=filters.since, until=filters.until)))
        if self.after is not None:
            query = query.where(time <= self.after[0] if down else time >= self.after[0])
        query = query.order_by(time.desc() if down else time).offset(max(NEAR, 4 * self.limit)).limit(1)
        end = self.connection.execute(query).scalar_one_or_none()
        return self.found(filters, (time >= end if down else time <= end) if end is not None else None, search=False)

    def found(
        self, filters: Filters, within: ColumnElement[bool] | None = None, *, search: bool = True, sort: bool = False
    ) -> list[int]:
        """Return the keys of a page. `search`, `sort`: by the index of a range, not by that of times."""
        key: ColumnElement[Any] = ResultRow.creation_time if self.order != "margin" else ResultRow.margin  # type: ignore[assignment]
        if sort:
            key = key + 0  # as an expression: the index of times would be read to its end for them
        chosen = filters if self.bundles is None else replace(filters, bundle="")
        query = select(ResultRow.id).where(*conditions(chosen, search=search))
        if within is not None:
            query = query.where(within)
        if self.bundles is not None:
            query = query.where(ResultRow.internal_configuration_id == self.bundles)
        if self.order == "margin":
            query = query.where(ResultRow.margin.is_not(None))
        down = self.order == "newest"
        if self.after is not None:
            here, there = tuple_(key, ResultRow.id), tuple_(*(literal(value) for value in self.after))
            query = query.where(here < there if down else here > there)
        query = query.order_by(key.desc() if down else key, ResultRow.id.desc() if down else ResultRow.id).limit(self.limit)
        return list(self.connection.execute(query).scalars())


def every(database: Database, filters: Filters, *, order: Order = "oldest") -> Iterator[Mapping[str, Any]]:
    """Yield every inspection, page by page."""
    after: tuple[float, int] | None = None
    while True:
        found = page(database, filters, order=order, limit=2000, after=after)
        yield from found.rows
        if (after := found.after) is None:
            return


def count(database: Database, filters: Filters) -> int:
    """Return how many inspections are meant."""
    with database.read() as connection:
        return count_by(connection, filters, ())[0]


def facets(database: Database, filters: Filters, names: Sequence[str] = FACETS) -> dict[str, dict[str, int]]:
    """Return how many inspections there are of each value of columns of FACETS, the most frequent first. Raises ConfigError."""
    for name in names:
        if name not in FACETS:
            raise ConfigError("There is no filter {name}.", remedy="Use one of: {known}.", name=name, known=", ".join(FACETS))
    with database.read() as connection:
        return count_by(connection, filters, names)[1]


def facet(database: Database, filters: Filters, name: str, *, most: int = 50) -> dict[str, int]:
    """Return how many inspections there are of each value of a column of FACETS, the `most` most frequent first."""
    return dict(islice(facets(database, filters, (name,))[name].items(), most))


def result_of(database: Database, key: int) -> Mapping[str, Any]:
    """Return all that is known of one inspection. Raises ConfigError if there is none."""
    with database.read() as connection:
        row = connection.execute(select(*ResultRow.__table__.columns).where(ResultRow.id == key)).one_or_none()
        if row is None:
            raise ConfigError("There is no inspection {key} in the archive.", key=key)
        record = connection.execute(select(RecordRow.payload).where(RecordRow.id == key)).scalar_one_or_none()
        images = connection.execute(select(*ImageRow.__table__.columns).where(ImageRow.result_id == key))
        heat = select(RecordRow.payload).join(HeatRow, HeatRow.id == RecordRow.id)
        heat = heat.where(HeatRow.result_id == key).order_by(HeatRow.id)
        said = select(*CorrectionRow.__table__.columns).where(CorrectionRow.result_id == key).order_by(CorrectionRow.id)
        return {
            **row._mapping,
            "record": {} if record is None else JournalRecord(0, record, b"").content,
            "image_files": [dict(image._mapping) for image in images],
            "heat": [JournalRecord(0, one, b"").content for one in connection.execute(heat).scalars()],
            "corrections": [dict(one._mapping) for one in connection.execute(said)],
        }


def journal_names(database: Database) -> dict[int, str]:
    """Return the names of all journals by their keys."""
    with database.read() as connection:
        return dict(connection.execute(select(JournalRow.id, JournalRow.name)).all())


def fed_up_to(database: Database, journal: str) -> int:
    """Return the sequence number of the last record of a journal that is in the database; 0: none."""
    with database.read() as connection:
        following = connection.execute(select(JournalRow.fed).where(JournalRow.name == journal)).scalar_one_or_none()
        return (following or 1) - 1


def name_of(database: Database, key: int) -> str:
    """Return the name of a record, which is the same in every database (`result_id`)."""
    (name,) = names_of(database, [key])
    return name


def names_of(database: Database, keys: Iterable[int]) -> list[str]:
    """Return the names of records, in this order."""
    journals = journal_names(database)
    return [result_id(journals[journal_of(key)], sequence_of(key)) for key in keys]


def key_of_name(database: Database, name: str) -> int:
    """Return the key of an inspection by its name. Raises ConfigError."""
    try:
        journal, sequence = parse_result_id(name)
    except ValueError as error:
        raise ConfigError("{detail}.", detail=error) from error
    for key, known in journal_names(database).items():
        if known == journal:
            return key_of(key, sequence)
    raise ConfigError("There is no inspection {name} in the archive.", name=name)


def keys_of_part(database: Database, part: str) -> list[int]:
    """Return the inspections of a part, oldest first."""
    with database.read() as connection:
        query = (
            select(ResultRow.id).where(ResultRow.part_id == identity_of(part)).order_by(ResultRow.creation_time, ResultRow.id)
        )
        return list(connection.execute(query).scalars())


def part_counts(database: Database) -> dict[tuple[str, int], int]:
    """Return how many inspections there are of each part, by part id and result state."""
    query = select(ResultRow.part_id, ResultRow.result_state, func.count()).group_by(ResultRow.part_id, ResultRow.result_state)
    with database.read() as connection:
        return {(part, state): number for part, state, number in connection.execute(query)}


def chain_after(database: Database, key: int) -> dict[str, Any]:
    """Return the chain from before a record to the next seal: `journal`, its `public_key`, the hash `before`, `records`."""
    first = key_of(journal_of(key), 0)
    row = RecordRow
    with database.read() as connection:
        columns = JournalRow.name, JournalRow.public_key, JournalRow.pruned_digest
        journal = connection.execute(select(*columns).where(JournalRow.id == journal_of(key))).one()
        earlier = select(row.digest).where(row.id < key, row.id > first).order_by(row.id.desc()).limit(1)
        before = connection.execute(earlier).scalar_one_or_none() or journal.pruned_digest or genesis(journal.name)
        later = select(row.id, row.payload, row.digest, row.seal).where(row.id >= key, row.id < key_of(journal_of(key) + 1, 0))
        records = []
        for found in connection.execute(later.order_by(row.id).execution_options(yield_per=100)):
            records.append(JournalRecord(sequence_of(found.id), found.payload, found.digest, found.seal or b""))
            if found.seal is not None:
                break
    return {"journal": journal.name, "public_key": journal.public_key, "before": before, "records": records}


def documents(database: Database, digests: Collection[str]) -> dict[str, str]:
    """Return the recipes and cards with these hashes."""
    query = select(DocumentRow.digest, DocumentRow.text).where(DocumentRow.digest.in_(digests))
    with database.read() as connection:
        return dict(connection.execute(query).all())


def gaps(database: Database) -> list[Mapping[str, Any]]:
    """Return the sequence numbers without a record, by journal."""
    query = select(JournalRow.name, GapRow.first, GapRow.last, GapRow.damaged).join(
        JournalRow, JournalRow.id == GapRow.journal_id
    )
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(query.order_by(JournalRow.id, GapRow.first))]


def events(database: Database, what: str = "", *, limit: int = 1000) -> list[Mapping[str, Any]]:
    """Return the audit trail, newest first. `what`: only events of this kind."""
    query = select(*EventRow.__table__.columns).order_by(EventRow.creation_time.desc(), EventRow.id.desc()).limit(limit)
    query = query.where(EventRow.what == what) if what else query
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def reasons_of(database: Database, filters: Filters, *, most: int = 20) -> dict[str, int]:
    """Return why inspections were decided as they were, the most frequent reason first."""
    number = func.count()
    query = matching(select(ResultRow.reason, number), filters).group_by(ResultRow.reason).order_by(number.desc()).limit(most)
    with database.read() as connection:
        return dict(connection.execute(query).all())


def runs(database: Database, filters: Filters, *, limit: int = 1000) -> list[Mapping[str, Any]]:
    """Return the runs that the inspections belong to, newest first."""
    known = matching(select(ResultRow.run_id), filters)
    query = select(*RunRow.__table__.columns).where(RunRow.id.in_(known))
    query = query.order_by(RunRow.creation_time.desc(), RunRow.id.desc()).limit(limit)
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def shown_time(microseconds: int, offset: int = 0) -> str:
    """Return a time of the tables as ISO text, with the station's offset from UTC in minutes."""
    shifted = time_of(microseconds) + timedelta(minutes=offset)
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset)
    return f"{shifted:%Y-%m-%dT%H:%M:%S.%f}{sign}{minutes // 60:02d}:{minutes % 60:02d}"
