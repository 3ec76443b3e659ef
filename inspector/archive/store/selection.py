"""Filters as conditions of a query on `result`."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from inspector.archive.filters import Filters
from inspector.archive.store.models import ConfigurationRow, JudgementRow, ResultRow
from inspector.archive.store.names import identity_of

# Filters that have a column of their own.
EQUAL = {
    "verdict": "verdict",
    "human_verdict": "human_verdict",
    "part": "part_id",
    "serial": "serial_number",
    "material": "material",
    "lot": "lot",
    "recipe": "product_id",
    "rule": "rule",
    "class_name": "class_name",
    "shift": "shift",
    "operator": "operator",
    "station": "station",
}
RANGES = ("margin", "score", "brightness")
_LIMITS = tuple(f"{name}_{side}" for name in RANGES for side in ("below", "above"))
_SEARCHED = (*_LIMITS, "part_begins", "lot_begins")
_NARROW = 20_000  # inspections in a range that are found sooner in the range's index than by looking through the newest
_NARROW_NAMES = 200_000  # likewise with one beginning of their names: they are of one time, and perhaps long ago


def conditions(filters: Filters, *, search: bool = True) -> list[ColumnElement[bool]]:
    """Return what a row of `result` must fulfil. `search` False: the indices of ranges are of no use for it."""
    row = ResultRow
    found: list[ColumnElement[bool]] = [
        getattr(row, column) == identity_of(getattr(filters, name)) for name, column in EQUAL.items() if getattr(filters, name)
    ]
    if filters.since is not None:
        found.append(row.creation_time >= microseconds_of(filters.since))
    if filters.until is not None:
        found.append(row.creation_time < microseconds_of(filters.until))
    if filters.bundle:
        found.append(row.internal_configuration_id.in_(with_bundle(filters.bundle)))
    for name in RANGES:
        column, below, above = getattr(row, name), getattr(filters, f"{name}_below"), getattr(filters, f"{name}_above")
        column = column if search else column + 0
        found += [] if below is None else [column < below]
        found += [] if above is None else [column > above]
    for column, beginning in ((row.part_id, filters.part_begins), (row.lot, filters.lot_begins)):
        found += [begins(column if search else column + "", beginning)] if beginning else []
    if filters.text:
        found.append(or_(*(begins(column, filters.text) for column in (row.part_id, row.lot))))
    if filters.keys:
        found.append(row.id.in_(filters.keys))
    if filters.corrected is not None:
        found.append(row.human_verdict.is_not(None) if filters.corrected else row.human_verdict.is_(None))
    if filters.simulated is not None:
        found.append(row.is_simulated.is_(filters.simulated))
    if filters.quantity:
        fired = JudgementRow.quantity == filters.quantity, JudgementRow.verdict.in_(("NG", "REVIEW"))
        found.append(row.id.in_(select(JudgementRow.result_id).where(*fired)))
    return found


def begins(column: Any, beginning: str) -> ColumnElement[bool]:  # noqa: ANN401 - a column ordered by bytes
    """Return the condition of a text that begins so, as the range of these texts, which an index gives."""
    first, end = _texts(beginning)
    return and_(column >= first) if end is None else and_(column >= first, column < end)


def begins_not(column: Any, beginning: str) -> list[ColumnElement[bool]]:  # noqa: ANN401 - as above
    """Return the conditions of the texts before those that begin so, and of those after them."""
    first, end = _texts(beginning)
    return [column < first] if end is None else [column < first, column >= end]


def _texts(beginning: str) -> tuple[str, str | None]:
    """Return the first text with a beginning, and the first one after all of these; None: there is none."""
    beginning = identity_of(beginning)
    last = beginning.rstrip("\U0010ffff")
    if not last:
        return beginning, None
    after = ord(last[-1]) + 1
    return beginning, last[:-1] + chr(0xE000 if 0xD800 <= after <= 0xDFFF else after)  # surrogates are no letters


def has_range(filters: Filters) -> bool:
    """Return whether values between limits, or names with a beginning, are meant."""
    return any(getattr(filters, name) not in (None, "") for name in _SEARCHED)


def is_narrow(connection: Connection, filters: Filters, *, most: int = 0) -> bool:
    """Return whether few inspections are between the limits that are meant. `most`: so many; 0: as many as are sorted soon."""
    limits = {name: getattr(filters, name) for name in _SEARCHED}
    most = most or (_NARROW if any(limits[name] is not None for name in _LIMITS) else _NARROW_NAMES)
    some = select(ResultRow.id).where(*conditions(Filters(**limits))).limit(most + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one() <= most


def either(filters: Filters) -> list[Filters]:
    """Return the filters of which each can be searched in an index of its own; an inspection may be meant by several."""
    if not filters.text or filters.part_begins or filters.lot_begins:
        return [filters]
    return [replace(filters, text="", part_begins=filters.text), replace(filters, text="", lot_begins=filters.text)]


def matching(query: Select[*tuple[Any, ...]], filters: Filters) -> Select[*tuple[Any, ...]]:
    """Restrict a query on `result`."""
    return query.where(*conditions(filters))


def configurations(connection: Connection, bundle: str) -> list[str]:
    """Return the configurations with a bundle, each of which can be searched in the order of time."""
    return list(connection.execute(with_bundle(bundle)).scalars())


def microseconds_of(when: datetime) -> int:
    """Return a time as the tables have it."""
    return round(when.astimezone(UTC).timestamp() * 1e6)


def time_of(microseconds: int) -> datetime:
    """Return a time of the tables."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)


def with_bundle(bundle: str) -> Select[str]:
    """Return the query of the configurations with a bundle."""
    return select(ConfigurationRow.id).where(ConfigurationRow.id.contains(bundle, autoescape=True))
