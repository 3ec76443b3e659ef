"""Finding inspections: filters, pages in the order of time or of margin, and the counts beside each filter."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select, tuple_

from inspector.archive.filters import Filters
from inspector.archive.recording.segment import JournalRecord, genesis
from inspector.archive.store.database import Database
from inspector.archive.store.models import (
    ConfigurationRow,
    CorrectionRow,
    DocumentRow,
    EventRow,
    GapRow,
    ImageRow,
    JournalRow,
    JudgementRow,
    RecordRow,
    ResultRow,
    RunRow,
    journal_of,
    key_of,
    parse_result_id,
    result_id,
    sequence_of,
)
from inspector.core.errors import ConfigError
from inspector.recipes.quantities import QUANTITIES

PAGE: Final = 100
FACETS: Final = (
    "verdict",
    "product_id",
    "rule",
    "lot",
    "shift",
    "operator",
    "human_verdict",
    "internal_configuration_id",
    "is_simulated",
)
Order = Literal["newest", "oldest", "margin"]


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of `result`, and where the next page begins; None: there is none."""

    rows: Sequence[Mapping[str, Any]]
    after: tuple[float, int] | None


def page(database: Database, filters: Filters, *, order: Order = "newest", limit: int = PAGE, after: object = None) -> Page:
    """Return the next inspections. `after`: of the page before. Cost does not grow with the number of pages."""
    key = order_key(filters, order)
    query = in_order(select(*ResultRow.__table__.columns), filters, order)
    down = order == "newest"
    if isinstance(after, tuple):
        here, there = tuple_(key, ResultRow.id), tuple_(*(literal(value) for value in after))
        query = query.where(here < there if down else here > there)
    query = query.order_by(key.desc() if down else key, ResultRow.id.desc() if down else ResultRow.id).limit(limit)
    with database.read() as connection:
        rows = [dict(row._mapping) for row in connection.execute(query)]
    last = rows[-1] if len(rows) == limit else None
    name = "margin" if order == "margin" else "creation_time"
    return Page(rows, None if last is None else (last[name], last["id"]))


def order_key(filters: Filters, order: Order) -> ColumnElement[Any]:
    """Return what inspections are ordered by, before their keys."""
    if order == "margin":
        return ResultRow.margin  # type: ignore[return-value]
    # As an expression: corrections are few, and the index of times would be read to its end for them.
    return ResultRow.creation_time + 0 if filters.corrected else ResultRow.creation_time  # type: ignore[return-value]


def in_order(query: Select[*tuple[Any, ...]], filters: Filters, order: Order) -> Select[*tuple[Any, ...]]:
    """Restrict a query on `result` to the inspections that have a place in this order."""
    query = matching(query, filters)
    return query.where(ResultRow.margin.is_not(None)) if order == "margin" else query


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
        return int(connection.execute(select(func.count()).select_from(ResultRow).where(*_conditions(filters))).scalar_one())


def facet(database: Database, filters: Filters, name: str, *, most: int = 50) -> dict[str, int]:
    """Return how many inspections there are of each value of a column of FACETS, the most frequent first."""
    if name not in FACETS:
        raise ConfigError("There is no filter {name}.", remedy="Use one of: {known}.", name=name, known=", ".join(FACETS))
    column: ColumnElement[Any] = getattr(ResultRow, name)
    if name == "is_simulated":
        column = case((column, "yes"), else_="")
    number, conditions = func.count(), _conditions(filters)
    if conditions:
        # As an expression: SQLite would else read a whole index in the order of this column rather than search in the filter's.
        column = func.coalesce(column, "").concat("")
    query = select(column, number).where(*conditions).group_by(column).order_by(number.desc()).limit(most)
    with database.read() as connection:
        return {str(value or ""): total for value, total in connection.execute(query)}


def result_of(database: Database, key: int) -> Mapping[str, Any]:
    """Return all that is known of one inspection. Raises ConfigError if there is none."""
    with database.read() as connection:
        row = connection.execute(select(*ResultRow.__table__.columns).where(ResultRow.id == key)).one_or_none()
        if row is None:
            raise ConfigError("There is no inspection {key} in the archive.", key=key)
        record = connection.execute(select(RecordRow.payload).where(RecordRow.id == key)).scalar_one_or_none()
        images = connection.execute(select(*ImageRow.__table__.columns).where(ImageRow.result_id == key))
        said = select(*CorrectionRow.__table__.columns).where(CorrectionRow.result_id == key).order_by(CorrectionRow.id)
        return {
            **row._mapping,
            "record": {} if record is None else JournalRecord(0, record, b"").content,
            "image_files": [dict(image._mapping) for image in images],
            "corrections": [dict(one._mapping) for one in connection.execute(said)],
        }


