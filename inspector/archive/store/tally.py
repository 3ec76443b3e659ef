"""Counts of inspections by category and hour, kept up to date, so that a filter is counted without reading its rows."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, Subquery, and_, bindparam, delete, func, select, union_all
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from inspector.archive.filters import Filters
from inspector.archive.store.models import Base, CategoryRow, ConfigurationRow, ResultRow, TallyRow
from inspector.archive.store.selection import EQUAL, conditions, microseconds_of

HOUR_US: Final = 3_600_000_000
CATEGORY: Final = (
    "product_id",
    "internal_configuration_id",
    "station",
    "shift",
    "operator",
    "lot",
    "rule",
    "class_name",
    "is_simulated",
)
# Filters that the tally answers without looking at inspections.
_TALLIED: Final = {"since", "until", "bundle", "corrected", "simulated"} | {
    name for name, column in EQUAL.items() if column in (*CATEGORY, "verdict", "human_verdict")
}
_HUMAN: Final = func.coalesce(ResultRow.human_verdict, "")


def category_of(row: Mapping[str, Any]) -> int:
    """Return the key of an inspection's category."""
    text = json.dumps([bool(row[name]) if name == "is_simulated" else row[name] for name in CATEGORY])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def count_inserted(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Count inspections that are new in `result`."""
    categories = {row["category_id"]: {"id": row["category_id"], **{name: row[name] for name in CATEGORY}} for row in rows}
    insert_or_ignore(connection, CategoryRow, list(categories.values()))
    _add(connection, Counter((row["category_id"], row["creation_time"] // HOUR_US, row["verdict"], "") for row in rows))


def count_corrected(connection: Connection, row: Row[Any], human_verdict: str | None) -> None:
    """Count an inspection under another human verdict. `row`: as it was."""
    place = row.category_id, row.creation_time // HOUR_US, row.verdict
    _add(connection, Counter({(*place, row.human_verdict or ""): -1, (*place, human_verdict or ""): 1}))


def count_deleted(connection: Connection, deleted: ColumnElement[bool]) -> None:
    """Count no more the inspections that are about to be deleted."""
    _add(connection, Counter({tuple(place): -number for *place, number in connection.execute(places(deleted))}))


def places(*chosen: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Return the query of tallies as inspections themselves give them: category, hour, verdicts, number."""
    hour = ResultRow.creation_time // HOUR_US
    columns = ResultRow.category_id, hour, ResultRow.verdict, _HUMAN
    return select(*columns, func.count()).where(*chosen).group_by(*columns)


def _add(connection: Connection, counter: Mapping[Any, int]) -> None:
    """Add to tallies, always in the same order, so that two stations on one server do not wait for each other in a circle."""
    make = insert_sqlite if connection.dialect.name == "sqlite" else insert_postgresql
    query = make(TallyRow)
    query = query.on_conflict_do_update(
        index_elements=[column.name for column in TallyRow.__table__.primary_key],
        set_={"number": TallyRow.number + query.excluded.number},
    )
    names = ("category_id", "hour", "verdict", "human_verdict")
    rows = [{**dict(zip(names, place, strict=True)), "number": counter[place]} for place in sorted(counter)]
    if rows:
        connection.execute(query, rows)
    if fewer := [{f"of_{name}": row[name] for name in names} for row in rows if row["number"] < 0]:
        same = [getattr(TallyRow, name) == bindparam(f"of_{name}") for name in names]
        connection.execute(delete(TallyRow).where(TallyRow.number <= 0, *same), fewer)


def insert_or_ignore(connection: Connection, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows that are not there yet."""
    make = insert_sqlite if connection.dialect.name == "sqlite" else insert_postgresql
    if rows:
        connection.execute(make(table).on_conflict_do_nothing(), list(rows))


def counted(filters: Filters, names: Collection[str]) -> Select[*tuple[Any, ...]]:
    """Return the query of how many inspections there are of each combination of values: the names' columns, then the number."""
    found = _tallies(filters)
    known = {"verdict": found.c.verdict, "human_verdict": found.c.human_verdict}
    columns = [known[name] if name in known else getattr(CategoryRow, name) for name in names]
    number = func.sum(found.c.number)
    query = select(*columns, number).select_from(found).join(CategoryRow, CategoryRow.id == found.c.category_id)
    return query.where(*_category_conditions(filters)).group_by(*columns)


def _tallies(filters: Filters) -> Subquery:
    """Return the tallies of a selection by category and verdicts."""
    chosen = {field.name for field in fields(Filters) if getattr(filters, field.name) not in (None, "")}
    columns = ResultRow.category_id, ResultRow.verdict, _HUMAN.label("human_verdict")
    rows = select(*columns, func.count().label("number")).group_by(*columns)
    if not chosen <= _TALLIED:
        return rows.where(*conditions(filters)).subquery()
    tally = TallyRow
    kept = [getattr(tally, name) == getattr(filters, name) for name in ("verdict", "human_verdict") if getattr(filters, name)]
    if filters.corrected is not None:
        kept.append(tally.human_verdict != "" if filters.corrected else tally.human_verdict == "")
    since = None if filters.since is None else microseconds_of(filters.since)
    until = None if filters.until is None else microseconds_of(filters.until)
    first = None if since is None else -(-since // HOUR_US)  # hours that are meant wholly
    end = None if until is None else until // HOUR_US
    if first is not None and end is not None and first >= end:
        return rows.where(*conditions(filters)).subquery()
    kept += [] if first is None else [tally.hour >= first]
    kept += [] if end is None else [tally.hour < end]
    keys = tally.category_id, tally.verdict, tally.human_verdict
    whole = select(*keys, func.sum(tally.number).label("number")).where(*kept).group_by(*keys)
    edges: list[ColumnElement[bool]] = []
    if since is not None and first is not None:
        edges.append(and_(ResultRow.creation_time >= since, ResultRow.creation_time < first * HOUR_US))
    if until is not None and end is not None:
        edges.append(and_(ResultRow.creation_time >= end * HOUR_US, ResultRow.creation_time < until))
    if not edges:
        return whole.subquery()
    parts = [rows.where(edge, *conditions(filters)) for edge in edges]
    return union_all(whole, *parts).subquery()


def _category_conditions(filters: Filters) -> list[ColumnElement[bool]]:
    row = CategoryRow
    wanted = {column: getattr(filters, name) for name, column in EQUAL.items() if column in CATEGORY}
    found: list[ColumnElement[bool]] = [getattr(row, column) == value for column, value in wanted.items() if value]
    if filters.bundle:
        known = select(ConfigurationRow.id).where(ConfigurationRow.id.contains(filters.bundle, autoescape=True))
        found.append(row.internal_configuration_id.in_(known))
    if filters.simulated is not None:
        found.append(row.is_simulated.is_(filters.simulated))
    return found
