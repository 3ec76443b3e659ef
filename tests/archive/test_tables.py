"""The tables: revisions lead back and forward with what is in them, and counts are always those of the inspections."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from inspector.archive.archive import opened_archive
from inspector.archive.contents import result_content
from inspector.archive.corrections import correct, undo
from inspector.archive.exports.dataset import write_corrected
from inspector.archive.filters import Filters
from inspector.archive.reports.figures import report_of
from inspector.archive.reports.sections import sections
from inspector.archive.store.database import open_database, take_back
from inspector.archive.store.names import identity_of
from inspector.archive.store.query import FACETS, count, every, facet, facets, keys_of_part, page
from inspector.archive.store.retention import RetentionPolicy, run_retention
from inspector.archive.store.rows import result_row
from inspector.archive.store.selection import EQUAL
from inspector.archive.store.tally import by_time
from inspector.archive.store.verify import verify
from inspector.bench.archiving.generated import fill
from inspector.bench.archiving.kill import made_inspection
from inspector.core.errors import ConfigError, StorageError
from inspector.core.text import json_line
from tests.archive.migrated import check_back_and_forward, check_first_revision
from tests.archive.recorded import record_run

CUT_SHORT = """
import os
import sys
from pathlib import Path

from inspector.archive.filters import Filters
from inspector.archive.store.database import FILE, open_database
from inspector.archive.store.query import facets, page
from inspector.bench.archiving.generated import fill
from inspector.core.errors import StorageError

database = open_database(Path(sys.argv[1]))
fill(database, 600)
with database.read() as connection:
    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    os.truncate(Path(sys.argv[1]) / FILE, 8192)
for ask in (page, facets):
    try:
        ask(database, Filters())
    except StorageError as error:
        assert "\\n" not in str(error)
