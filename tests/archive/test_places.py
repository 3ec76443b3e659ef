"""Disks and shares that go away while the line runs, and clocks that are wrong: nothing is lost, made or deleted wrongly."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inspector.archive.archive import opened_archive
from inspector.archive.exports.transfer import import_archive
from inspector.archive.filters import Filters
from inspector.archive.recording.feeder_work import Feeding
from inspector.archive.recording.sinks import ArchiveSink, JournalSink, archive_sinks
from inspector.archive.store.query import events, every, part_counts
from inspector.archive.store.retention import Deleted, RetentionPolicy, run_retention
from inspector.archive.store.verify import verify
from inspector.bench.archiving.kill import made_inspection
from inspector.core.errors import StorageError
from inspector.inspection.status import StationStatus
from inspector.station.counters import Counters
from inspector.station.ledgers import Ledgers
from inspector.station.outputs import Outputs
from inspector.workers.jobs import FeedJob
from tests.archive.recorded import record_run
from tests.archive.test_line import _fed, _wait_for
from tests.disks import read_only, share_away


def test_a_share_that_goes_away_is_said_loses_no_record_and_is_used_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.archive.recording.feeding.START_S", 0.0)
    monkeypatch.setattr("inspector.archive.recording.feeding.LOW_PRIORITY", False)
    share = tmp_path / "share"
    folder = share / "archive"
    folder.mkdir(parents=True)
    said: list[str] = []
    records, keeper = archive_sinks(folder=folder)
    assert isinstance(records, JournalSink)
    assert isinstance(keeper, ArchiveSink)
    outputs = Outputs([records, keeper], Counters(), lambda _, problem, __: said.append(str(problem)), Ledgers())
    outputs.open(StationStatus())
    feeder = records.feeder
    assert feeder is not None
    outputs.put([made_inspection(0, part="P0")], wait=True)  # NG
    _wait_for(lambda: len(_fed(folder)) == 1)
    _wait_for(lambda: keeper.kept == 1)
    with share_away(share):
        outputs.put([made_inspection(number, part=f"P{number}") for number in range(1, 8)], wait=True)  # P7 is NG
        away = "is not there (Transport endpoint is not connected)."
        _wait_for(lambda: said[-1:] != [] and away in said[-1])
        _wait_for(lambda: feeder.problem is not None and away in str(feeder.problem))
        with pytest.raises(StorageError, match="is not there"), opened_archive(folder):
            pass
    _wait_for(lambda: feeder.problem is None and len(_fed(folder)) == 8)
    outputs.put([made_inspection(14, part="P14"), made_inspection(15, part="P15")], wait=True)  # NG and OK
    _wait_for(lambda: keeper.kept == 2)
    _wait_for(lambda: said[-1] == "None")
    outputs.close(StationStatus)
    with opened_archive(folder) as opened:
        assert sorted(part_counts(opened.database).values()) == [1] * 10
        assert verify(opened.database, folder).sound


def test_nothing_is_made_or_deleted_where_the_disk_of_the_archive_was(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "archive", tmp_path / "unplugged"
    records, keeper = archive_sinks(folder=folder)
    assert isinstance(records, JournalSink)
    records.open(StationStatus())
    keeper.open(StationStatus())
    assert records.journal is not None
    job = FeedJob(archive=folder, beside=records.journal.folder, first_keep_s=1e-9, keep_s=1e-9)
    inspections = [made_inspection(number, part=f"P{number}") for number in (0, 7, 14)]  # all NG
    records.take(inspections[0])
    keeper.take(inspections[0])
    folder.rename(elsewhere)
    folder.mkdir()  # where it is mounted
    records.take(inspections[1])  # into the file that is open
    with pytest.raises(StorageError, match=r"is not there \(No such file or directory\)"):
        keeper.take(inspections[1])
    feeding = Feeding(job)
    assert "is not there" in str(feeding.go_on())
    assert not list(folder.iterdir())
    folder.rmdir()
    elsewhere.rename(folder)
    keeper.take(inspections[2])
    assert feeding.go_on() is None
    feeding.close()
    keeper.close(StationStatus())
    records.close(StationStatus())
    with opened_archive(folder) as opened:
        assert len(part_counts(opened.database)) == 2
        (folder / "images").rename(elsewhere)  # on a disk of their own
        with pytest.raises(StorageError, match="is not there"):
            run_retention(opened, RetentionPolicy(image_bytes=1))
        assert not events(opened.database, "images_deleted")


def test_a_clock_that_is_or_was_wrong_by_years_makes_nothing_old(tmp_path: Path) -> None:
    folder, today = tmp_path / "archive", datetime.now(UTC)
    times = [datetime(1970, 1, 1, tzinfo=UTC), datetime(2000, 1, 2, tzinfo=UTC), today + timedelta(days=3650), today]
    outputs = Outputs(archive_sinks(folder=folder), Counters(), lambda *_: None, Ledgers())
    outputs.open(StationStatus())
    for number in range(40):
        outputs.put([replace(made_inspection(number, part=f"P{number}"), utc=times[number // 10])], wait=True)
    outputs.close(StationStatus)
    images = len(list(folder.rglob("*.jxl")))
    policy = RetentionPolicy(record_days=365, ng_image_days=300, free_bytes=0)
    with opened_archive(folder) as opened:
        assert run_retention(opened, policy) == run_retention(opened, policy, now=0.0) == Deleted()
        with pytest.raises(StorageError, match=r"last deleted 7\d\d\d days ago: nothing is deleted for its age"):
            run_retention(opened, policy, now=today.timestamp() + 7300 * 86_400)
        assert len(list(folder.rglob("*.jxl"))) == images > 0
        old = run_retention(opened, policy, now=today.timestamp() + 301 * 86_400, clock_is_right=True)
        assert (old.images, old.records) == (images, 0)
        run_retention(opened, policy, now=today.timestamp() + 366 * 86_400, clock_is_right=True)
        assert not list(every(opened.database, Filters()))  # nobody writes to this journal any more
        assert verify(opened.database, folder).sound


def test_retention_for_space_needs_no_clock(tmp_path: Path) -> None:
    record_run(tmp_path, "L1", "P{}")
    with opened_archive(tmp_path) as opened:
        run_retention(opened, RetentionPolicy(free_bytes=0))
        with pytest.raises(StorageError, match="days ago"):
            run_retention(opened, RetentionPolicy(free_bytes=0, image_bytes=1), now=4e9)
        assert not list(tmp_path.rglob("*.jxl"))


def test_an_archive_without_its_beginning_on_a_medium_that_cannot_be_written_is_taken_over(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    record_run(theirs, "L1", "P{}")
    record_run(theirs, "L2", "Q{}", count=9)
    with opened_archive(theirs) as opened:
        (first,) = (row["creation_time"] for row in every(opened.database, Filters(part="Q4")))
        run_retention(opened, RetentionPolicy(record_days=1, free_bytes=0), now=first / 1e6 + 86_400, clock_is_right=True)
    record_run(theirs, "L3", "R{}", count=3, url=f"sqlite:///{tmp_path / 'server.sqlite'}")  # not in their own database
    before = {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()}
    with opened_archive(ours, must_exist=False) as opened:
        with read_only(theirs):
            count, left_out = import_archive(opened, theirs, who="Ann")
        assert (count > 8, left_out) == (True, [])
        parts = [row["part_id"] for row in every(opened.database, Filters())]
        assert parts == ["Q4", "Q5", "Q6", "Q7", "Q8", "R0", "R1", "R2"]
        assert verify(opened.database, ours, images=True).sound
    assert {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()} == before
