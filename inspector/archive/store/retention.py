"""Retention: what is deleted when, and the proof that it ran. Lots on legal hold are left alone.

Images go first: those of good parts, then those of bad ones. Records are deleted only from the beginning of a journal, so that
its chain goes on from a hash that the deletion itself records.

Clocks of stations are wrong at times, by years after a battery has died. Nothing goes for its age while the clock is far ahead
of the last run, and an inspection is old only if it, or one after it in its journal, has a time that is old and can be true.
"""

import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError
from sqlalchemy import ColumnElement, Connection, delete, false, func, or_, select, update

from inspector.archive.archive import Archive
from inspector.archive.contents import event_content
from inspector.archive.images import IMAGES
from inspector.archive.recording.folders import away, is_there
from inspector.archive.recording.journal import journal_folders
from inspector.archive.recording.segments import first_of, segment_files
from inspector.archive.store.models import (
    EventRow,
    HeatRow,
    HoldRow,
    ImageRow,
    JournalRow,
    JudgementRow,
    RecordRow,
    RejudgedRow,
    ResultRow,
    key_of,
)
from inspector.archive.store.query import journal_names, names_of
from inspector.archive.store.tally import count_deleted
from inspector.core.config import FiniteModel, describe_validation, write_atomically
from inspector.core.errors import ConfigError, StorageError
from inspector.core.untrusted import parse_json, read_bounded

FILE: Final = "retention.json"
DAY_US: Final = 86_400_000_000
_GOOD: Final = ("sample", "burst")
_BAD: Final = ("ng", "review")
_AT_ONCE: Final = 500  # images of one event
_EARLIEST_US: Final = 1_704_067_200_000_000  # 2024: no inspection is older than this program
_LONG_DAYS: Final = 60  # from one run to the next, after which a person is asked whether the clock is right


class RetentionPolicy(FiniteModel):
    """For how long what is kept; 0: for ever. `free_bytes`: free space below which images go before their time."""

    record_days: int = Field(0, ge=0, le=36_500)
    ng_image_days: int = Field(365, ge=0, le=36_500)
    ok_image_days: int = Field(30, ge=0, le=36_500)
    journal_days: int = Field(30, ge=1, le=36_500)
    image_bytes: int = Field(0, ge=0, le=2**60)
    free_bytes: int = Field(5_000_000_000, ge=0, le=2**60)


@dataclass(frozen=True, slots=True)
class Deleted:
    """What one run of the job deleted."""

    images: int = 0
    image_bytes: int = 0
    records: int = 0
    segments: int = 0


def load_policy(folder: Path) -> RetentionPolicy:
    """Return the archive's policy, the default if there is none. Raises ConfigError."""
    path = folder / FILE
    try:
        return RetentionPolicy.model_validate(parse_json(read_bounded(path)))
    except FileNotFoundError:
        return RetentionPolicy()
    except ValidationError as error:
        raise ConfigError("The policy {file} is not valid: {detail}.", file=path, detail=describe_validation(error)) from error
    except (OSError, ValueError) as error:
        raise ConfigError("The policy {file} cannot be read ({detail}).", file=path, detail=error) from error


def save_policy(archive: Archive, policy: RetentionPolicy, *, who: str) -> None:
    """Write the policy, and who changed it from what to what. Raises StorageError."""
    before = load_policy(archive.folder)
    write_atomically(archive.folder / FILE, policy.model_dump_json(indent=1).encode())
    archive.write(event_content("policy", who=who, before=before.model_dump(), after=policy.model_dump()))


def hold(archive: Archive, lot: str, *, who: str, reason: str) -> None:
    """Keep everything of a lot until it is released."""
    if not lot.strip():
        raise ConfigError("A lot has a name.")
    archive.write(event_content("hold", who=who, lot=lot, reason=reason))


def release(archive: Archive, lot: str, *, who: str) -> None:
    """End the hold of a lot."""
    archive.write(event_content("hold_released", who=who, lot=lot))


def holds(archive: Archive) -> Sequence[dict[str, Any]]:
    """Return the lots on hold."""
    with archive.database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(select(*HoldRow.__table__.columns).order_by(HoldRow.lot))]


def last_success(archive: Archive) -> int | None:
    """Return when the job last ran to its end, in microseconds since 1970; None if never."""
    with archive.database.read() as connection:
        query = select(func.max(EventRow.creation_time)).where(EventRow.what == "retention")
        return connection.execute(query).scalar_one_or_none()


