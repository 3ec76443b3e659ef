"""Counts of inspections by category and hour, kept up to date, so that a filter is counted without reading its rows."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from inspector.archive.filters import Filters
from inspector.archive.store.models import Base, CategoryRow, ResultRow, TallyRow
from inspector.archive.store.names import identity_of
from inspector.archive.store.selection import EQUAL, begins, conditions, either, microseconds_of, time_of, with_bundle

HOUR_US: Final = 3_600_000_000
_FEW: Final = 500  # categories that are looked up one by one
_MANY: Final = 5000  # parts with one beginning of their ids, from which on it is worth asking whether they are of one time
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
_TALLIED: Final = {"since", "until", "bundle", "corrected", "simulated", "lot_begins"} | {
    name for name, column in EQUAL.items() if column in (*CATEGORY, "verdict", "human_verdict")
}
_HUMAN: Final = func.coalesce(ResultRow.human_verdict, "")


def category_of(row: Mapping[str, Any]) -> int:
    """Return the key of an inspection's category."""
    return _key_of(tuple(bool(row[name]) if name == "is_simulated" else row[name] for name in CATEGORY))


@lru_cache(4096)  # a line's parts are of few categories
def _key_of(values: tuple[str | bool, ...]) -> int:
    text = json.dumps(values)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def count_inserted(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Count inspections that are new in `result`."""
    categories = {row["category_id"]: {"id": row["category_id"], **{name: row[name] for name in CATEGORY}} for row in rows}
    insert_or_ignore(connection, CategoryRow, list(categories.values()))
    _add(connection, Counter((row["category_id"], row["verdict"], "", row["creation_time"] // HOUR_US) for row in rows))


def count_corrected(connection: Connection, row: Any, human_verdict: str | None) -> None:  # noqa: ANN401 - a row
    """Count an inspection under another human verdict. `row`: as it was."""
    hour = row.creation_time // HOUR_US
    before, after = ((row.category_id, row.verdict, said or "", hour) for said in (row.human_verdict, human_verdict))
    _add(connection, Counter({before: -1, after: 1}))


def count_deleted(connection: Connection, deleted: ColumnElement[bool]) -> None:
    """Count no more the inspections that are about to be deleted."""
    _add(connection, Counter({tuple(place): -number for *place, number in connection.execute(places(deleted))}))


def places(*chosen: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Return the query of tallies as inspections themselves give them: category, verdicts, hour, number."""
    columns = ResultRow.category_id, ResultRow.verdict, _HUMAN, ResultRow.creation_time // HOUR_US
    return select(*columns, func.count()).where(*chosen).group_by(*columns)


def _add(connection: Connection, counter: Mapping[Any, int]) -> None:
    """Add to tallies, always in the same order, so that two stations on one server do not wait for each other in a circle."""
    make = insert_sqlite if connection.dialect.name == "sqlite" else insert_postgresql
    query = make(TallyRow)
    query = query.on_conflict_do_update(
        index_elements=[column.name for column in TallyRow.__table__.primary_key],
        set_={"number": TallyRow.number + query.excluded.number},
    )
    names = ("category_id", "verdict", "human_verdict", "hour")
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


def count_by(connection: Connection, filters: Filters, names: Collection[str]) -> tuple[int, dict[str, dict[str, int]]]:
    """Return how many inspections are meant, and how many have each value of the named columns, the most frequent first."""
    tallies = _tallies(connection, filters)
    columns = [name for name in names if name in CATEGORY]
    meant = _category_conditions(filters)
    if meant or columns:
        categories = _categories(connection, meant, columns, {category for category, _, _ in tallies})
        tallies = Counter({place: number for place, number in tallies.items() if place[0] in categories})
    totals: dict[str, Counter[str]] = {name: Counter() for name in names}
    by_category: Counter[int] = Counter()
    for (category, verdict, human), number in tallies.items():
        by_category[category] += number
        if "verdict" in totals:
            totals["verdict"][verdict] += number
        if "human_verdict" in totals:
            totals["human_verdict"][human] += number
    for place, name in enumerate(columns):
        for category, number in by_category.items():
            totals[name][categories[category][place]] += number
    return by_category.total(), {name: dict(counter.most_common()) for name, counter in totals.items()}


def _categories(
    connection: Connection, meant: Sequence[ColumnElement[bool]], columns: Sequence[str], some: Collection[int]
) -> dict[int, tuple[str, ...]]:
    """Return the chosen columns of the categories that are meant."""
    query = select(CategoryRow.id, *(getattr(CategoryRow, name) for name in columns)).where(*meant)
    if len(some) <= _FEW:
        query = query.where(CategoryRow.id.in_(some))
    return {key: tuple(values) for key, *values in connection.execute(query)}


def counted_one_by_one(filters: Filters, names: Collection[str]) -> Select[*tuple[Any, ...]]:
    """Return the query of how many inspections have each combination of values, to compare with."""
    columns = [getattr(ResultRow, name) for name in names]
    return select(*columns, func.count()).where(*conditions(filters)).group_by(*columns)


def _tallies(connection: Connection, filters: Filters) -> Counter[tuple[int, str, str]]:
    """Return the number of inspections by category and verdicts; those of other categories than are meant may be among them."""
    if len(sides := either(filters)) > 1:
        return _of_either(connection, *sides)
    filters = by_time(connection, filters)
    chosen = {field.name for field in fields(Filters) if getattr(filters, field.name) not in (None, "", ())}
    since = None if filters.since is None else microseconds_of(filters.since)
    until = None if filters.until is None else microseconds_of(filters.until)
    first = None if since is None else -(-since // HOUR_US)  # hours that are meant wholly
    end = None if until is None else until // HOUR_US
    if not chosen <= _TALLIED or (first is not None and end is not None and first >= end):
        return _counted(connection, *conditions(filters))
    tally = TallyRow
    kept = [getattr(tally, name) == getattr(filters, name) for name in ("verdict", "human_verdict") if getattr(filters, name)]
    if filters.corrected is not None:
        kept.append(tally.human_verdict != "" if filters.corrected else tally.human_verdict == "")
    kept += [] if first is None else [tally.hour >= first]
    kept += [] if end is None else [tally.hour < end]
    keys = tally.category_id, tally.verdict, tally.human_verdict
    rows = connection.execute(select(*keys, func.sum(tally.number)).where(*kept).group_by(*keys))
    found = Counter({(category, verdict, human): int(number) for category, verdict, human, number in rows})
    time = ResultRow.creation_time
    if since is not None and first is not None:
        found += _counted(connection, time >= since, time < first * HOUR_US, *conditions(replace(filters, since=None)))
    if until is not None and end is not None:
        found += _counted(connection, time >= end * HOUR_US, time < until, *conditions(replace(filters, until=None)))
    return found


def by_time(connection: Connection, filters: Filters) -> Filters:
    """Return filters with a time in place of the beginning of part ids, where both mean the same inspections.

    They do where ids are counted up and nothing else was inspected meanwhile: the parts with that beginning are then as many as
    the inspections from the first of them to the last. Where the first and the last id of all begin so, all do.
    """
    if not filters.part_begins:
        return filters
    ends = [select(end(ResultRow.part_id)).scalar_subquery() for end in (func.min, func.max)]  # together they are no search
    if all((one or "").startswith(identity_of(filters.part_begins)) for one in connection.execute(select(*ends)).one()):
        return replace(filters, part_begins="")
    time = ResultRow.creation_time
    query = select(func.count(), func.min(time), func.max(time)).where(begins(ResultRow.part_id, filters.part_begins))
    number, first, last = connection.execute(query).one()
    if number < _MANY:
        return filters
    since, until = time_of(first), time_of(last + 1)
    if _tallies(connection, Filters(since=since, until=until)).total() != number:
        return filters
    since = since if filters.since is None else max(since, filters.since)
    until = until if filters.until is None else min(until, filters.until)
    return replace(filters, part_begins="", since=since, until=until)


def _of_either(connection: Connection, part: Filters, lot: Filters) -> Counter[tuple[int, str, str]]:
    """Count what one of two filters means: lots by their tallies, parts in their index, and those of both once."""
    lots = set(connection.execute(select(CategoryRow.id).where(begins(CategoryRow.lot, lot.lot_begins))).scalars())
    found = _tallies(connection, part)
    if lots:
        found.update({place: number for place, number in _tallies(connection, lot).items() if place[0] in lots})
        found.subtract(_counted(connection, *conditions(replace(part, lot_begins=lot.lot_begins))))
    return found


def _counted(connection: Connection, *meant: ColumnElement[bool]) -> Counter[tuple[int, str, str]]:
    """Count inspections one by one."""
    columns = ResultRow.category_id, ResultRow.verdict, _HUMAN
    if connection.dialect.name == "sqlite":  # which sorts what it groups: counting here is many times faster
        rows: Any = connection.execute(select(*columns).where(*meant)).cursor
        return Counter(rows)
    grouped = select(*columns, func.count()).where(*meant).group_by(*columns)
    return Counter({(row[0], row[1], row[2]): row[3] for row in connection.execute(grouped)})


def _category_conditions(filters: Filters) -> list[ColumnElement[bool]]:
    row = CategoryRow
    wanted = {column: identity_of(getattr(filters, name)) for name, column in EQUAL.items() if column in CATEGORY}
    found: list[ColumnElement[bool]] = [getattr(row, column) == value for column, value in wanted.items() if value]
    if filters.bundle:
        found.append(row.internal_configuration_id.in_(with_bundle(filters.bundle)))
    if filters.lot_begins:
        found.append(begins(row.lot, filters.lot_begins))
    if filters.simulated is not None:
        found.append(row.is_simulated.is_(filters.simulated))
    return found