database.close()
"""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    record_run(tmp_path / "archive", "L1", "=P{}")
    return tmp_path / "archive"


def test_the_tables_are_led_back_and_forward_with_what_is_in_them(archive: Path) -> None:
    with opened_archive(archive) as opened:
        rows = [row["id"] for row in every(opened.database, Filters()) if row["verdict"] == "NG" or row["part_id"] == "=P3"]
        correct(opened, rows, who="Ann", verdict="OK")
        assert verify(opened.database, archive).sound
        check_back_and_forward(opened.database)
        check_first_revision(opened.database)
    with opened_archive(archive) as opened, opened.database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(StorageError, match="has the schema 0999, this program knows 0004"), opened_archive(archive):
        pass


def test_an_archive_of_the_first_revision_is_opened_as_it_is(archive: Path) -> None:
    with opened_archive(archive) as opened:
        take_back(opened.database, "0001")
    with opened_archive(archive) as opened:
        assert facets(opened.database, Filters(class_name="bad"), ("verdict",)) == {"verdict": {"NG": 4, "REVIEW": 2}}
        assert verify(opened.database, archive).sound
        with pytest.raises(ConfigError, match="There is no schema 7"):
            take_back(opened.database, "7")


def test_counts_are_those_of_the_inspections_whatever_happened_to_them(archive: Path) -> None:
    record_run(archive, "L2", "Q{}", count=9)
    with opened_archive(archive) as opened:
        some = [row["id"] for row in every(opened.database, Filters())][:3]
        correct(opened, some, who="Ann", verdict="NG")
        undo(opened, some[-1], who="Ann")
        times = sorted(row["creation_time"] for row in every(opened.database, Filters()))
        middle = datetime.fromtimestamp(times[20] / 1e6, UTC)
        for chosen in (
            Filters(),
            Filters(lot="L1", verdict="OK"),
            Filters(corrected=True),
            Filters(human_verdict="NG", corrected=True, shift="A"),
            Filters(since=middle),
            Filters(until=middle, class_name="bad"),
            Filters(since=middle - timedelta(hours=5), until=middle + timedelta(hours=5), simulated=False),
            Filters(margin_below=0.5, score_above=0.3, verdict="OK"),
            Filters(quantity="score"),
            Filters(bundle="no such"),
            Filters(text="=P1"),
            Filters(text="L"),
            Filters(text="Q3", verdict="OK", since=middle),
            Filters(text="=", lot_begins="L"),
            Filters(lot_begins="L1", part_begins="=P2"),
            Filters(text="l"),
        ):
            rows = list(every(opened.database, chosen))
            known = facets(opened.database, chosen)
            assert count(opened.database, chosen) == len(rows)
            for name in FACETS:
                assert known[name] == Counter(row[name] or "" for row in rows), (name, chosen)
        deleted = run_retention(
            opened, RetentionPolicy(record_days=1, image_bytes=1, free_bytes=0), now=middle.timestamp() + 86_400
        )
        assert deleted.records
        assert count(opened.database, Filters()) == len(list(every(opened.database, Filters()))) < len(times)
        assert verify(opened.database, archive).sound
        with opened.database.write() as connection:
            wrong = connection.exec_driver_sql("UPDATE tally SET number = number + 1 WHERE verdict = 'OK'").rowcount
        assert wrong
        problems = verify(opened.database, archive).problems
        assert [problem.text for problem in problems] == [f"{wrong} counts of inspections differ from the inspections."]


@pytest.mark.parametrize(("few_others", "near"), [(0, 10), (20_000, 2000)])  # counted one by one or as all but others
def test_parts_that_were_counted_up_are_found_and_counted_as_their_time_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_others: int, near: int
) -> None:
    monkeypatch.setattr("inspector.archive.store.tally.FEW_OTHERS", few_others)
    monkeypatch.setattr("inspector.archive.store.query.NEAR", near)
    with closing(open_database(tmp_path)) as database:
        fill(database, 5600)
        with database.read() as connection:
            assert by_time(connection, Filters(part_begins="P00", shift="A")) == Filters(shift="A")
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE result SET part_id = 'Q' || part_id WHERE part_id >= 'P0005500'")
        with database.read() as connection:
            found = by_time(connection, Filters(part_begins="P000", shift="A"))
            assert (found.part_begins, found.shift) == ("", "A")
            assert None not in (found.since, found.until)
        middle = datetime.fromtimestamp(page(database, Filters(part="P0002500")).rows[0]["creation_time"] / 1e6, UTC)
        since = round(middle.timestamp() * 1e6)
        chosen: dict[Filters, Callable[[Mapping[str, Any]], bool]] = {
            Filters(text="P"): lambda row: row["part_id"].startswith("P"),
            Filters(text="P000"): lambda row: row["part_id"].startswith("P000"),
            Filters(text="P0002"): lambda row: row["part_id"].startswith("P0002"),
            Filters(text="L1"): lambda row: row["part_id"].startswith("L1") or row["lot"] == "L1",
            Filters(part_begins="P000", verdict="NG"): lambda row: row["part_id"][:4] == "P000" and row["verdict"] == "NG",
            Filters(text="P000", lot="L0", since=middle): lambda row: (
                row["part_id"][:4] == "P000" and row["lot"] == "L0" and row["creation_time"] >= since
            ),
            Filters(part_begins="P00", margin_below=0.2): lambda row: row["part_id"][:3] == "P00" and row["margin"] < 0.2,
            Filters(part_begins="P00", until=middle, corrected=True): lambda row: (
                row["part_id"][:3] == "P00" and row["creation_time"] < since and row["human_verdict"] is not None
            ),
        }
        for other in (False, True):
            if other:  # two between them are named otherwise, one of them as its lot
                with database.write() as connection:
                    connection.exec_driver_sql("UPDATE result SET part_id = 'X' WHERE part_id = 'P0002600'")
                    connection.exec_driver_sql("UPDATE result SET part_id = 'L10' WHERE part_id = 'P0005100'")
                with database.read() as connection:
                    assert by_time(connection, Filters(part_begins="P000")).part_begins == "P000"
            everything = list(every(database, Filters()))
            for filters, is_meant in chosen.items():
                rows = [row for row in everything if is_meant(row)]
                assert [row["id"] for row in every(database, filters)] == [row["id"] for row in rows]
                newest = [row["id"] for row in reversed(rows)]
                assert [row["id"] for row in page(database, filters, limit=70).rows] == newest[:70]
                known = facets(database, filters)
                assert count(database, filters) == len(rows) > 0
                for name in FACETS:
                    assert known[name] == dict(Counter(row[name] or "" for row in rows)), (name, filters)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+nodriver://ann:secret@server/archive",
        "postgresql+nodriver://server/archive?user=ann&password=secret",
        "postgresql+nodriver://server/archive?password=with@secret",
        "postgresql://ann:with:5secret@server:x/archive",
        "ann:secret@server/archive",
    ],
)
def test_what_is_said_of_a_server_keeps_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        open_database(url)
    _check_secret(refused.value)


@pytest.mark.parametrize("password", ["secret", "with/secret"])
def test_what_is_said_of_a_server_that_cannot_be_reached_keeps_its_password(password: str) -> None:
    with pytest.raises((StorageError, ConfigError)) as refused:  # or that has no driver here
        open_database(f"postgresql://ann:{password}@server.invalid/archive")
    assert "server.invalid/archive" in str(refused.value)
    _check_secret(refused.value)


def _check_secret(refused: BaseException) -> None:
    assert "secret" not in str(refused)
    assert refused.__cause__ is None or "secret" not in str(refused.__cause__)


def test_nothing_is_taken_back_without_a_name_and_a_stopped_data_set_leaves_nothing(archive: Path) -> None:
    def stop(done: int, _of: int) -> None:
        if done:
            raise ConfigError("Stopped.")

    with opened_archive(archive) as opened:
        bad = [row["id"] for row in every(opened.database, Filters(verdict="NG"))]
        correct(opened, bad, who="Ann", verdict="NG")
        with pytest.raises(ConfigError, match="needs the name of the person"):
            undo(opened, bad[0], who=" ")
        assert count(opened.database, Filters(corrected=True)) == len(bad)
        with pytest.raises(ConfigError, match="Stopped"):
            write_corrected(opened, Filters(), archive.parent / "set", "folders", progress=stop)
        assert not (archive.parent / "set").exists()
        assert write_corrected(opened, Filters(), archive.parent / "set", "folders").counts == {"bad": len(bad)}


def test_shares_of_reasons_are_those_of_all_parts(archive: Path) -> None:
    with opened_archive(archive) as opened:
        report = report_of(opened, Filters())
    some = replace(report, verdicts={"NOT_INSPECTED": 40}, uninspected={"no frame": 20, "too dark": 10})  # and ten others
    (rows,) = (section.rows for section in sections(some) if section.title == "Parts without a verdict")
    assert rows == [("no frame", 20, "50.0%", "50.0%"), ("too dark", 10, "25.0%", "75.0%")]


def test_every_name_that_is_filtered_by_is_in_the_table_as_it_is_searched() -> None:
    content = json.loads(json_line(result_content(made_inspection(0, part="P0"), keeps="ng")))
    for judgement in content["judgements"]:
        judgement["class"] = "c" * 600
    content["identification"] = {name: name * 100 for name in ("serial_number", "material", "lot", "job_id")}
    row, searched = result_row(1, content, {}), {"lot": "lot", "serial": "serial_number", "material": "material"}
    decided = next(one for one in content["judgements"] if one["verdict"] == "NG")
    assert row["class_name"] == identity_of(decided["class"])
    assert row["rule"] == identity_of(f"{decided['quantity']} {decided['class']}")
    assert all(row[EQUAL[name]] == identity_of(content["identification"][key]) for name, key in searched.items())


@pytest.mark.parametrize("names", ["x" * 600 + "{}", "\ud800{}", "nul\0{}", "<b>\n=cmd{}"])
def test_a_part_is_found_by_its_id_whatever_letters_it_has(tmp_path: Path, names: str) -> None:
    lot = names.format("L")
    record_run(tmp_path / "archive", lot, names, count=3)
    with opened_archive(tmp_path / "archive") as opened:
        found = [keys_of_part(opened.database, names.format(number)) for number in range(3)]
        assert [len(keys) for keys in found] == [1, 1, 1]
        assert len({row["part_id"] for row in every(opened.database, Filters(lot=lot))}) == 3
        assert facet(opened.database, Filters(lot=lot), "verdict") == {"OK": 2, "NG": 1}
        assert count(opened.database, Filters(part=names.format(1), text=names[:1])) == 1


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("renamed", [False, True])
def test_a_journal_whose_newest_segment_is_rubbish_is_not_gone_on_with(tmp_path: Path, runs: int, *, renamed: bool) -> None:
    folder = tmp_path / "archive"
    for number in range(runs):
        record_run(folder, f"L{number}", "P{}", count=3)
    segment = max(folder.glob("journals/*/*.journal"))
    segment.write_bytes(bytes(range(1, 256)) * 9)
    if renamed:  # by a version before
        segment.rename(segment.with_suffix(".damaged"))
    for number in (2, 3):
        with opened_archive(folder) as opened:
            assert count(opened.database, Filters()) == 3 * (runs + number - 2)  # all were fed before
        record_run(folder, f"L{number}", "Q{}", count=3)
        with opened_archive(folder) as opened:
            assert count(opened.database, Filters(lot=f"L{number}")) == 3
            assert verify(opened.database, folder).sound
    assert len(list((folder / "journals").iterdir())) == 2  # the new one is gone on with


@pytest.mark.parametrize("damage", ["rubbish", "cut", "zeros"])
def test_a_damaged_database_is_made_anew_from_the_journals(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "archive"
    record_run(folder, "L1", "P{}", count=23)
    with opened_archive(folder) as opened:
        correct(opened, keys_of_part(opened.database, "P7"), who="Ann", verdict="OK")
    file = folder / "archive.sqlite"
    data = file.read_bytes()
    damaged = {"rubbish": bytes(range(256)) * 99, "cut": data[: len(data) // 2], "zeros": data[:8192] + bytes(len(data) - 8192)}
    file.write_bytes(damaged[damage])
    for _ in range(2):
        with pytest.raises(StorageError, match="is damaged") as refused, opened_archive(folder) as opened:
            list(every(opened.database, Filters()))
        assert "made anew from what the journals still hold" in str(refused.value)
    record_run(folder, "L2", "Q{}", count=3)  # the line goes on
    file.rename(tmp_path / "away")
    with opened_archive(folder) as opened:
        assert count(opened.database, Filters()) == 26
        assert count(opened.database, Filters(human_verdict="OK")) == 1
        assert verify(opened.database, folder).sound


def test_a_database_that_is_cut_short_while_it_is_open_does_not_end_the_process(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CUT_SHORT, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