def run_retention(
    archive: Archive,
    policy: RetentionPolicy,
    *,
    who: str = "retention",
    now: float | None = None,
    clock_is_right: bool = False,
) -> Deleted:
    """Delete what is over its time, or what must go for space; a record's images go with it. Raises StorageError.

    May be ended at any moment and run again. `clock_is_right`: a person says so, however long ago the last run was.
    A file is deleted before its record says so: a file that is gone without a word is found by `verify`, one that is said to be
    gone and is not would be kept for ever.
    """
    moment = round((time.time() if now is None else now) * 1e6)
    doubt = None if clock_is_right else _doubt_of(archive, moment)
    images: list[tuple[int, int]] = []
    for keeps, days in ((_GOOD, policy.ok_image_days), (_BAD, policy.ng_image_days)):
        if days and doubt is None:
            old = _older(archive, ImageRow.result_id, moment, days)
            images.append(_delete_images(archive, ImageRow.keeps.in_(keeps), old, who=who, why="age"))
    for keeps in (_GOOD, _BAD):
        excess = _excess(archive, policy)
        if excess > 0:
            images.append(_delete_images(archive, ImageRow.keeps.in_(keeps), who=who, why="space", enough=excess))
    if doubt is not None:
        raise doubt
    records = 0
    if policy.record_days:
        old = _older(archive, ImageRow.result_id, moment, policy.record_days)
        images.append(_delete_images(archive, old, who=who, why="record"))
        records = _delete_records(archive, moment, policy.record_days)
    segments = _delete_segments(archive, (moment - policy.journal_days * DAY_US) / 1e6)
    deleted = Deleted(sum(count for count, _ in images), sum(size for _, size in images), records, segments)
    archive.write(event_content("retention", who=who, **asdict(deleted)))
    return deleted


def _doubt_of(archive: Archive, moment: int) -> StorageError | None:
    """Return the error for a clock that may be wrong, None for one that may be right."""
    last = last_success(archive)
    days = 0 if last is None else (moment - last) // DAY_US
    if days <= _LONG_DAYS:
        return None
    return StorageError(
        "By the clock, old images were last deleted {days} days ago: nothing is deleted for its age until that is confirmed.",
        remedy="Set the clock of this computer. If it is right, run: inspector archive retention --run --clock-is-right",
        days=days,
    )


def _older(archive: Archive, key: Any, moment: int, days: int) -> ColumnElement[bool]:  # noqa: ANN401 - a column of keys
    """Return what restricts to inspections that are older than so many days for certain."""
    with archive.database.read() as connection:
        journals = connection.execute(select(JournalRow.id)).scalars().all()
        ends = {journal: _last_older(connection, journal, moment, days) for journal in journals}
    return or_(false(), *(key.between(key_of(journal, 1), end) for journal, end in ends.items()))


def _last_older(connection: Connection, journal: int, moment: int, days: int) -> int:
    """Return the key of the newest inspection of a journal up to which all are older; of no record if none is.

    Records are numbered in the order in which they were made, which holds also where the clock did not.
    """
    before, time, key = moment - days * DAY_US, ResultRow.creation_time, ResultRow.id + 0  # found by the index of times
    first, end = key_of(journal, 0), key_of(journal + 1, 0)
    young = select(func.min(key)).where(time >= before, time <= moment + DAY_US, key > first, key < end)
    end = connection.execute(young).scalar_one() or end
    old = select(func.max(ResultRow.id)).where(ResultRow.id > first, ResultRow.id < end)
    old = old.where(time >= _EARLIEST_US, time < before)
    return int(connection.execute(old).scalar_one() or first)


def _excess(archive: Archive, policy: RetentionPolicy) -> int:
    """Return how many bytes of images are too many."""
    missing = policy.free_bytes - shutil.disk_usage(archive.folder).free if policy.free_bytes else 0
    if not policy.image_bytes:
        return missing
    with archive.database.read() as connection:
        sizes = select(func.sum(ImageRow.bytes)).where(ImageRow.deleted.is_(None), *_here(archive))
        kept = connection.execute(sizes).scalar_one() or 0
    return max(missing, int(kept) - policy.image_bytes)


def _here(archive: Archive) -> list[ColumnElement[bool]]:
    """Return what restricts images to those whose files are on this station's disk."""
    if not archive.database.is_shared:
        return []
    own = {folder.name for folder in journal_folders(archive.folder)}
    keys = [key for key, name in journal_names(archive.database).items() if name in own]
    return [or_(false(), *(ImageRow.result_id.between(key_of(key, 0), key_of(key + 1, 0)) for key in keys))]


