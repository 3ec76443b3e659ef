"""`inspector archive` as a person and a script use it, on an archive that a line left behind."""

import contextlib
import csv
import io
import json
import shutil
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from inspector.archive.archive import opened_archive
from inspector.archive.contents import (
    RunContext,
    files_content,
    interrupted_content,
    interrupted_run_content,
    opened_content,
    result_content,
    run_content,
)
from inspector.archive.filters import Filters
from inspector.archive.keys import StationKey
from inspector.archive.recording.journal import Journal, journal_folders, open_journal
from inspector.archive.recording.segment import JournalRecord
from inspector.archive.store.query import every
from inspector.archive.store.rows import RowBatch
from inspector.bench.archiving.kill import made_inspection
from inspector.cli.main import cli, run
from inspector.core.errors import ConfigError, StorageError
from inspector.core.text import json_line
from inspector.core.types import Inspection
from inspector.inspection.status import StationStatus
from tests.archive.recorded import COUNT, record_run
from tests.disks import disk_of

VERIFIER = Path(__file__).resolve().parents[2] / "packaging" / "verify_archive.py"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Inspection]]:
    folder = tmp_path_factory.mktemp("kept") / "archive"
    return folder, record_run(folder, "L1", "=P{}")


@pytest.fixture
def archive(kept: tuple[Path, list[Inspection]], tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(kept[0], tmp_path / "archive"))


