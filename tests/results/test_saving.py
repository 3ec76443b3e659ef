"""What a run leaves in a folder, also where its disk is full: records before pictures, whole lines, and every loss is said."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inspector.core.errors import StorageError
from inspector.core.text import json_line
from inspector.core.types import Frame, Inspection, Region, Verdict
from inspector.engines.explainer import HeatMap
from inspector.inspection.status import Stats
from inspector.results import record_file
from inspector.results.heat import PartHeat
from inspector.results.record_file import RecordFile
from inspector.results.saving import REPORT, RESULTS, RunFolder
from tests.disks import disk_of
from tests.station.fakes import frame


def _inspection(number: int) -> Inspection:
    noise = np.random.default_rng(number).integers(0, 256, (200, 500, 3)).astype(np.uint8)
    seen = frame()
    taken = Frame(noise, "top", number, seen.monotonic, seen.utc)
    return Inspection(str(number), number, Verdict.OK, (), {"top": taken}, (), "test", 1, 5.0)


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_on_a_full_disk_pictures_stop_and_every_record_is_there(tmp_path: Path) -> None:
    """8 MB, and pictures of 300 kB each: they are full after some twenty parts, and records go on."""
    with disk_of(tmp_path / "disk", "8m") as disk:
        folder = RunFolder(disk / "out")
        problems: list[str] = []
        for number in range(200):
            inspection = _inspection(number)
            folder.record(inspection)  # never refused
            try:
                folder.picture(inspection)
            except StorageError as error:
                problems.append(error.problem.text)
        stats = Stats(parts=200, ok=200)
        folder.finish_records(stats)
        assert folder.finish(stats, "test") == folder.folder / REPORT
        *records, last = _lines(folder.folder / RESULTS)
        assert [record["sequence"] for record in records] == list(range(200))
        assert "summary" in last
        pictures = sorted(path.name for path in (folder.folder / "overlays").iterdir())
        assert 10 < len(pictures) < 100
        named = [name for record in records for name in record["overlays"]]  # type: ignore[attr-defined]
        assert len(named) <= len(pictures) + 1  # at most the one that found the disk full
        assert problems[0].endswith("cannot be written (No space left on device).")
        assert "Pictures are left out" in problems[1]
        assert folder.records_lost == 0
        assert folder.pictures_lost == 200 - len(pictures) == len(problems)
        assert folder.losses is not None
        assert folder.losses.text.startswith(f"0 records and {len(problems)} pictures could not be saved")


def test_pictures_of_parts_that_there_was_no_time_for_are_lost_too(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for number in range(3):
        folder.record(_inspection(number))
    folder.picture(_inspection(0))
    folder.finish_records(Stats(parts=3, ok=3))
    assert folder.losses is not None
    assert folder.losses.text.startswith("0 records and 2 pictures could not be saved")


def test_pictures_come_back_when_there_is_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.results.saving._AGAIN_S", 0.0)
    with disk_of(tmp_path / "disk", "8m") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(6_500_000))
        folder = RunFolder(disk / "out")
        refused = 0
        for number in range(20):
            folder.record(_inspection(number))
            with contextlib.suppress(StorageError):
                folder.picture(_inspection(number))
                refused = number + 1
        assert refused < 20  # the disk was full
        ballast.unlink()
        folder.record(_inspection(100))
        folder.picture(_inspection(100))
        assert (folder.folder / "overlays" / "000100-top.png").exists()
        folder.finish_records(Stats())


def test_a_record_that_finds_no_room_waits_and_is_never_torn(tmp_path: Path) -> None:
    with disk_of(tmp_path / "disk", "1m") as disk:
        file = RecordFile(disk / "records.jsonl")
        ballast = disk / "ballast"
        _fill(ballast)
        line = json_line({"text": "x" * 3000})
        refused = 0
        for _ in range(400):  # more than the space that was kept back
            try:
                file.append(line)
            except StorageError:
                refused += 1
        assert 0 < refused < 400
        assert file.waiting == refused
        written = _lines(disk / "records.jsonl")  # whole lines, every one
        assert len(written) == 400 - refused
        ballast.unlink()
        with pytest.raises(StorageError) if 400 * len(line) > 900_000 else pytest.MonkeyPatch.context():
            file.close()
        whole = _lines(disk / "records.jsonl")
        assert len(whole) + file.lost == 400
        assert len(whole) > len(written)


def test_a_record_that_waited_comes_before_later_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_file, "RESERVE", 0)
    with disk_of(tmp_path / "disk", "200k") as disk:
        file = RecordFile(disk / "records.jsonl")
        ballast = disk / "ballast"
        _fill(ballast)
        for number in range(3):
            with pytest.raises(StorageError):
                file.append(json_line(number))
        ballast.unlink()
        file.append(json_line(3))
        file.close()
        assert _lines(disk / "records.jsonl") == [0, 1, 2, 3]
        assert file.lost == 0


def test_a_heat_map_that_finds_no_room_leaves_no_half_of_it(tmp_path: Path) -> None:
    region = Region(0, 0, 64, 48)
    values = np.random.default_rng(1).random((48, 64)).astype(np.float32)
    maps = [PartHeat("top", "states", HeatMap(values, region, "block3", "x" * 1500, 1.0))]
    with disk_of(tmp_path / "disk", "200k") as disk:
        folder = RunFolder(disk / "out")
        kept = 0
        for number in range(100):
            part = _inspection(number)
            seen = part.frames["top"]
            with contextlib.suppress(StorageError):
                folder.heat(replace(part, frames={"top": replace(seen, pixels=seen.pixels[:48, :64])}), maps)
                kept += 1
        assert 0 < kept < 100
        told = _lines(folder.folder / "heat.jsonl")
        assert len(told) == kept
        assert len(list((folder.folder / "heat").iterdir())) == kept
        folder.close()
