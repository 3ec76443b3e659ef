"""Finding inspections: filters, pages in the order of time or of margin, and the counts beside each filter."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, tuple_

from inspector.archive.segment import JournalRecord
from inspector.archive.store.database import Database
from inspector.archive.store.models import (
    CorrectionRow,
    EventRow,
    GapRow,
    ImageRow,
    JournalRow,
    JudgementRow,
    RecordRow,
    ResultRow,
    RunRow,
)
from inspector.core.errors import ConfigError

PAGE: Final = 100
FACETS: Final = ("verdict", "product_id", "rule", "lot", "shift", "operator", "human_verdict")
Order = Literal["newest", "oldest", "margin"]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which inspections are meant; None or "" for any. Times are UTC.

    `bundle`: fingerprint of a bundle, or its beginning. `rule`: quantity and class of the rule that decided. `corrected`:
    whether a person has said something of it. `simulated`: None for both.
    """

    since: datetime | None = None
    until: datetime | None = None
    verdict: str = ""
    human_verdict: str = ""
    part: str = ""
    lot: str = ""
    recipe: str = ""
    bundle: str = ""
    rule: str = ""
    shift: str = ""
    operator: str = ""
    station: str = ""
    quantity: str = ""
    margin_below: float | None = None
    brightness_below: float | None = None
    brightness_above: float | None = None
    corrected: bool | None = None
    simulated: bool | None = None

    def described(self) -> dict[str, Any]:
        """Return what was chosen, for reports and the audit trail."""
        chosen = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in chosen.items()
            if value is not None and value != ""
        }


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of `result`, and where the next page begins; None: there is none."""

    rows: Sequence[Mapping[str, Any]]
    after: tuple[float, int] | None


def page(database: Database, filters: Filters, *, order: Order = "newest", limit: int = PAGE, after: object = None) -> Page:
    """Return the next inspections. `after`: of the page before. Cost does not grow with the number of pages."""
    key: ColumnElement[Any] = ResultRow.creation_time if order != "margin" else ResultRow.margin  # type: ignore[assignment]
    query = select(*ResultRow.__table__.columns).where(*_conditions(filters))
    if order == "margin":
        query = query.where(ResultRow.margin.is_not(None))
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
    column = getattr(ResultRow, name)
    number = func.count()
    query = select(column, number).where(*_conditions(filters)).group_by(column).order_by(number.desc()).limit(most)
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


def runs(database: Database, *, limit: int = 1000) -> list[Mapping[str, Any]]:
    """Return the runs, newest first."""
    query = select(*RunRow.__table__.columns).order_by(RunRow.creation_time.desc(), RunRow.id.desc()).limit(limit)
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def matching(query: Select[Any], filters: Filters) -> Select[Any]:
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
        # A fingerprint holds no wildcard; what is no fingerprint finds nothing.
        conditions.append(row.internal_configuration_id.contains(filters.bundle, autoescape=True))
    if filters.margin_below is not None:
        conditions.append(and_(row.margin < filters.margin_below, row.margin > -filters.margin_below))
    if filters.brightness_below is not None:
        conditions.append(row.brightness < filters.brightness_below)
    if filters.brightness_above is not None:
        conditions.append(row.brightness > filters.brightness_above)
    if filters.corrected is not None:
        corrected = row.human_verdict.is_not(None)
        conditions.append(corrected if filters.corrected else row.human_verdict.is_(None))
    if filters.simulated is not None:
        conditions.append(row.is_simulated.is_(filters.simulated))
    if filters.quantity:
        judged = select(JudgementRow.result_id).where(
            JudgementRow.quantity == filters.quantity, or_(JudgementRow.verdict == "NG", JudgementRow.verdict == "REVIEW")
        )
        conditions.append(row.id.in_(judged))
    return conditions


def _microseconds(when: datetime) -> int:
    return round(when.astimezone(UTC).timestamp() * 1e6)