def _run(folder: Path, *arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(cli, ["archive", "--folder", str(folder), *map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    assert result.return_value == code, result.output
    return result.stdout


def _json(folder: Path, *arguments: str | Path, code: int = 0) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _run(folder, *arguments, "--json", code=code).splitlines()]


def _verifier(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", str(VERIFIER), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_query_show_export_and_report(kept: tuple[Path, list[Inspection]], tmp_path: Path) -> None:
    folder, made = kept
    assert [row["part_id"] for row in _json(folder, "query", "--verdict", "NG", "--order", "oldest")] == [
        f"=P{number}" for number in (0, 7, 14, 21)
    ]
    (counts,) = _json(folder, "query", "--counts", "verdict", "--counts", "lot")
    assert counts == {"inspections": COUNT, "counts": {"verdict": {"OK": 17, "NG": 4, "REVIEW": 2}, "lot": {"L1": COUNT}}}
    assert not _json(folder, "query", "--until", "2020-01-01")
    nearest = _json(folder, "query", "--order", "margin", "--limit", "3")
    values = sorted(abs(0.6 - one.judgements[0].value) / max(0.6, one.judgements[0].value) for one in made)
    assert [row["margin"] for row in nearest] == pytest.approx(values[:3])
    (shown,) = _json(folder, "show", "=P7")
    assert shown["record"]["judgements"][0]["value"] == made[7].judgements[0].value
    assert shown["record"]["result_evaluation"] == 2
    assert _json(folder, "show", shown["record"]["part_id"]) == [shown]
    table = _run(folder, "export", "--lot", "L1", "--verdict", "NG")
    head, *rows = list(csv.reader(io.StringIO(table)))
    assert [row[head.index("part_id")] for row in rows] == [f"'=P{number}" for number in (0, 7, 14, 21)]
    out = tmp_path / "report.html"
    (report,) = _json(folder, "report", "--out", out)
    assert report["parts"] == COUNT
    assert report["yield_"][0] == pytest.approx(17 / COUNT)
    assert report["yield_"][1] < 17 / COUNT < report["yield_"][2]
    assert report["reasons"] == {"score bad": 6}
    assert "=P7" in out.read_text("utf-8")


def test_a_report_says_the_same_on_a_page_in_a_table_and_on_paper(archive: Path, tmp_path: Path) -> None:
    record_run(archive, "=ロット<b>", "部品{}", count=9)
    _run(archive, "correct", "=P7", "--who", "Ann", "--verdict", "OK")
    files = {kind: tmp_path / f"report.{kind}" for kind in ("html", "csv", "pdf")}
    for out in files.values():
        (report,) = _json(archive, "report", "--out", out, "--day", f"{datetime.now():%Y-%m-%d}")
    assert (report["parts"], report["reasons"], len(report["stops"])) == (COUNT + 9, {"score bad": 8}, 2)
    assert report["stops"][1]["went_on"] is not None
    assert report["stops"][0]["cause"] == "stopped"
    page = files["html"].read_text("utf-8")
    assert "=ロット&lt;b&gt;" in page
    assert "<b>" not in page
    assert "data:image/jpeg;base64," in page
    rows = list(csv.reader(io.StringIO(files["csv"].read_text("utf-8-sig"))))
    assert ["score bad", "8", "100.0%", "100.0%"] in rows
    assert ["OK", "1"] in rows
    assert any("'=ロット<b>" in row for row in rows)
    pdf = files["pdf"].read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert b"/MediaBox [0 0 595.28 841.89]" in pdf
    assert b"+NotoSansCJKJP" in pdf
    assert b"/FontFile3" in pdf
    if (qpdf := shutil.which("qpdf")) is not None:
        subprocess.run([qpdf, "--check", files["pdf"]], check=True, capture_output=True)
    with pytest.raises(click.BadParameter, match=r"ends with \.html, \.pdf, \.csv"):
        _run(archive, "report", "--out", tmp_path / "report.doc")
    assert _json(archive, "report", "--day", "2020-01-01")[0]["parts"] == 0


def test_the_proof_is_the_same_with_and_without_this_program(archive: Path) -> None:
    (proof,) = _json(archive, "verify", "--images")
    assert proof["problems"] == []
    assert proof["unsealed"] == 0
    alone = _verifier(archive / "archive.sqlite")
    assert (alone.returncode, alone.stdout.splitlines()[-1]) == (0, "sound"), alone.stdout + alone.stderr
    other = _verifier(archive / "archive.sqlite", "00" * 32)
    assert other.returncode == 1
    assert "is not the station's" in other.stdout
    with opened_archive(archive) as opened, opened.database.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE record SET payload = payload || ' ' WHERE kind = 'result' AND id % 7 = 0")
    (proof,) = _json(archive, "verify", code=1)
    alone = _verifier(archive / "archive.sqlite")
    changed = [problem for problem in proof["problems"] if "changed or inserted" in problem]
    assert len(changed) == alone.stdout.count("does not follow") > 0
    assert alone.returncode == 1


def test_an_evidence_pack_is_read_and_checked_without_this_program(archive: Path, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    _run(archive, "evidence", "=P7", "=P1", "--out", bag, "--who", "Ann")
    assert (bag / "bagit.txt").read_text() == "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    names = [path.relative_to(bag).as_posix() for path in bag.rglob("*") if path.is_file()]
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") for name in names)
    listed = [line.split("  ")[1] for line in (bag / "manifest-sha256.txt").read_text().splitlines()]
    assert sorted(listed) == sorted(name for name in names if name.startswith("data/"))
    size = sum((bag / name).stat().st_size for name in listed)
    assert f"Payload-Oxum: {size}.{len(listed)}\n" in (bag / "bag-info.txt").read_text()
    (image,) = bag.glob("data/*/top.png")
    picture = cv2.imread(str(image), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert np.array_equal(picture[..., ::-1], made_inspection(7, part="").frames["top"].pixels)
    assert (image.parent / "top-overlay.png").is_file()
    record = json.loads((image.parent / "record.json").read_text("utf-8"))
    assert (record["part_id"], record["verdict"]) == ("=P7", "NG")
    assert _verifier(bag).stdout.splitlines()[-1] == "sound"
    forged = (image.parent / "record.json").read_text("utf-8").replace('"NG"', '"OK"')
    (image.parent / "record.json").write_text(forged, "utf-8")
    found = _verifier(bag)
    assert found.returncode == 1
    assert "record.json is missing or was changed" in found.stdout
    assert "is not the record that is proved" in found.stdout


def test_an_evidence_pack_without_an_image_says_so(archive: Path, tmp_path: Path) -> None:
    (shown,) = _json(archive, "show", "=P0")
    image = archive / shown["image_files"][0]["path"]
    image.write_bytes(image.read_bytes() + b"x")
    _run(archive, "evidence", "=P0", "--out", tmp_path / "bag", code=1)
    (said,) = (tmp_path / "bag").rglob("*-missing.txt")
    assert f"The image {image} is not the one that was recorded." in said.read_text("utf-8")


def test_cameras_whose_names_look_alike_as_file_names_keep_an_image_each(tmp_path: Path) -> None:
    """Where names are cut to what every disk takes, no camera's image may replace another's."""
    cameras = ("上", "下", "a b", "a_b", "left-top", "right-top", "x" * 50, "x" * 51)
    folder, bag, out = tmp_path / "archive", tmp_path / "bag", tmp_path / "data"
    record_run(folder, "L1", "P{}", count=1, cameras=cameras)
    (proof,) = _json(folder, "verify", "--images")
    assert (proof["images"], proof["problems"]) == (len(cameras), [])
    assert len(list((folder / "images").rglob("*.jxl"))) == len(cameras)
    _run(folder, "evidence", "P0", "--out", bag)
    assert len(list(bag.glob("data/*/*-overlay.png"))) == len(cameras)
    assert len(list(bag.glob("data/*/*.png"))) == 2 * len(cameras)
    _run(folder, "correct", "P0", "--who", "Ann", "--verdict", "NG")
    assert _run(folder, "dataset", "--out", out).split() == [str(len(cameras)), "bad"]
    assert len(list((out / "bad").iterdir())) == len(cameras)


def test_corrections_stay_beside_the_verdict_and_what_if_says_what_they_teach(archive: Path) -> None:
    _run(archive, "correct", "=P0", "=P7", "=P1", "--who", "Ann", "--verdict", "OK", "--reason", "dust")
    _run(archive, "correct", "=P2", "--who", "Ann", "--verdict", "NG", "--class", "scratch", "--note", "at the edge")
    _run(archive, "correct", "=P1", "--who", "Bob", "--verdict", "NG")
    (shown,) = _json(archive, "show", "=P1")
    assert (shown["verdict"], shown["human_verdict"]) == ("OK", "NG")
    assert [(said["who"], said["verdict"]) for said in shown["corrections"]] == [("Ann", "OK"), ("Bob", "NG")]
    _run(archive, "correct", "=P1", "--who", "Bob", "--undo")
    (shown,) = _json(archive, "show", "=P1")
    assert shown["human_verdict"] == "OK"
    assert [row["part_id"] for row in _json(archive, "query", "--corrected", "--order", "oldest")] == [
        "=P0",
        "=P1",
        "=P2",
        "=P7",
    ]
    (found,) = _json(archive, "what-if", "--rule-limit", "0=0.99")
    values = {number: made_inspection(number, part="").judgements[0] for number in range(COUNT)}
    flips = [number for number, judged in values.items() if ("NG" if judged.value > 0.99 else "OK") != judged.verdict]
    assert found["inspections"] == COUNT
    assert len(found["flips"]) == len(flips)
    assert found["false_rejects"][0]["count"] == 2
    assert found["false_rejects"][1]["count"] == sum(values[number].value > 0.99 for number in (0, 7))
    assert found["misses"][0] == {**found["misses"][0], "count": 1, "of": 1}
    assert _json(archive, "verify")[0]["problems"] == []
    with pytest.raises(Exception, match="There is no inspection nobody"):
        _run(archive, "correct", "nobody", "--who", "Ann", "--verdict", "OK")
    with pytest.raises(Exception, match="Rule 7 means 0 different quantities"):
        _run(archive, "what-if", "--rule-limit", "7=1")


def test_corrected_parts_become_class_folders_at_native_depth(archive: Path, tmp_path: Path) -> None:
    _run(archive, "correct", "=P7", "=P14", "--who", "Ann", "--verdict", "OK")
    _run(archive, "correct", "=P21", "--who", "Ann", "--verdict", "NG", "--class", "../dent")
    _run(archive, "correct", "=P1", "--who", "Ann", "--verdict", "NG")  # its image was not kept
    out = tmp_path / "data"
    assert _run(archive, "dataset", "--out", out).split() == ["1", "../dent", "2", "good"]
    assert sorted(path.name for path in out.iterdir()) == ["dent", "good"]
    (image,) = (out / "dent").iterdir()
    picture = cv2.imread(str(image), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert np.array_equal(picture[..., ::-1], made_inspection(21, part="").frames["top"].pixels)
    with pytest.raises(Exception, match="is not empty"):
        _run(archive, "dataset", "--out", out)


def test_of_several_corrections_the_newest_holds_whatever_journal_it_is_in(archive: Path, tmp_path: Path) -> None:
    key = StationKey(archive)
    (first,) = journal_folders(archive)
    with contextlib.closing(Journal(first, key)):  # as while a line runs: the correction goes to a second journal
        _run(archive, "correct", "=P7", "--who", "Ann", "--verdict", "NG", "--class", "dent")
    (second,) = (folder for folder in journal_folders(archive) if folder != first)
    with contextlib.closing(Journal(second, key)):
        _run(archive, "correct", "=P7", "--who", "Bob", "--verdict", "NG", "--class", "scratch")
    assert _run(archive, "dataset", "--out", tmp_path / "before").split() == ["1", "scratch"]
    _run(archive, "correct", "=P7", "--who", "Bob", "--undo")
    assert _run(archive, "dataset", "--out", tmp_path / "after").split() == ["1", "dent"]


def test_retention_spares_lots_on_hold_says_what_it_deleted_and_keeps_the_proof(archive: Path) -> None:
    record_run(archive, "L2", "Q{}", count=9)
    images = sorted((archive / "images").rglob("*.jxl"))
    _run(archive, "hold", "L2", "--who", "Ann", "--reason", "complaint 12")
    _run(archive, "retention", "--image-bytes", "1", "--who", "Ann", "--run")
    (state,) = _json(archive, "retention")
    assert state["holds"][0]["lot"] == "L2"
    assert state["last_success"]
    assert state["policy"]["image_bytes"] == 1
    left = sorted((archive / "images").rglob("*.jxl"))
    assert 0 < len(left) < len(images)
    assert {row["part_id"][0] for row in _json(archive, "query") if row["images"]} == {"Q"}
    _run(archive, "release", "L2", "--who", "Bob")
    (after,) = _json(archive, "retention", "--run")
    assert after["deleted"]["images"] == len(left)
    assert not list((archive / "images").rglob("*.jxl"))
    trail = _json(archive, "events")
    assert [event["what"] for event in trail].count("images_deleted") == 4, "good ones first, then bad ones, and again"
    assert {"hold", "hold_released", "policy", "retention"} <= {event["what"] for event in trail}
    (change,) = (event for event in trail if event["what"] == "policy")
    assert (change["who"], change["before"]["image_bytes"], change["after"]["image_bytes"]) == ("Ann", 0, 1)
    assert _json(archive, "verify", "--images")[0]["problems"] == []


def test_old_records_go_from_the_beginning_and_the_chain_goes_on(tmp_path: Path) -> None:
    from inspector.archive.store import retention

    archive = tmp_path / "archive"  # no copy, in which a station begins a new chain
    record_run(archive, "L1", "P{}")
    record_run(archive, "L2", "Q{}", count=9)
    _run(archive, "correct", "Q3", "--who", "Ann", "--verdict", "NG")
    with opened_archive(archive) as opened:
        (moment,) = (row["creation_time"] for row in _rows(opened, "Q4"))
        policy = retention.RetentionPolicy(record_days=1, journal_days=1)
        deleted = retention.run_retention(opened, policy, now=moment / 1e6 + 86_400)
        assert deleted.records > COUNT
    assert [row["part_id"] for row in _json(archive, "query", "--order", "oldest")] == [f"Q{number}" for number in range(4, 9)]
    assert _json(archive, "verify")[0]["problems"] == []
    assert _verifier(archive / "archive.sqlite").stdout.splitlines()[-1] == "sound"


def test_of_a_journal_that_nobody_writes_to_any_more_every_old_inspection_goes(tmp_path: Path) -> None:
    from inspector.archive.store import retention

    archive = tmp_path / "archive"
    record_run(archive, "L1", "P{}")
    policy = retention.RetentionPolicy(record_days=1)
    with opened_archive(archive) as opened:
        assert retention.run_retention(opened, policy, now=time.time() + 2 * 86_400).records > COUNT
    assert _json(archive, "query") == []
    assert {event["what"] for event in _json(archive, "events")} >= {"images_deleted", "retention"}
    assert _json(archive, "verify", "--images")[0]["problems"] == []
    record_run(archive, "L2", "Q{}", count=3)
    assert [row["part_id"] for row in _json(archive, "query", "--order", "oldest")] == ["Q0", "Q1", "Q2"]
    assert _json(archive, "verify", "--images")[0]["problems"] == []
    assert _verifier(archive / "archive.sqlite").stdout.splitlines()[-1] == "sound"


def test_with_a_record_its_images_go_and_an_inspections_images_go_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inspector.archive.store import retention

    folder = tmp_path / "archive"
    monkeypatch.setattr(retention, "_AT_ONCE", 3)  # a batch ends between the two images of an inspection
    record_run(folder, "L1", "P{}", count=15, cameras=("left", "right"))
    with opened_archive(folder) as opened:
        (moment,) = (row["creation_time"] for row in _rows(opened, "P9"))
        policy = retention.RetentionPolicy(record_days=1, ng_image_days=0, ok_image_days=0, free_bytes=0)
        retention.run_retention(opened, policy, now=moment / 1e6 + 86_400)
        kept = {path for row in _every(opened) for path in _kept(opened, row["id"])}
    assert [row["part_id"] for row in _json(folder, "query", "--order", "oldest")] == [f"P{number}" for number in range(9, 15)]
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.jxl")} == kept
    assert kept
    assert _json(folder, "verify", "--images")[0]["problems"] == []


def test_images_that_went_before_one_that_cannot_are_said_to_be_deleted(archive: Path) -> None:
    first, *_, last = sorted((archive / "images").rglob("*.jxl"))
    last.unlink()
    last.mkdir()  # which no unlink takes
    with pytest.raises(StorageError, match="cannot be deleted"):
        _run(archive, "retention", "--image-bytes", "1", "--run")
    assert not first.exists()
    last.rmdir()
    assert [
        problem for problem in _json(archive, "verify", "--images", code=1)[0]["problems"] if last.name not in problem
    ] == []


def test_a_station_deletes_only_its_own_images_of_a_database_that_others_feed_too(tmp_path: Path) -> None:
    from inspector.archive.store import retention

    url, one, two = f"sqlite:///{tmp_path / 'shared.sqlite'}", tmp_path / "one", tmp_path / "two"
    record_run(one, "L1", "P{}", url=url)
    record_run(two, "L2", "Q{}", url=url)
    files = len(list(two.rglob("*.jxl")))
    with opened_archive(one, url=url) as opened:
        policy = retention.RetentionPolicy(record_days=1, image_bytes=1)
        deleted = retention.run_retention(opened, policy, now=2e9, clock_is_right=True)
        assert (deleted.images, deleted.records > COUNT) == (files, True)
        assert not list(one.rglob("*.jxl"))
        assert {row["part_id"][0] for row in _every(opened) if row["images"]} == {"Q"}
    with opened_archive(two, url=url) as opened:
        policy = retention.RetentionPolicy(image_bytes=1)
        assert retention.run_retention(opened, policy, now=2e9, clock_is_right=True).images == files
    assert not list(two.rglob("*.jxl"))


def _every(opened: Any) -> list[dict[str, Any]]:

    return [dict(row) for row in every(opened.database, Filters())]


def _kept(opened: Any, key: int) -> list[str]:
    from inspector.archive.store.query import result_of

    return [file["path"] for file in result_of(opened.database, key)["image_files"] if file["deleted"] is None]


def _rows(opened: Any, part: str) -> list[dict[str, Any]]:
    from inspector.archive.store.query import page

    return [dict(row) for row in page(opened.database, Filters(part=part)).rows]


def test_backup_restore_and_another_stations_archive(archive: Path, tmp_path: Path) -> None:
    copy, again = tmp_path / "copy", tmp_path / "again"
    _run(archive, "retention", "--ng-image-days", "0")
    (first,) = _json(archive, "backup", copy, "--who", "Ann")
    assert first["images"] > 0
    assert not (copy / "station.key").exists()
    record_run(archive, "L2", "Q{}", count=9)
    (second,) = _json(archive, "backup", copy)
    assert 0 < second["images"] < first["images"] + second["images"]
    _run(again, "restore", copy)
    assert _json(again, "query", "--limit", "99") == _json(archive, "query", "--limit", "99")
    assert _json(again, "retention")[0]["policy"]["ng_image_days"] == 0, "what is to stay for ever stays there too"
    assert _json(again, "verify", "--images")[0]["problems"] == []
    record_run(again, "L3", "R{}", count=2)  # with a key of its own, in a journal of its own
    assert _json(again, "verify", "--images")[0]["problems"] == []
    other = tmp_path / "other"
    record_run(other, "M1", "S{}", count=5)
    _run(other, "correct", "S1", "--who", "Eve", "--verdict", "NG")
    assert int(_run(archive, "import", other).split()[0]) > 5
    assert int(_run(archive, "import", other).split()[0]) == 0
    (shown,) = _json(archive, "show", "S1")
    assert shown["human_verdict"] == "NG"
    (counts,) = _json(archive, "query", "--counts", "lot")
    assert counts["counts"]["lot"] == {"L1": COUNT, "L2": 9, "M1": 5}
    assert _json(archive, "verify", "--images")[0]["problems"] == []


def test_a_backup_that_a_full_disk_does_not_take_leaves_only_whole_files(archive: Path, tmp_path: Path) -> None:
    images = sorted((archive / "images").rglob("*.jxl"))
    room = (archive / "archive.sqlite").stat().st_size + sum(image.stat().st_size for image in images) // 2
    with disk_of(tmp_path / "disk", f"{room // 1024}k") as disk:
        with pytest.raises(StorageError, match=r"No space left on device|disk is full"):
            _run(archive, "backup", disk / "copy")
        copied = [path for path in (disk / "copy").rglob("*") if path.is_file()]
        for path in copied:
            assert path.suffix != ".partial"
        kept = [path for path in copied if path.suffix == ".jxl"]
        assert all(path.read_bytes() == (archive / path.relative_to(disk / "copy")).read_bytes() for path in kept)


@pytest.mark.parametrize("name", ["images", "journals"])
def test_what_comes_from_elsewhere_leads_to_no_other_folder_of_this_computer(archive: Path, tmp_path: Path, name: str) -> None:
    other, private = tmp_path / "other", tmp_path / "private"
    record_run(other, "M1", "S{}", count=5)
    (other / name).rename(private)
    try:
        (other / name).symlink_to(private, target_is_directory=True)
    except OSError:
        pytest.skip("links may not be made here")
    for command in ([archive, "import", other], [tmp_path / "again", "restore", other]):
        with pytest.raises(ConfigError, match="is a link that leads out of the archive"):
            _run(*command)
    assert not (tmp_path / "again").exists()
    (first,) = _json(other, "backup", tmp_path / "copy")  # the station's own may lie on another disk
    assert (first["images"] > 0) == any((tmp_path / "copy" / "images").rglob("*.jxl"))


@pytest.mark.parametrize("path", ["../../victim.jxl", "/etc/victim.jxl", "images/../../victim.jxl", "C:\\victim.jxl", "", 7])
def test_a_record_from_elsewhere_names_no_file_outside_the_archive(path: object) -> None:
    batch = RowBatch(1, None, lambda name: 1)
    file = {"camera": "top", "path": path, "sha256": "00", "bytes": 1, "keeps": "ng", "codec": "jpegxl"}
    batch.add(JournalRecord(5, json_line(files_content(4, [file])), bytes(32)))
    assert not batch.inserts["image"]
    assert [row["kind"] for row in batch.inserts["record"]] == ["unreadable"]


def test_a_record_that_is_half_readable_makes_no_half_of_its_rows() -> None:
    good = result_content(made_inspection(7, part="P7"), keeps="ng")
    bad = {**good, "judgements": [*good["judgements"], {"rule": 1}]}
    batch = RowBatch(1, None, lambda name: 1)
    for sequence, content in enumerate((bad, {"kind": "key", "result_id": "x-1"}, good), 1):
        batch.add(JournalRecord(sequence, json_line(content), bytes(32)))
    assert [row["kind"] for row in batch.inserts["record"]] == ["unreadable", "key", "result"]
    assert (len(batch.inserts["result"]), len(batch.inserts["judgement"])) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--folder", "/nowhere/archive", "query"], 2, "There is no archive in"),
        (["query", "--since", "yesterday"], 2, "give a time like"),
        (["evidence", "--out", "x"], 2, "either inspections or --lot"),
        (["correct", "x", "--who", "Ann"], 2, "either --verdict or --undo"),
        (["what-if", "--rule-limit", "high"], 2, "is not RULE=LIMIT"),
    ],
)
def test_wrong_usage_is_one_sentence(arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["archive", *arguments]) == code
    printed = capsys.readouterr()
    assert said in printed.err
    assert "Traceback" not in printed.err


def test_a_report_lists_the_stops_of_its_own_runs_only(archive: Path) -> None:
    journal = open_journal(archive, StationKey(archive))
    journal.submit(run_content(StationStatus(), RunContext(lot="L9")))
    journal.opened(0, opened_content("Q0"))
    journal.submit(interrupted_content({}, {"opened": 0, **opened_content("Q0")}), settles=0)
    journal.submit(interrupted_run_content(1))
    journal.close()
    stops = [(stop["lot"], stop["cause"]) for stop in _json(archive, "report")[0]["stops"]]
    assert stops == [("L9", "The station ended without a word."), ("L1", "stopped")]
    assert [stop["lot"] for stop in _json(archive, "report", "--lot", "L1")[0]["stops"]] == ["L1"]


def test_days_that_no_policy_takes_are_one_sentence(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["archive", "--folder", str(archive), "retention", "--record-days", "99999"]) == 2
    assert "record_days: Input should be less than or equal to 36500" in capsys.readouterr().err


def test_a_newer_schema_and_a_damaged_database_are_said(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened_archive(archive) as opened, opened.database.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert run(["archive", "--folder", str(archive), "query"]) == 1
    assert "has the schema 9999" in capsys.readouterr().err
    (archive / "archive.sqlite").write_bytes(b"no database" * 1000)
    for left in archive.glob("archive.sqlite-*"):
        left.unlink()
    assert run(["archive", "--folder", str(archive), "query"]) == 1
    assert "is damaged: file is not a database" in capsys.readouterr().err
