"""A list of any length in blocks: where each block begins, so that any place of it is read at once, and places in it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_

from inspector.archive.filters import Filters
from inspector.archive.store.database import Database
from inspector.archive.store.models import GapRow, ImageRow, JudgementRow, ResultRow, key_of
from inspector.archive.store.query import PAGE, Order, page
from inspector.archive.store.selection import matching

Shown = Mapping[int, Sequence[Mapping[str, Any]]]  # rows of blocks by their numbers, as they were when they were read
NOTHING: Final[Shown] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Blocks:
    """The beginnings of the blocks of a list. `total`: of its inspections. `starts`: `after` of the page that is the block.

    The list is that of the moment: what is inspected later is not in it.
    """

    filters: Filters
    order: Order
    total: int
    starts: Sequence[tuple[float, int]]
    size: int = PAGE


@dataclass(frozen=True, slots=True)
class Gap:
    """Records of a journal that are missing. `damaged`: they were there, and cannot be read."""

    first: int
    last: int
    damaged: bool


def blocks_of(database: Database, filters: Filters, order: Order, *, size: int = PAGE) -> Blocks:
    """Divide a list into blocks of `size`. Raises StorageError."""
    key, down = _key(order), order == "newest"
    ordered = (key.desc(), ResultRow.id.desc()) if down else (key, ResultRow.id)
    number = func.row_number().over(order_by=ordered).label("number")
    numbered = _meant(select(key.label("place"), ResultRow.id.label("id"), number), filters, order).subquery()
    first = select(numbered.c.place, numbered.c.id).where(numbered.c.number % size == 1 % size).order_by(numbered.c.number)
    with database.read() as connection:
        found = connection.execute(first).all()
    starts = [(place, key_ + (1 if down else -1)) for place, key_ in found]  # pages begin after this
    blocks = Blocks(filters, order, len(starts) * size, starts, size)
    if not starts:
        return blocks
    last = len(block(database, blocks, len(starts) - 1))
    return replace(blocks, total=(len(starts) - 1) * size + last)


def block(database: Database, blocks: Blocks, number: int) -> list[Mapping[str, Any]]:
    """Read one block. Inspections that a correction took out of the selection meanwhile are not in it."""
    rows = page(database, blocks.filters, order=blocks.order, limit=blocks.size, after=blocks.starts[number]).rows
    if number + 1 == len(blocks.starts):
        return list(rows)
    end = blocks.starts[number + 1]
    if blocks.order == "newest":
        return [row for row in rows if _at(row, blocks.order) >= end]
    return [row for row in rows if _at(row, blocks.order) <= end]


def rows_of(database: Database, keys: Collection[int]) -> dict[int, Mapping[str, Any]]:
    """Return the rows of these inspections."""
    with database.read() as connection:
        query = select(*ResultRow.__table__.columns).where(ResultRow.id.in_(keys))
        return {row.id: dict(row._mapping) for row in connection.execute(query)}


def images_of(database: Database, keys: Collection[int]) -> dict[int, list[Mapping[str, Any]]]:
    """Return the image files of these inspections."""
    found: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    with database.read() as connection:
        query = select(*ImageRow.__table__.columns).where(ImageRow.result_id.in_(keys))
        for row in connection.execute(query):
            found[row.result_id].append(dict(row._mapping))
    return dict(found)


def deciding_cameras(database: Database, keys: Collection[int]) -> dict[int, str]:
    """Return the camera of the first rule that did not say OK of each of these inspections."""
    judgement, found = JudgementRow, dict[int, str]()
    query = select(judgement.result_id, judgement.camera).where(judgement.result_id.in_(keys), judgement.verdict != "OK")
    with database.read() as connection:
        for key, camera in connection.execute(query.order_by(judgement.result_id, judgement.number)):
            found.setdefault(key, camera)
    return found


def keys_between(database: Database, blocks: Blocks, first: int, last: int, *, shown: Shown = NOTHING) -> list[int]:
    """Return the keys of the inspections at these places, both included. `shown`: blocks as a person sees them."""
    places = range(first // blocks.size, last // blocks.size + 1)
    rows = ((number * blocks.size, _rows(database, blocks, number, shown)) for number in places)
    return [row["id"] for start, some in rows for place, row in enumerate(some, start) if first <= place <= last]


def neighbour(
    database: Database, blocks: Blocks, of: int, *, verdict: str, back: bool, shown: Shown = NOTHING
) -> tuple[int, int] | None:
    """Return the key and the place of the next inspection with this verdict from the place `of` on; None: there is none."""
    filters, order = blocks.filters, blocks.order
    if filters.verdict not in ("", verdict):
        return None
    number, place = divmod(of, blocks.size)
    rows = _rows(database, blocks, number, shown)
    at = _at(rows[min(place, len(rows) - 1)], order) if rows else blocks.starts[number]
    key, down = _key(order), (order == "newest") != back
    query = _meant(select(key.label("place"), ResultRow.id), replace(filters, verdict=verdict), order)
    mine, there = tuple_(key, ResultRow.id), tuple_(*map(literal, at))
    query = query.where(mine < there if down else mine > there)
    query = query.order_by(key.desc() if down else key, ResultRow.id.desc() if down else ResultRow.id).limit(1)
    with database.read() as connection:
        found = connection.execute(query).one_or_none()
    return None if found is None else (found.id, place_of(database, blocks, (found.place, found.id), shown=shown))


def place_of(database: Database, blocks: Blocks, at: tuple[float, int], *, shown: Shown = NOTHING) -> int:
    """Return the place of an inspection in a list, by what the list is ordered by."""

    def follows(other: tuple[float, int]) -> bool:
        return at < other if blocks.order == "newest" else at > other

    number = max(sum(map(follows, blocks.starts)) - 1, 0)
    rows = _rows(database, blocks, number, shown)
    return number * blocks.size + sum(follows(_at(row, blocks.order)) for row in rows)


def newest_of(database: Database) -> tuple[int, int]:
    """Return the greatest key and time of an inspection, 0 if there is none: others mean that there is something new.

    Keys alone do not say it: they begin with the journal, and a line may write to an older one.
    """
    with database.read() as connection:
        key, time = (select(func.max(column)).scalar_subquery() for column in (ResultRow.id, ResultRow.creation_time))
        newest = connection.execute(select(key, time)).one()
        return newest[0] or 0, newest[1] or 0


def gaps_before(database: Database) -> dict[int, list[Gap]]:
    """Return the gaps by the key of the first inspection after each; those with none after them by the end of their journal."""
    found: dict[int, list[Gap]] = defaultdict(list)
    with database.read() as connection:
        for row in connection.execute(select(*GapRow.__table__.columns).order_by(GapRow.journal_id, GapRow.first)).all():
            first, end = key_of(row.journal_id, row.last), key_of(row.journal_id + 1, 0)
            query = select(func.min(ResultRow.id)).where(ResultRow.id > first, ResultRow.id < end)
            after = connection.execute(query).scalar_one_or_none()
            found[end if after is None else after].append(Gap(row.first, row.last, row.damaged))
    return dict(found)


def _key(order: Order) -> ColumnElement[Any]:
    return ResultRow.margin if order == "margin" else ResultRow.creation_time  # type: ignore[return-value]


def _meant(query: Select[*tuple[Any, ...]], filters: Filters, order: Order) -> Select[*tuple[Any, ...]]:
    """Restrict a query to the inspections that have a place in this order."""
    query = matching(query, filters)
    return query.where(ResultRow.margin.is_not(None)) if order == "margin" else query


def _at(row: Mapping[str, Any], order: Order) -> tuple[float, int]:
    """Return what a row is ordered by."""
    return row["margin" if order == "margin" else "creation_time"], row["id"]


def _rows(database: Database, blocks: Blocks, number: int, shown: Shown) -> Sequence[Mapping[str, Any]]:
    return shown[number] if number in shown else block(database, blocks, number)
