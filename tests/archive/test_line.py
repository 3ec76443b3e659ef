"""A line with its archive: what is recorded, when, and what the line is told where it cannot be."""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from sqlalchemy import text

from inspector.archive.archive import opened_archive
from inspector.archive.contents import RunContext, result_content
from inspector.archive.filters import Filters
from inspector.archive.images import decode, encode, read_kept
from inspector.archive.keys import StationKey
from inspector.archive.recording.feeder_work import Feeding
from inspector.archive.recording.feeding import FeederProcess
from inspector.archive.recording.journal import open_journal
from inspector.archive.recording.sinks import ArchiveSink, JournalSink, archive_sinks
from inspector.archive.store.database import FILE, Database, open_database
from inspector.archive.store.feeder import Feeder
from inspector.archive.store.query import count, events, every, facet, gaps, page, part_counts, result_of, runs
from inspector.archive.store.verify import verify
from inspector.bench.archiving.kill import made_inspection
from inspector.core.errors import StorageError
from inspector.core.types import JudgedBy, Verdict
from inspector.inspection.status import StationState, StationStatus
from inspector.recipes.recipe import ArchiveModel, CameraModel, InspectModel, Recipe
from inspector.results.sink import Sink
from inspector.station.counters import Counters
from inspector.station.ledgers import Ledgers
from inspector.station.outputs import Outputs
from inspector.station.station import Station
from inspector.workers.jobs import FeedJob
from inspector.workers.priority import LOWEST_PRIORITY
from tests.children import workers
from tests.disks import disk_of
from tests.station.fakes import Behaviour, FakeCamera, Recorder, Script, opener, recipe_of, steady

LOWEST = LOWEST_PRIORITY if sys.platform != "win32" else psutil.IDLE_PRIORITY_CLASS


def _parts(bright: set[int], total: int) -> Script:
    def script(camera: FakeCamera, stop: threading.Event) -> object:
        for number in range(total):
            if stop.is_set():
                return
            yield camera.grab(200 if number in bright else 100, part=f"P{number}")

    return script  # type: ignore[return-value]


def _run(bundle: str, sinks: list[Sink], script: Script, **changes: object) -> Recorder:
    recorder = Recorder()
    recipe = recipe_of(bundle, rules=[{"bundle": bundle, "quantity": "class", "limit": 0.6}], **changes)
    camera = FakeCamera("top", script, live=False)
    station = Station(recipe, sinks=[*sinks, recorder], listeners=[recorder], cameras=opener({"top": camera}))
    station.start()
    assert station.wait(30)
    station.stop()
    return recorder


@pytest.fixture
def archive(behaviour: Behaviour, bundle: str, tmp_path: Path) -> tuple[Path, Recorder]:
    """Of a run of 24 parts, of which 5 and 17 are NG, with every fourth OK part and one around each NG kept."""
    folder = tmp_path / "archive"
    context = RunContext(lot="L1", operator="=cmd|' /C calc'!A0", line="3")
    settings = ArchiveModel(ok_every=4, burst=1)
    recorder = _run(bundle, archive_sinks(context, folder=folder), _parts({5, 17}, 24), archive=settings)
    return folder, recorder