def journal_names(database: Database) -> dict[int, str]:
    """Return the names of all journals by their keys."""
    with database.read() as connection:
        return dict(connection.execute(select(JournalRow.id, JournalRow.name)).all())


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
        query = select(ResultRow.id).where(ResultRow.part_id == part).order_by(ResultRow.creation_time, ResultRow.id)
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


def events(database: Database, *, limit: int = 1000) -> list[Mapping[str, Any]]:
    """Return the audit trail, newest first."""
    query = select(*EventRow.__table__.columns).order_by(EventRow.creation_time.desc(), EventRow.id.desc()).limit(limit)
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def runs(database: Database, filters: Filters, *, limit: int = 1000) -> list[Mapping[str, Any]]:
    """Return the runs that the inspections belong to, newest first."""
    known = matching(select(ResultRow.run_id), filters)
    query = select(*RunRow.__table__.columns).where(RunRow.id.in_(known))
    query = query.order_by(RunRow.creation_time.desc(), RunRow.id.desc()).limit(limit)
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def matching(query: Select[*tuple[Any, ...]], filters: Filters) -> Select[*tuple[Any, ...]]:
    """Restrict a query on `result`."""
    return query.where(*_conditions(filters))


def shown_time(microseconds: int, offset: int = 0) -> str:
    """Return a time of the tables as ISO text, with the station's offset from UTC in minutes."""
    utc = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)
    shifted = utc + timedelta(minutes=offset)
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset)
    return f"{shifted:%Y-%m-%dT%H:%M:%S.%f}{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    row = ResultRow
    conditions: list[ColumnElement[bool]] = []
    for column, wanted in (
        (row.verdict, filters.verdict),
        (row.human_verdict, filters.human_verdict),
        (row.part_id, filters.part),
        (row.lot, filters.lot),
        (row.product_id, filters.recipe),
        (row.rule, filters.rule),
        (row.shift, filters.shift),
        (row.operator, filters.operator),
        (row.station, filters.station),
    ):
        if wanted:
            conditions.append(column == wanted)
    if filters.since is not None:
        conditions.append(row.creation_time >= _microseconds(filters.since))
    if filters.until is not None:
        conditions.append(row.creation_time < _microseconds(filters.until))
    if filters.bundle:
        known = select(ConfigurationRow.id).where(ConfigurationRow.id.contains(filters.bundle, autoescape=True))
        conditions.append(row.internal_configuration_id.in_(known))
    if filters.class_name:
        conditions.append(row.rule.in_([f"{quantity} {filters.class_name}" for quantity in QUANTITIES]))
    if filters.text:
        length = len(filters.text)
        starts = (func.substr(column, 1, length) == filters.text for column in (row.part_id, row.lot))
        conditions.append(or_(*starts))
    if filters.keys:
        conditions.append(row.id.in_(filters.keys))
    if filters.margin_above is not None:
        conditions.append(row.margin >= filters.margin_above)
    if filters.margin_below is not None:
        conditions.append(row.margin < filters.margin_below)
    if filters.brightness_below is not None:
        conditions.append(row.brightness < filters.brightness_below)
    if filters.brightness_above is not None:
        conditions.append(row.brightness > filters.brightness_above)
    if filters.corrected is not None:
        # "> ''" means the same as "is not NULL", and is searched in the index.
        conditions.append(row.human_verdict > "" if filters.corrected else row.human_verdict.is_(None))
    if filters.simulated is not None:
        conditions.append(row.is_simulated.is_(filters.simulated))
    if filters.score_above is not None or filters.score_below is not None:
        judgement = JudgementRow
        scored = and_(
            judgement.result_id == row.id,
            judgement.quantity == "score",
            judgement.value >= (-math.inf if filters.score_above is None else filters.score_above),
            judgement.value <= (math.inf if filters.score_below is None else filters.score_below),
        )
        conditions.append(select(judgement.result_id).where(scored).exists())
    if filters.quantity:
        judged = select(JudgementRow.result_id).where(
            JudgementRow.quantity == filters.quantity, or_(JudgementRow.verdict == "NG", JudgementRow.verdict == "REVIEW")
        )
        conditions.append(row.id.in_(judged))
    return conditions


def _microseconds(when: datetime) -> int:
    return round(when.astimezone(UTC).timestamp() * 1e6)
