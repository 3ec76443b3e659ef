"""Counts of inspections by category and hour, kept up to date, so that a filter is counted without reading its rows."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from inspector.archive.filters import Filters
from inspector.archive.store.models import Base, CategoryRow, ResultRow, TallyRow
from inspector.archive.store.names import identity_of
from inspector.archive.store.selection import (
    EQUAL,
    RANGES,
    begins,
    begins_not,
    conditions,
    either,
    microseconds_of,
    time_of,
    with_bundle,
)
from inspector.core.types import Verdict

HOUR_US: Final = 3_600_000_000
_FEW: Final = 500  # categories that are looked up one by one
FEW_OTHERS: Final = 20_000  # parts that are counted to be taken from all
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
_IN_EVERY_INDEX: Final = {"since", "until", "verdict", "human_verdict", "corrected"}
_COVERED: Final = {"part", "part_begins"} | {f"{name}_{side}" for name in RANGES for side in ("below", "above")}
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
    if filters.part_begins:
        if (all_but_others := _but_others(connection, filters)) is not None:
            return all_but_others
        timed = by_time(connection, filters)
        filters = filters if timed.part_begins else timed  # its index alone is read
    chosen = _chosen(filters)
    since = None if filters.since is None else microseconds_of(filters.since)
    until = None if filters.until is None else microseconds_of(filters.until)
    first = None if since is None else -(-since // HOUR_US)  # hours that are meant wholly
    end = None if until is None else until // HOUR_US
    if not chosen <= _TALLIED or (first is not None and end is not None and first >= end):
        return _counted(connection, *conditions(filters), covered=_is_covered(filters))
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
    """Return filters with the time of the parts whose ids begin as is meant, and without the beginning where that says as much.

    It does where ids are counted up and nothing else was inspected meanwhile: the parts with that beginning are then as many as
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
    same = _inspected(connection, first, last + 1) == number
    since = since if filters.since is None else max(since, filters.since)
    until = until if filters.until is None else min(until, filters.until)
    return replace(filters, part_begins="" if same else filters.part_begins, since=since, until=until)


def _inspected(connection: Connection, since: int, until: int) -> int:
    """Return how many inspections there were in a time, in microseconds."""
    time, number = ResultRow.creation_time, func.coalesce(func.sum(TallyRow.number), 0)
    first, end = -(-since // HOUR_US), until // HOUR_US  # hours that are meant wholly
    if first >= end:
        edges, hours = [and_(time >= since, time < until)], 0
    else:
        edges = [and_(time >= since, time < first * HOUR_US), and_(time >= end * HOUR_US, time < until)]
        hours = int(connection.execute(select(number).where(TallyRow.hour >= first, TallyRow.hour < end)).scalar_one())
    return hours + sum(connection.execute(select(func.count()).where(edge)).scalar_one() for edge in edges)


def _of_either(connection: Connection, part: Filters, lot: Filters) -> Counter[tuple[int, str, str]]:
    """Count what one of two filters means: lots by their tallies, and the parts of other lots in the index of parts."""
    lots = set(connection.execute(select(CategoryRow.id).where(begins(CategoryRow.lot, lot.lot_begins))).scalars())
    found = _tallies(connection, part)
    if lots:
        found = Counter({place: number for place, number in found.items() if place[0] not in lots})
        found.update({place: number for place, number in _tallies(connection, lot).items() if place[0] in lots})
    return found


def _but_others(connection: Connection, filters: Filters) -> Counter[tuple[int, str, str]] | None:
    """Count parts with a beginning of their ids as all but the others; None: there are too many others."""
    others = begins_not(ResultRow.part_id, filters.part_begins)
    some = [select(ResultRow.id).where(one).limit(FEW_OTHERS + 1).subquery() for one in others]
    if sum(connection.execute(select(func.count()).select_from(one)).scalar_one() for one in some) > FEW_OTHERS:
        return None
    filters = replace(filters, part_begins="")
    found = _tallies(connection, filters)
    for one in others:
        found.subtract(_counted(connection, one, *conditions(filters, search=False), covered=_is_covered(filters)))
    return +found


def _counted(connection: Connection, *meant: ColumnElement[bool], covered: bool = False) -> Counter[tuple[int, str, str]]:
    """Count inspections one by one. `covered`: one index holds all that is asked for, so that two looks are cheap."""
    row = ResultRow
    columns = row.category_id, row.verdict, _HUMAN
    if connection.dialect.name != "sqlite":
        grouped = select(*columns, func.count()).where(*meant).group_by(*columns)
        return Counter({(row[0], row[1], row[2]): row[3] for row in connection.execute(grouped)})
    if not covered:  # SQLite sorts what it groups: counting here is faster
        rows: Any = connection.execute(select(*columns).where(*meant)).cursor
        return Counter(rows)
    # But not where it is grouped by a single number, as most inspections can be.
    plain = and_(row.verdict == Verdict.OK.value, row.human_verdict.is_(None))
    by_category = select(row.category_id, func.count()).where(plain, *meant).group_by(row.category_id)
    found = _counted(connection, or_(row.verdict != Verdict.OK.value, row.human_verdict.is_not(None)), *meant)
    found.update({(category, Verdict.OK.value, ""): number for category, number in connection.execute(by_category)})
    return found


def _is_covered(filters: Filters) -> bool:
    """Return whether one index holds all that the filters are about, and what is counted."""
    chosen = _chosen(filters) - _IN_EVERY_INDEX
    return len({name.partition("_")[0] for name in chosen}) <= 1 and chosen <= _COVERED


def _chosen(filters: Filters) -> set[str]:
    return {field.name for field in fields(Filters) if getattr(filters, field.name) not in (None, "", ())}


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