def _delete_images(
    archive: Archive, *chosen: ColumnElement[bool], who: str, why: str, enough: int | None = None
) -> tuple[int, int]:
    """Delete the oldest of the chosen images; return count and bytes. `enough`: bytes after which it ends."""
    held = select(ResultRow.id).join(HoldRow, HoldRow.lot == ResultRow.lot)
    query = (
        select(ImageRow.result_id, ImageRow.path, ImageRow.bytes)
        .where(ImageRow.deleted.is_(None), *chosen, *_here(archive), ImageRow.result_id.not_in(held))
        .order_by(ImageRow.creation_time, ImageRow.result_id)
        .limit(_AT_ONCE)
    )
    count = size = 0
    while enough is None or size < enough:
        with archive.database.read() as connection:
            oldest = connection.execute(query).all()
        if not oldest:
            break
        if not is_there(archive.folder / IMAGES):  # else all of them would be said to be deleted
            raise away(archive.folder / IMAGES)
        # An inspection's images go together, as the record says: the last one's may not all be here.
        rows = [row for row in oldest if row.result_id != oldest[-1].result_id] if len(oldest) == _AT_ONCE else oldest
        gone, problem = [], None
        for result, group in groupby(rows or oldest, key=attrgetter("result_id")):
            if enough is not None and size >= enough:
                break
            images = list(group)
            if problem := _unlinked(archive.folder / image.path for image in images):
                break
            count, size = count + len(images), size + sum(image.bytes for image in images)
            gone.append(result)
        if names := names_of(archive.database, gone):
            archive.write(event_content("images_deleted", who=who, why=why, count=len(names), results=names))
        if problem is not None:
            raise problem
    return count, size


def _unlinked(paths: Iterable[Path]) -> StorageError | None:
    """Delete files; return why one could not be, which ends it."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            return StorageError("{file} cannot be deleted ({detail}).", file=path, detail=error.strerror or error)
    return None


def _delete_records(archive: Archive, moment: int, days: int) -> int:
    """Delete records from the beginning of each journal up to the first one that is younger, or on hold, or has images."""
    total = 0
    with archive.database.write() as connection:
        for journal, fed in connection.execute(select(JournalRow.id, JournalRow.fed)).all():
            total += _prune(connection, journal, fed, _last_older(connection, journal, moment, days))
    return total


def _prune(connection: Connection, journal: int, fed: int, older: int) -> int:
    """Delete records of a journal up to the key `older`, but for those that stay and those behind them."""
    first, end = key_of(journal, 0), key_of(journal, fed)
    if older == first:
        return 0
    held = select(ResultRow.id).join(HoldRow, HoldRow.lot == ResultRow.lot)
    kept = select(ImageRow.result_id).where(ImageRow.deleted.is_(None))  # without its row a file would be nobody's
    stays = select(func.min(ResultRow.id)).where(
        ResultRow.id > first,
        ResultRow.id < end,
        or_(ResultRow.id > older, ResultRow.id.in_(held), ResultRow.id.in_(kept)),
    )
    limit = connection.execute(stays).scalar_one()
    if limit is None:  # no inspection stays; what people did after the newest one does
        limit = older + 1
    going = select(RecordRow.id, RecordRow.digest).where(RecordRow.id > first, RecordRow.id < limit)
    last = connection.execute(going.order_by(RecordRow.id.desc()).limit(1)).one_or_none()
    if last is None:
        return 0
    gone = connection.execute(delete(RecordRow).where(RecordRow.id > first, RecordRow.id <= last.id)).rowcount
    for column in (JudgementRow.result_id, ImageRow.result_id):
        connection.execute(delete(column.class_).where(column > first, column <= last.id))
    results = ResultRow.id.between(first + 1, last.id)
    count_deleted(connection, results)
    connection.execute(delete(RejudgedRow).where(RejudgedRow.result_id.between(first + 1, last.id)))
    gone_too = or_(HeatRow.id.between(first + 1, last.id), HeatRow.result_id.between(first + 1, last.id))
    connection.execute(delete(HeatRow).where(gone_too))
    connection.execute(delete(ResultRow).where(results))
    values = {"pruned": last.id - first, "pruned_digest": last.digest}
    connection.execute(update(JournalRow).where(JournalRow.id == journal).values(values))
    return int(gone)


def _delete_segments(archive: Archive, before: float) -> int:
    """Delete the segments of journals that the database has and that are old; the newest of each journal stays."""
    with archive.database.read() as connection:
        fed = dict(connection.execute(select(JournalRow.name, JournalRow.fed)).all())
    count = 0
    for folder in journal_folders(archive.folder):
        files = segment_files(folder)
        for path, after in pairwise(files):
            if first_of(after) <= fed.get(folder.name, 0) and path.stat().st_mtime < before:
                if problem := _unlinked([path]):
                    raise problem
                count += 1
    return count