def test_every_part_carries_the_lot_it_was_judged_in(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    lots = iter(["L1", "L1", "L2", ""])
    camera = FakeCamera("top", _parts(set(), 4), live=False)
    sinks = archive_sinks(RunContext(lot="L1"), folder=tmp_path / "archive")
    recorder = Recorder()
    station = Station(
        recipe_of(bundle), sinks=[*sinks, recorder], cameras=opener({"top": camera}), lot=lambda _inspection: next(lots)
    )
    station.start()
    assert station.wait(30)
    station.stop()
    assert [inspection.lot for inspection in recorder.inspections] == ["L1", "L1", "L2", ""]
    with opened_archive(tmp_path / "archive") as opened:
        rows = {row["part_id"]: row["lot"] for row in every(opened.database, Filters())}
        assert rows == {"P0": "L1", "P1": "L1", "P2": "L2", "P3": ""}
        assert count(opened.database, Filters(lot="L2")) == 1


def test_every_part_is_in_the_archive_with_its_judgements_context_and_images(archive: tuple[Path, Recorder]) -> None:
    folder, recorder = archive
    assert not recorder.faults
    with opened_archive(folder) as opened:
        database = opened.database
        rows = list(every(database, Filters()))
        assert [row["part_id"] for row in rows] == [f"P{number}" for number in range(24)]
        told = {inspection.part: inspection for inspection in recorder.inspections}
        assert all(row["verdict"] == told[row["part_id"]].verdict for row in rows)
        assert {row["result_evaluation"] for row in rows if row["verdict"] == "NG"} == {2}
        assert facet(database, Filters(), "verdict") == {"OK": 22, "NG": 2}
        assert facet(database, Filters(verdict="NG"), "rule") == {"class bad": 2}
        assert {row["lot"] for row in rows} == {"L1"}
        assert count(database, Filters(lot="L1", verdict="OK")) == 22
        first = page(database, Filters(), limit=10)
        second = page(database, Filters(), limit=10, after=first.after)
        assert [row["part_id"] for row in (*first.rows, *second.rows)] == [f"P{number}" for number in range(23, 3, -1)]
        margins = [row["margin"] for row in page(database, Filters(), order="margin").rows]
        assert margins == sorted(margins)
        kept = {row["part_id"]: row["images"] for row in rows if row["images"]}
        around = {"P4", "P5", "P6", "P16", "P17", "P18"}
        assert around <= kept.keys()
        assert len(kept) == len(around) + 5, "every fourth OK part as well"
        ng = result_of(database, next(row["id"] for row in rows if row["part_id"] == "P5"))
        (judgement,) = ng["record"]["judgements"]
        assert (judgement["quantity"], judgement["limit"], judgement["verdict"]) == ("class", 0.6, "NG")
        assert judgement["value"] == pytest.approx(0.9)
        (image,) = ng["image_files"]
        assert np.array_equal(read_kept(folder, image), told["P5"].frames["top"].pixels)
        (run,) = runs(database, Filters())
        assert (run["operator"], run["line"], run["interrupted"]) == ("=cmd|' /C calc'!A0", "3", False)
        assert run["ended"] > run["creation_time"]
        with database.read() as connection:
            texts = dict(connection.execute(text("SELECT digest, text FROM document")).all())
        assert ng["internal_recipe_id"] in texts
        assert ng["internal_configuration_id"] in texts
        assert '"ok_every":4' in texts[ng["internal_recipe_id"]]
        assert not gaps(database)
        assert verify(database, folder, images=True).sound


def test_feeding_again_or_twice_at_once_changes_nothing(archive: tuple[Path, Recorder]) -> None:
    folder, _ = archive
    for left in folder.glob("archive.sqlite*"):
        left.unlink()  # a database that is lost is made again from the journal
    database = open_database(folder)
    threads = [threading.Thread(target=Feeder(folder, database).feed) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(database, Filters()) == 24
    assert Feeder(folder, database).feed() == 0
    assert verify(database, folder).sound
    database.close()


def _planted(database: Database, statement: str) -> list[str]:
    """The problems that are found after a statement, which is taken back."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMP TABLE IF NOT EXISTS saved_r AS SELECT * FROM record")
        connection.exec_driver_sql("CREATE TEMP TABLE IF NOT EXISTS saved_s AS SELECT * FROM result")
        connection.exec_driver_sql(statement)
    found = [problem.text for problem in verify(database, Path("nowhere")).problems]
    with database.engine.connect() as connection:
        for table, saved in (("record", "saved_r"), ("result", "saved_s")):
            connection.exec_driver_sql(f"DELETE FROM {table}")
            connection.exec_driver_sql(f"INSERT INTO {table} SELECT * FROM {saved}")
    assert verify(database, Path("nowhere")).sound
    return found


def test_a_changed_removed_or_inserted_record_is_found(archive: tuple[Path, Recorder]) -> None:
    folder, _ = archive
    database = open_database(folder)
    ng = "(SELECT id FROM result WHERE part_id = 'P5')"
    last = "(SELECT max(id) FROM record)"
    changed = f"UPDATE record SET payload = CAST(replace(CAST(payload AS TEXT), '\"NG\"', '\"OK\"') AS BLOB) WHERE id = {ng}"
    assert any("was changed or inserted" in problem for problem in _planted(database, changed))
    assert any("are missing" in problem for problem in _planted(database, f"DELETE FROM record WHERE id = {ng}"))
    assert any("are missing" in problem for problem in _planted(database, f"DELETE FROM record WHERE id = {last}"))
    columns = "kind, payload, digest, seal"
    added = f"INSERT INTO record SELECT id + 1, {columns} FROM record WHERE id = {last}"
    assert any("changed or inserted" in problem for problem in _planted(database, added))
    problem, counted = _planted(database, f"UPDATE result SET verdict = 'OK' WHERE id = {ng}")
    assert problem.endswith("verdict differ from its record.")
    assert counted == "2 counts of inspections differ from the inspections."
    problem, counted = _planted(database, f"DELETE FROM result WHERE id = {ng}")
    assert "missing in the table of results" in problem
    assert counted == "1 counts of inspections differ from the inspections."
    strange = verify(database, folder, trusted="00" * 32).problems
    assert any("is not the station's" in problem.text for problem in strange)
    image = next(path for path in (folder / "images").rglob("*.jxl"))
    image.write_bytes(encode(np.zeros((4, 4), np.uint8)))
    (exchanged,) = verify(database, folder, images=True).problems
    assert exchanged.text.endswith("is not the one that was recorded.")
    database.close()


@pytest.mark.parametrize(
    "pixels",
    [
        np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3),
        np.arange(65536, dtype=np.uint16).reshape(256, 256),
        np.arange(65536, dtype=">u2").reshape(256, 256),
        np.float32([[273.15, np.nan], [1e-30, 3e38]]),
    ],
    ids=["colour", "16 bits", "big-endian", "kelvin"],
)
def test_images_are_kept_exactly(pixels: np.ndarray) -> None:
    again = decode(encode(pixels))
    assert again.dtype == pixels.dtype.newbyteorder("=")
    assert np.array_equal(again, pixels, equal_nan=pixels.dtype.kind == "f")


class _Disk:
    """A disk that hangs when a test says so."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()

    def durable(self, file: int) -> None:
        self.answers.wait(60)
        os.fsync(file)


@pytest.mark.parametrize("unrecorded", ["not_inspected", "tell"])
def test_a_disk_that_hangs_delays_no_deadline_and_loses_no_part(
    behaviour: Behaviour, bundle: str, tmp_path: Path, unrecorded: str
) -> None:
    disk, folder, recorder = _Disk(), tmp_path / "archive", Recorder()
    records = JournalSink(folder, durable=disk.durable)
    recipe = recipe_of(
        bundle,
        mode="triggered",
        deadline_ms=400,
        rules=[{"bundle": bundle, "quantity": "class", "limit": 0.6}],
        archive={"unrecorded": unrecorded},
    )
    camera = FakeCamera("top", steady(0), live=False)
    sinks = [records, ArchiveSink(records), recorder]
    station = Station(recipe, sinks=sinks, listeners=[recorder], cameras=opener({"top": camera}))
    station.start()
    try:
        recorder.wait_for(lambda it: it.status.state is StationState.RUNNING)
        station.trigger("before")
        recorder.wait_for(lambda it: len(it.inspections) == 1)
        disk.answers.clear()
        began = time.monotonic()
        station.trigger("during")
        recorder.wait_for(lambda it: len(it.inspections) == 2)
        recorder.wait_for(lambda it: "journal" in it.status.faults)
        told = recorder.inspections[1]
        assert told.due is not None
        assert told.due - began == pytest.approx(0.4, abs=0.2)
        fault = recorder.status.faults["journal"]
        assert "has not answered" in fault.problem.text
        disk.answers.set()
        station.trigger("after")
        recorder.wait_for(lambda it: len(it.inspections) == 3)
        recorder.wait_for(lambda it: "journal" not in it.status.faults)
    finally:
        disk.answers.set()
        station.stop()
    expected = Verdict.NOT_INSPECTED if unrecorded == "not_inspected" else Verdict.OK
    assert [inspection.verdict for inspection in recorder.inspections] == [Verdict.OK, expected, Verdict.OK]
    stats = recorder.status.stats
    assert (stats.parts, stats.ok, stats.not_inspected) == ((3, 2, 1) if expected is Verdict.NOT_INSPECTED else (3, 3, 0))
    with opened_archive(folder) as opened:
        rows = {row["part_id"]: row for row in every(opened.database, Filters())}
        assert [(part, row["verdict"], row["told"]) for part, row in rows.items()] == [
            ("before", "OK", None),
            ("during", "OK", "NOT_INSPECTED" if unrecorded == "not_inspected" else None),
            ("after", "OK", None),
        ]
        assert verify(opened.database, folder).sound


def test_without_an_archive_no_line_starts(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("in the way")
    recorder = Recorder()
    camera = FakeCamera("top", steady(3), live=False)
    station = Station(
        recipe_of(bundle),
        sinks=[*archive_sinks(folder=tmp_path / "archive"), recorder],
        listeners=[recorder],
        cameras=opener({"top": camera}),
    )
    station.start()
    assert station.wait(20)
    station.stop()
    assert isinstance(recorder.status.failure, StorageError)
    assert not recorder.inspections


def test_a_database_that_is_away_stops_nothing_and_is_fed_later(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "archive.sqlite").write_bytes(b"this is no database" * 100)
    recorder = _run(bundle, archive_sinks(folder=folder), steady(12, pause=0.05))
    assert len(recorder.inspections) == 12
    with pytest.raises(StorageError, match="is damaged: file is not a database"), opened_archive(folder):
        pass
    (folder / "archive.sqlite").unlink()
    with opened_archive(folder) as opened:
        assert count(opened.database, Filters()) == 12
        assert not events(opened.database)


def test_images_around_a_bad_part_are_kept_as_the_recipe_in_force_says(tmp_path: Path) -> None:
    """A recipe may change while the line runs."""
    before = Recipe(name="plates", cameras={"top": CameraModel(source="x")}, inspect=(InspectModel(bundle="b", camera="top"),))
    text = before.model_copy(update={"archive": ArchiveModel(ok_every=0, burst=1)}).model_dump_json()
    judged_by = JudgedBy(recipe_digest="new", documents={"new": text})
    outputs = Outputs(archive_sinks(folder=tmp_path / "archive"), Counters(), lambda *_: None, Ledgers())
    outputs.open(StationStatus(recipe=before))
    for number in (5, 6, 7, 8, 9):  # 7 is NG
        outputs.put([replace(made_inspection(number, part=f"P{number}"), judged_by=judged_by)], wait=True)
    outputs.close(StationStatus)
    with opened_archive(tmp_path / "archive") as opened:
        rows = every(opened.database, Filters())
        assert [row["part_id"] for row in rows if row["images"]] == ["P6", "P7", "P8"]


@pytest.mark.allow_logs("The archive cannot be fed")
def test_a_defect_in_feeding_is_said_and_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def feed(_feeder: Feeder, _enough: object) -> int:
        raise ValueError("a record that nobody thought of")

    monkeypatch.setattr(Feeder, "feed", feed)
    feeding = Feeding(FeedJob(archive=tmp_path, first_keep_s=60, keep_s=60))
    problems = [feeding.go_on() for _ in range(3)]
    feeding.close()
    assert all("This program has a defect: ValueError: a record" in str(problem) for problem in problems)
    assert [record.levelname for record in caplog.records if "cannot be fed" in record.getMessage()] == ["ERROR"]


def test_another_process_feeds_after_one_is_killed_and_says_what_is_in_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.archive.recording.feeding.START_S", 0.0)
    monkeypatch.setattr("inspector.archive.recording.feeding.FIRST_KEEP_S", 0.01)
    monkeypatch.setattr("inspector.archive.recording.feeding.LOW_PRIORITY", False)  # on a busy computer it may wait for long
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "retention.json").write_text('{"ng_image_days": -1}')
    sinks = archive_sinks(folder=folder)
    records = sinks[0]
    assert isinstance(records, JournalSink)
    outputs = Outputs(sinks, Counters(), lambda *_: None, Ledgers())
    outputs.open(StationStatus())
    feeder = records.feeder
    assert feeder is not None
    outputs.put([made_inspection(number, part=f"P{number}") for number in range(20)], wait=True)
    _wait_for(lambda: feeder.pid is not None)
    first = feeder.pid
    assert first is not None
    psutil.Process(first).kill()
    _wait_for(lambda: feeder.problem is not None)
    second = feeder.pid
    assert "The policy" in str(feeder.problem)  # and not that the first was killed, which is not worth a word
    assert len(_fed(folder)) == 20
    outputs.put([made_inspection(20, part="P20")], wait=True)
    outputs.close(StationStatus)
    assert second not in (None, first, os.getpid())
    assert not workers()
    assert len(_fed(folder)) == 21
    with opened_archive(folder) as opened:
        assert sorted(part_counts(opened.database).values()) == [1] * 21
        assert verify(opened.database, folder).sound


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
def test_a_suspended_feeder_is_named_and_another_one_feeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold the database against everybody, for as long as nobody lets it go on."""
    monkeypatch.setattr("inspector.archive.recording.feeding.START_S", 0.0)
    monkeypatch.setattr("inspector.archive.recording.feeding.LOW_PRIORITY", False)
    folder = tmp_path / "archive"
    records = archive_sinks(folder=folder)[0]
    assert isinstance(records, JournalSink)
    records.open(StationStatus())
    feeder = records.feeder
    assert feeder is not None
    _wait_for(lambda: feeder.pid is not None)
    first = feeder.pid
    assert first is not None
    records.take(made_inspection(0, part="P0"))
    _wait_for(lambda: len(_fed(folder)) == 1)
    os.kill(first, signal.SIGSTOP)
    began = time.monotonic()
    _wait_for(lambda: feeder.problem is not None)
    assert time.monotonic() - began < 10  # 3 s on a machine that is not crowded
    assert "was suspended from outside" in str(feeder.problem)
    records.take(made_inspection(1, part="P1"))
    _wait_for(lambda: feeder.problem is None and len(_fed(folder)) == 2)
    assert feeder.pid not in (None, first)
    assert not psutil.pid_exists(first)
    records.close(StationStatus())
    assert not workers()


def test_a_feeder_that_has_caught_up_leaves_the_line_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.archive.recording.feeding.START_S", 0.0)
    feeder = FeederProcess(tmp_path)
    try:
        _wait_for(lambda: feeder.pid is not None)
        assert feeder.pid is not None
        process = psutil.Process(feeder.pid)
        _wait_for(lambda: bool(process.nice() == LOWEST))
    finally:
        feeder.stop(10)


def test_a_feeder_that_falls_behind_is_replaced_and_nothing_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.archive.recording.feeding.START_S", 0.0)
    monkeypatch.setattr("inspector.archive.recording.feeding.LOW_PRIORITY", False)
    feeder = FeederProcess(tmp_path)
    journal = open_journal(tmp_path, StationKey(tmp_path))
    try:
        _wait_for(lambda: feeder.pid is not None)
        first = feeder.pid
        _wait_for(_falls(lambda: feeder.behind_s))  # it has caught up
        monkeypatch.setattr("inspector.archive.recording.feeding.BEHIND_S", -1.0)  # however little it is behind
        _wait_for(lambda: feeder.pid not in (None, first))
        monkeypatch.setattr("inspector.archive.recording.feeding.BEHIND_S", 60.0)
        journal.submit(result_content(made_inspection(1, part="P1"), keeps=""))
        _wait_for(lambda: _fed(tmp_path) == {"P1"})
        _wait_for(lambda: feeder.problem is None)
    finally:
        journal.close()
        feeder.stop(10)
    assert not workers()


def test_a_database_that_stays_behind_the_line_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.archive.recording.feeding.START_S", 0.0)
    monkeypatch.setattr("inspector.archive.recording.feeding.LOW_PRIORITY", False)
    feeder = FeederProcess(tmp_path)
    try:
        _wait_for(lambda: feeder.pid is not None)
        monkeypatch.setattr("inspector.archive.recording.feeding.LATE_S", 0.2)  # it says once a second that all is fed
        _wait_for(lambda: "behind the line" in str(feeder.problem))
        monkeypatch.setattr("inspector.archive.recording.feeding.LATE_S", 30.0)
        _wait_for(lambda: feeder.problem is None)
    finally:
        feeder.stop(10)


def _falls(value: Callable[[], float]) -> Callable[[], bool]:
    """Return what tells whether a value is smaller than when it was asked for last."""
    seen = [value()]

    def falls() -> bool:
        seen.append(value())
        return seen[-1] < seen[-2]

    return falls


def _wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def _fed(folder: Path) -> set[str]:
    """Return the parts that are in the database, as a reader beside the feeder sees them."""
    if not (folder / FILE).exists():
        return set()
    with closing(sqlite3.connect(folder / FILE, timeout=30)) as connection:
        try:
            return {part for (part,) in connection.execute("SELECT part_id FROM result")}
        except sqlite3.OperationalError:  # before the tables are made
            return set()


def test_a_feeder_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = f"""if True:
        import time
        from pathlib import Path
        from inspector.archive.recording import feeding
        feeding.START_S = 0.0
        feeder = feeding.FeederProcess(Path({str(tmp_path)!r}))
        while feeder.pid is None:
            time.sleep(0.01)
        print(feeder.pid, flush=True)
        time.sleep(300)
    """
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    feeder = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    feeder.wait(60)


def test_names_from_outside_are_kept_whole_in_the_record(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    names = ["x" * 600, "a\nb\0c", "=cmd", "<b>", "部品"]

    def script(camera: FakeCamera, stop: threading.Event) -> object:
        for name in names:
            yield camera.grab(part=name)

    _run(bundle, archive_sinks(folder=tmp_path / "archive"), script)  # type: ignore[arg-type]
    with opened_archive(tmp_path / "archive") as opened:
        rows = list(every(opened.database, Filters()))
        long = f"{'x' * 491}~{hashlib.sha256(b'x' * 600).hexdigest()[:8]}"  # which tells it from others that begin so
        assert [row["part_id"] for row in rows] == [long, "a\nb\\0c", "=cmd", "<b>", "部品"]
        assert [result_of(opened.database, row["id"])["record"]["part_id"] for row in rows] == names
        assert verify(opened.database, opened.folder).sound


def test_while_the_line_runs_retention_deletes_and_says_when_it_cannot(
    behaviour: Behaviour, bundle: str, tmp_path: Path
) -> None:
    folder, recorder = tmp_path / "archive", Recorder()
    folder.mkdir()
    (folder / "retention.json").write_text('{"ng_image_days": -1}')
    feeding = Feeding(FeedJob(archive=folder, first_keep_s=1e-9, keep_s=1e-9))
    camera = FakeCamera("top", steady(0, value=200, pause=0.02), live=False)
    recipe = recipe_of(bundle, rules=[{"bundle": bundle, "quantity": "class", "limit": 0.6}])
    sinks = [*archive_sinks(folder=folder), recorder]
    station = Station(recipe, sinks=sinks, listeners=[recorder], cameras=opener({"top": camera}))
    station.start()
    try:
        recorder.wait_for(lambda it: len(it.inspections) > 3, 20)
        assert "The policy" in str(feeding.go_on())
        (folder / "retention.json").write_text('{"image_bytes": 1}')
        assert feeding.go_on() is None
        seen = len(recorder.inspections)
        recorder.wait_for(lambda it: len(it.inspections) > seen, 20)
    finally:
        station.stop()
        feeding.close()
    with opened_archive(folder) as opened:
        assert {event["what"] for event in events(opened.database)} == {"images_deleted", "retention"}
        assert verify(opened.database, folder, images=True).sound
        assert len(list(every(opened.database, Filters()))) == len(recorder.inspections)


def test_images_stop_before_the_disk_is_full_and_records_go_on(
    behaviour: Behaviour, bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.archive.recording.sinks.FREE_SHARE", 0.9)
    with disk_of(tmp_path / "disk", "12m") as disk:
        recorder = _run(bundle, archive_sinks(folder=disk / "archive"), _parts(set(range(6)), 6))
        assert [inspection.verdict for inspection in recorder.inspections] == [Verdict.NG] * 6
        problems = [fault.problem.text for where, fault in recorder.faults if where == "archive" and fault is not None]
        assert problems
        assert problems[0].startswith("Images are not kept: the disk of")
        with opened_archive(disk / "archive") as opened:
            rows = list(every(opened.database, Filters()))
            assert [row["images"] for row in rows] == [0] * 6


@pytest.mark.parametrize("damage", [b"", b"no database" * 9000])
def test_a_short_run_says_that_the_database_cannot_be_fed(
    behaviour: Behaviour, bundle: str, tmp_path: Path, damage: bytes
) -> None:
    """Also where it ends before the process that feeds has begun; the journal has every record."""
    folder = tmp_path / "archive"
    _run(bundle, archive_sinks(folder=folder), _parts({1}, 3))
    whole = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(damage)
    recorder = _run(bundle, archive_sinks(folder=folder), _parts({1}, 3))
    assert len(recorder.inspections) == 3
    problems = [fault.problem.text for _, fault in recorder.faults if fault is not None]
    assert len(problems) == (1 if damage else 0)
    assert all("is damaged: file is not a database" in problem for problem in problems)
    if damage:
        (folder / FILE).write_bytes(whole)
    with opened_archive(folder) as opened:
        assert count(opened.database, Filters()) == 6
        assert verify(opened.database, folder).sound
