"""Selections that are judged again: what is still to be judged, what was said, and what flipped. Each inspection once."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
from sqlalchemy import Connection, delete, func, select, update

from inspector.archive.filters import Filters
from inspector.archive.recording.segment import JournalRecord
from inspector.archive.rejudging.chunk import CHUNK, Rejudged, StoredPart
from inspector.archive.store.database import Database
from inspector.archive.store.models import ImageRow, RecordRow, RejudgedRow, RejudgementRow, ResultRow
from inspector.archive.store.names import text_of
from inspector.archive.store.selection import matching
from inspector.archive.store.tally import insert_or_ignore
from inspector.archive.store.whatif import Columns, WhatIf, compared, result_columns
from inspector.core.types import SEVERITY, Verdict


def begin(database: Database, filters: Filters, *, recipe: str, bundles: Sequence[str], who: str) -> str:
    """Return the name of a rejudgement, which goes on where it was interrupted if the same was asked for before."""
    selection = json.dumps(filters.described(), sort_keys=True)
    name = hashlib.sha256(json.dumps([selection, recipe, sorted(bundles)]).encode()).hexdigest()
    with database.write() as connection:
        last = connection.execute(select(func.max(ResultRow.id))).scalar_one() or 0
        row = {"id": name, "creation_time": _now(), "who": text_of(who), "selection": selection, "recipe": recipe}
        insert_or_ignore(connection, RejudgementRow, [{**row, "bundles": " ".join(sorted(bundles)), "last": last}])
        again = update(RejudgementRow).where(RejudgementRow.id == name, RejudgementRow.ended.is_not(None))
        connection.execute(again.values(last=last, ended=None))  # inspections may have come since
    return name


def pending(database: Database, name: str, filters: Filters) -> Iterator[list[StoredPart]]:
    """Yield chunks of the parts that have images and were not judged yet."""
    after = 0
    while True:
        with database.read() as connection:
            last = connection.execute(select(RejudgementRow.last).where(RejudgementRow.id == name)).scalar_one()
            done = select(RejudgedRow.result_id).where(
                RejudgedRow.rejudgement_id == name, RejudgedRow.result_id == ResultRow.id
            )
            query = select(ResultRow.id, ResultRow.part_id).where(
                ResultRow.id > after, ResultRow.id <= last, ResultRow.images > 0, ~done.exists()
            )
            rows = connection.execute(matching(query, filters).order_by(ResultRow.id).limit(CHUNK)).all()
            if not rows:
                return
            after = rows[-1].id
            parts = _with_images(connection, {row.id: row.part_id for row in rows})
        yield parts


def _with_images(connection: Connection, names: Mapping[int, str]) -> list[StoredPart]:
    image = ImageRow
    query = select(image.result_id, image.camera, image.path, image.sha256).where(
        image.result_id.in_(names), image.deleted.is_(None)
    )
    images = groupby(connection.execute(query.order_by(image.result_id)), key=attrgetter("result_id"))
    files = {key: {row.camera: {"path": row.path, "sha256": row.sha256} for row in rows} for key, rows in images}
    records = connection.execute(select(RecordRow.id, RecordRow.payload).where(RecordRow.id.in_(names)))
    frames = {key: JournalRecord(0, payload, b"").content["frames"] for key, payload in records}
    return [
        StoredPart(key, part, files.get(key, {}), {frame["camera"]: _facts(frame) for frame in frames.get(key, ())})
        for key, part in names.items()
    ]


def _facts(frame: Mapping[str, Any]) -> dict[str, Any]:
    return {name: frame.get(name) for name in ("unit", "bits", "utc")}


def store(database: Database, name: str, judged: Sequence[Rejudged]) -> None:
    """Keep what was said of parts; of those that were judged already, what was said first."""
    rows = [
        {
            "rejudgement_id": name,
            "result_id": one.key,
            "verdict": one.verdict,
            "reason": text_of(one.reason),
            "margin": one.margin,
        }
        for one in judged
    ]
    with database.write() as connection:
        insert_or_ignore(connection, RejudgedRow, rows)


def end(database: Database, name: str) -> None:
    """Note that everything was judged."""
    with database.write() as connection:
        connection.execute(update(RejudgementRow).where(RejudgementRow.id == name).values(ended=_now()))


def forget(database: Database, name: str) -> None:
    """Delete a rejudgement with all that was said in it, so that it can be made anew."""
    with database.write() as connection:
        connection.execute(delete(RejudgedRow).where(RejudgedRow.rejudgement_id == name))
        connection.execute(delete(RejudgementRow).where(RejudgementRow.id == name))


def flips(
    database: Database, name: str, *, most: int = 10_000, parts: Callable[[str], bool] | None = None
) -> tuple[WhatIf, int]:
    """Return what differs between the machine's verdicts and those of a rejudgement, and how many parts could not be judged.

    `parts`: says by a part's id whether it is meant.
    """
    said = RejudgedRow
    of = said.rejudgement_id == name
    query = select(*result_columns()).join(said, said.result_id == ResultRow.id).where(of, said.verdict != "")
    with database.read() as connection:
        rows = connection.execute(query.add_columns(said.verdict, ResultRow.part_id).order_by(ResultRow.id)).all()
        failed = connection.execute(select(func.count()).select_from(said).where(of, said.verdict == "")).scalar_one()
    if parts is not None:
        rows = [row for row in rows if parts(row.part_id)]
    columns = Columns.of_results([tuple(row[:3]) for row in rows])
    then = np.array([SEVERITY[Verdict(row.verdict)] for row in rows], np.int8)
    return compared(columns, then, most=most), int(failed)


def reasons(database: Database, name: str, keys: Sequence[int]) -> dict[int, str]:
    """Return why parts were judged as they were."""
    query = select(RejudgedRow.result_id, RejudgedRow.reason).where(
        RejudgedRow.rejudgement_id == name, RejudgedRow.result_id.in_(keys)
    )
    with database.read() as connection:
        return dict(connection.execute(query).all())


def _now() -> int:
    return round(time.time() * 1e6)
