"""Several stations on one PostgreSQL server: the same records, answers and proofs as in SQLite, also over a restart."""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from inspector.archive.archive import opened_archive
from inspector.archive.corrections import correct
from inspector.archive.filters import Filters
from inspector.archive.store.database import open_database, take_back, try_server
from inspector.archive.store.feeder import Feeder, journal_row
from inspector.archive.store.migrations import migrate
from inspector.archive.store.query import count, every, facet, gaps, page, result_of
from inspector.archive.store.retention import RetentionPolicy, run_retention
from inspector.archive.store.verify import verify
from inspector.archive.store.whatif import OtherLimits, what_if
from inspector.core.errors import StorageError
from tests.archive.migrated import check_back_and_forward, check_first_revision
from tests.archive.postgres import INSTALLED, PASSWORD, Postgres, running_server
from tests.archive.recorded import COUNT, record_run
from tests.disks import disk_of

pytestmark = pytest.mark.skipif(not INSTALLED, reason="PostgreSQL or its driver is not installed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_server(tmp_path_factory.mktemp("runtime")) as started:
        yield started


@pytest.fixture
def url(server: Postgres, request: pytest.FixtureRequest) -> str:
    """Of a new database."""
    return server.database(f"of_{abs(hash(request.node.name))}")


def test_two_stations_feed_one_server_which_answers_as_sqlite_does(url: str, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    made = record_run(one, "L1", "=P{}\n", url=url)
    record_run(two, "L2", "部品{}", url=url)
    chosen = Filters(lot="L1")
    with opened_archive(one, url=url) as served, opened_archive(one) as local:
        assert count(served.database, Filters()) == 2 * COUNT
        assert {row["station"] for row in every(served.database, Filters())} == {"bench"}
        for name in ("verdict", "rule", "lot"):
            assert facet(served.database, chosen, name) == facet(local.database, chosen, name)
        parts = [[row["part_id"] for row in page(opened.database, chosen, order="margin").rows] for opened in (served, local)]
        assert parts[0] == parts[1]
        assert len(parts[0]) == COUNT
        limits = [OtherLimits(0, 0.9)]
        found, known = what_if(served.database, chosen, limits), what_if(local.database, chosen, limits)
        assert (found.counts, len(found.flips)) == (known.counts, len(known.flips))
        (first,) = (row["id"] for row in every(served.database, Filters(part=made[1].part)))
        correct(served, [first], who="Ann", verdict="NG")
        assert result_of(served.database, first)["human_verdict"] == "NG"
        assert count(served.database, Filters(corrected=True)) == 1
        assert served.feeder.feed() == 0
        assert verify(served.database, one).sound
        run_retention(served, RetentionPolicy(image_bytes=1))
        assert verify(served.database, one).sound
        with served.database.write() as connection:
            connection.exec_driver_sql("UPDATE record SET payload = payload || '\\x20'::bytea WHERE kind = 'run'")
        assert any("changed or inserted" in problem.text for problem in verify(served.database, one).problems)


def test_two_stations_that_are_new_to_a_server_at_once_get_a_journal_each(url: str) -> None:
    with contextlib.closing(open_database(url)) as one, contextlib.closing(open_database(url)) as two:
        keys: dict[str, int] = {}

        def feed_other() -> None:
            with two.write() as connection:
                keys["two"] = journal_row(connection, "two")["id"]

        other = threading.Thread(target=feed_other)
        with one.write() as connection:
            keys["one"] = journal_row(connection, "one")["id"]
            other.start()
            waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            until = time.monotonic() + 60
            while other.is_alive() and not connection.execute(waiting).scalar_one() and time.monotonic() < until:
                time.sleep(0.01)
        other.join(30)
        assert sorted(keys.values()) == [1, 2]


def test_the_tables_of_a_server_are_led_back_and_forward_with_what_is_in_them(url: str, tmp_path: Path) -> None:
    record_run(tmp_path / "one", "L1", "部品{}\n", url=url)
    with opened_archive(tmp_path / "one", url=url) as served:
        correct(served, [row["id"] for row in every(served.database, Filters(verdict="NG"))], who="Ann", verdict="OK")
        check_back_and_forward(served.database)
        assert verify(served.database, tmp_path / "one").sound
        check_first_revision(served.database)


def test_tables_of_a_server_may_take_longer_to_change_than_an_answer(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lasting(connection: Connection, *revisions: str) -> None:
        connection.execute(text("SELECT pg_sleep(1)"))
        migrate(connection, *revisions)

    record_run(tmp_path / "one", "L1", "P{}", count=3, url=url)
    with opened_archive(tmp_path / "one", url=url) as served:
        monkeypatch.setattr("inspector.archive.store.database.migrate", lasting)
        take_back(served.database, "0003")
    again = open_database(url, patience_s=0.4)
    try:
        assert count(again, Filters()) == 3
        with pytest.raises(StorageError, match="Records wait in the journal"), again.read() as connection:
            connection.execute(text("SELECT pg_sleep(2)"))
    finally:
        again.close()


def test_images_of_a_record_that_is_damaged_hold_up_no_other_record(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    record_run(folder, "L1", "P{}")
    (segment,) = folder.glob("journals/*/*.journal")
    data = bytearray(segment.read_bytes())
    data[data.index(b'"kind":"result"') + 3] ^= 1  # of P0, which is NG: its images were kept
    segment.write_bytes(data)
    with opened_archive(folder, url=url) as served:
        assert count(served.database, Filters()) == COUNT - 1
        assert [gap["damaged"] for gap in gaps(served.database)] == [True]


def test_a_server_that_is_away_loses_nothing(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/archive"
    record_run(tmp_path / "one", "L1", "P{}", url=url)
    with pytest.raises(StorageError, match="Records wait in the journal"), opened_archive(tmp_path / "one", url=url):
        pass
    with opened_archive(tmp_path / "one") as later:
        assert count(later.database, Filters()) == COUNT


def test_a_server_that_hangs_is_given_up_and_used_again_when_it_goes_on(server: Postgres, url: str, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    record_run(folder, "L1", "P{}", count=3, url=url)
    with opened_archive(folder, url=url) as served:
        patient = open_database(url, patience_s=0.5)
        try:
            assert count(patient, Filters()) == 3
            with server.hanging(), pytest.raises(StorageError, match="Records wait in the journal") as refused:
                count(patient, Filters())
            assert PASSWORD not in str(refused.value)
            assert count(patient, Filters()) == 3
            with server.hanging(), pytest.raises(StorageError, match="cannot be used"), patient.write() as connection:
                connection.exec_driver_sql("DELETE FROM result")  # a server that hangs has not done it
            assert count(served.database, Filters()) == 3
        finally:
            patient.close()


def test_a_server_whose_disk_is_full_is_fed_the_rest_when_there_is_room(server: Postgres, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    record_run(folder, "L1", "P{}", count=300)
    with disk_of(server.folder.parent / "disk", "24m") as disk:
        owner = server.folder.stat()
        os.chown(disk, owner.st_uid, owner.st_gid)
        server.run(f"CREATE TABLESPACE small LOCATION '{disk}'")
        try:
            url = server.database("cramped", tablespace="small")
            ballast = disk / "ballast"
            database = open_database(url)
            try:
                with contextlib.suppress(OSError):
                    ballast.write_bytes(bytes(shutil.disk_usage(disk).free - 200_000))
                feeder = Feeder(folder, database)
                with pytest.raises(StorageError, match="No space left on device"):
                    feeder.feed()
                ballast.unlink()
                feeder.feed()
                assert count(database, Filters()) == 300
                assert verify(database, folder).sound
            finally:
                database.close()
        finally:
            server.run("DROP DATABASE IF EXISTS cramped WITH (FORCE)")
            server.run("DROP TABLESPACE small")


def test_a_server_is_tried_without_a_trace(server: Postgres, url: str, tmp_path: Path) -> None:
    assert try_server(url).inspections is None
    assert try_server(url).inspections is None  # nothing was made by asking
    record_run(tmp_path / "one", "L1", "P{}", count=3, url=url)
    assert try_server(url).inspections == 3
    for wrong, said in (
        (url.replace("station:", "station:x"), "password authentication failed"),
        (url.rpartition("/")[0] + "/nowhere", 'database "nowhere" does not exist'),
    ):
        with pytest.raises(StorageError, match=said) as refused:
            try_server(wrong)
        assert PASSWORD not in str(refused.value)
    database = open_database(url)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(StorageError, match="has the schema 9999"):
        try_server(url)
