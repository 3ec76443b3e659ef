"""What a station counts: ids that never repeat, and the counts of a shift, over stop, crash and restart."""

import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from inspector.core.types import Verdict
from inspector.station.part_ids import BLOCK, FILE, PartIds
from inspector.station.station import Station
from inspector.station.tally import SLOT, TallyFile
from tests.station.fakes import Behaviour, FakeCamera, Recorder, opener, recipe_of, steady

CRASHING = """
import os, sys
from pathlib import Path
from inspector.core.types import Verdict
from inspector.station.part_ids import PartIds
from inspector.station.tally import TallyFile
folder = Path(sys.argv[1])
ids, tally = PartIds(folder), TallyFile(folder / "shift")
for number in range(7):
    print(ids.issue())
    tally.add(Verdict.NG if number % 3 == 0 else Verdict.OK)
sys.stdout.flush()
os.kill(os.getpid(), 9)
"""


def test_ids_and_counts_go_on_after_a_process_was_killed(tmp_path: Path) -> None:
    seen: list[str] = []
    for run in (1, 2):
        done = subprocess.run(
            [sys.executable, "-c", CRASHING, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode != 0
        seen += done.stdout.split()
        tally = TallyFile(tmp_path / "shift").tally
        assert (tally.parts, tally.ng, tally.ok) == (7 * run, 3 * run, 4 * run)
    assert len(set(seen)) == len(seen) == 14
    assert seen[0] == "P000000"


def test_two_stations_on_one_computer_never_issue_the_same_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.station.part_ids._WAIT_S", 30.0)  # the disk may be slow: no part waits for it here
    first, second = PartIds(tmp_path), PartIds(tmp_path)
    issued = [ids.issue() for _ in range(BLOCK + 5) for ids in (first, second)]
    assert len(set(issued)) == len(issued)


@pytest.mark.allow_logs("part ids go on from the clock")
@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"nonsense", b"-5\n", b"5\n", b"7", b"9" * 40 + b"\n"])
def test_a_damaged_or_edited_counter_goes_on_beyond_every_id(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_bytes(content)
    before = PartIds(tmp_path).issue()
    assert int(before[1:]) > 10**12
    assert f"{tmp_path / FILE} is damaged or was edited, so part ids go on from the clock" in caplog.text
    assert PartIds(tmp_path).issue() != before


def _issued(folder: Path, count: int, *, recorded: bool = False) -> list[str]:
    """Return the ids that a station issues from one start to the next."""
    ids = PartIds(folder, recorded=lambda: recorded)
    return [ids.issue() for _ in range(count)]


def _tree(folder: Path, copy: Path) -> None:
    shutil.copytree(folder, copy)


def _with_times(folder: Path, copy: Path) -> None:
    """As `cp -a`, `tar` and `rsync -a` copy: with the times."""
    shutil.copytree(folder, copy, copy_function=shutil.copy2)


def _put_back(copy: Path, folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(copy, folder, copy_function=shutil.copy2)


def _written_over(copy: Path, folder: Path) -> None:
    """As `cp -p` does: the same file, with its old content and its old time."""
    for path in copy.iterdir():
        shutil.copy2(path, folder / path.name)


@pytest.mark.allow_logs("part ids go on from the clock")
@pytest.mark.parametrize("keep", [_tree, _with_times])
@pytest.mark.parametrize("restore", [_put_back, _written_over])
def test_a_counter_restored_from_a_backup_repeats_no_id(
    tmp_path: Path, keep: Callable[[Path, Path], None], restore: Callable[[Path, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.station.part_ids._TOUCHED_NS", 0)  # nobody waits here for the backup to grow old
    monkeypatch.setattr("inspector.station.part_ids._COARSE_NS", 1)
    folder, copy = tmp_path / "station", tmp_path / "copy"
    seen = _issued(folder, 3)
    keep(folder, copy)
    seen += _issued(folder, 3)
    restore(copy, folder)
    seen += _issued(folder, 3)
    seen += _issued(folder, 3)
    assert len(set(seen)) == len(seen)
    assert int(seen[6][1:]) > 10**12


@pytest.mark.allow_logs("part ids go on from the clock")
def test_stations_that_began_as_copies_of_one_another_share_no_id(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    seen = _issued(first, 3)
    _with_times(first, second)
    seen += [one for _ in range(3) for folder in (first, second) for one in _issued(folder, 2)]
    assert len(set(seen)) == len(seen)


@pytest.mark.allow_logs("part ids go on from the clock")
def test_a_counter_that_is_gone_begins_anew_only_where_nothing_was_judged(tmp_path: Path) -> None:
    seen = _issued(tmp_path, 3, recorded=False)
    (tmp_path / FILE).unlink()
    seen += _issued(tmp_path, 3, recorded=True)
    assert seen[0] == "P000000"
    assert len(set(seen)) == len(seen) == 6


@pytest.mark.allow_logs("part ids go on from the clock")
def test_a_clock_that_is_set_back_repeats_no_id_of_a_damaged_counter(tmp_path: Path) -> None:
    """As with an empty battery, after which every start begins with the same time."""
    code = CRASHING.replace("range(7)", "range(3)")
    seen: list[str] = []
    for _ in range(3):
        (tmp_path / FILE).write_bytes(b"")
        faked = f"import time\ntime.time_ns = lambda: {10**18}\n"
        done = subprocess.run(
            [sys.executable, "-c", faked + code, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
        )
        seen += done.stdout.split()
    assert len(set(seen)) == len(seen) == 9


@pytest.mark.allow_logs("part ids go on from the clock", "is changed without a lock")
def test_a_folder_that_cannot_be_written_to_stops_no_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    ids = PartIds(tmp_path / "file" / "deep")
    assert int(ids.issue()[1:]) > 10**12
    assert len({ids.issue() for _ in range(2 * BLOCK)}) == 2 * BLOCK


@pytest.mark.parametrize("cut", ["newest torn", "newest gone"])
def test_a_torn_count_leaves_the_one_before(tmp_path: Path, cut: str) -> None:
    path = tmp_path / "shift"
    file = TallyFile(path)
    for _ in range(4):
        file.add(Verdict.OK)
    data = bytearray(path.read_bytes())
    newest = 0  # the fourth entry is in the first place
    data[newest + 20 : newest + SLOT] = b"x" * (SLOT - 20) if cut == "newest torn" else b"\0" * (SLOT - 20)
    path.write_bytes(data)
    again = TallyFile(path)
    assert again.tally.ok == 3
    assert again.tally.since == file.tally.since
    again.add(Verdict.NG)
    assert TallyFile(path).tally.parts == 4


@pytest.mark.allow_logs("is damaged, so counting begins anew")
def test_a_damaged_count_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "shift").write_bytes(os.urandom(2 * SLOT))
    assert TallyFile(tmp_path / "shift").tally.parts == 0


def test_a_reset_is_kept(tmp_path: Path) -> None:
    file = TallyFile(tmp_path / "shift")
    file.add(Verdict.REVIEW)
    began = file.tally.since
    file.reset()
    assert TallyFile(tmp_path / "shift").tally.parts == 0
    assert TallyFile(tmp_path / "shift").tally.since > began
    assert file.tally.yield_share is None


def test_what_could_not_be_written_is_written_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "shift"
    file = TallyFile(path)
    path.mkdir()  # in the place of the file
    with pytest.raises(OSError, match="shift"):
        file.add(Verdict.NG)
    path.rmdir()
    file.close()
    assert TallyFile(path).tally.ng == 1
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="shift"):
        file.reset("B")
    path.rmdir()
    file.close()
    assert TallyFile(path).tally == file.tally
    assert (file.tally.parts, file.tally.lot) == (0, "B")


def test_two_stations_that_count_in_one_file_lose_no_part(tmp_path: Path) -> None:
    first, second = TallyFile(tmp_path / "deep" / "shift"), TallyFile(tmp_path / "deep" / "shift")
    for _ in range(5):
        first.add(Verdict.OK)
        second.add(Verdict.NG)
    assert (second.tally.ok, second.tally.ng) == (5, 5)
    first.reset()
    second.add(Verdict.REVIEW)
    assert (second.tally.parts, second.tally.review) == (1, 1)
    assert second.tally.since == first.tally.since
    (tmp_path / "deep" / "shift").unlink()  # by a person
    second.add(Verdict.OK)
    for file in (first, second):
        file.close()
    assert TallyFile(tmp_path / "deep" / "shift").tally == second.tally
    assert second.tally.parts == 2


def test_a_part_counts_for_its_own_lot(tmp_path: Path) -> None:
    first, second = TallyFile(tmp_path / "shift"), TallyFile(tmp_path / "shift")
    first.reset("A")
    second.add(Verdict.OK, lot="")  # judged before the lot began
    second.add(Verdict.OK, lot="A")
    assert (second.tally.parts, second.tally.lot) == (1, "A")
    assert TallyFile(tmp_path / "shift").tally == second.tally


def test_a_lot_keeps_its_name_and_a_long_one_is_cut(tmp_path: Path) -> None:
    file = TallyFile(tmp_path / "shift")
    for said, kept in (("  L 1\n2 ", "L 1 2"), ("ロット" * 20, ("ロット" * 20)[:32]), ('"\\' * 60, ('"\\' * 60)[:48])):
        file.reset(said)
        for _ in range(3):
            file.add(Verdict.OK, lot=file.tally.lot)
        again = TallyFile(tmp_path / "shift").tally
        assert (again.lot, again.ok) == (kept, 3)


def test_counts_from_before_lots_had_names_are_kept(tmp_path: Path) -> None:
    text = json.dumps({"number": 7, "counts": [4, 2, 1, 0], "since": "2026-11-01T06:00:00+00:00"}).encode()
    entry = b"%08x " % zlib.crc32(text) + text.ljust(SLOT - 10) + b"\n"
    (tmp_path / "shift").write_bytes(b"\0" * SLOT + entry)
    tally = TallyFile(tmp_path / "shift").tally
    assert (tally.parts, tally.lot, tally.since.hour) == (7, "", 6)


class SimulatedFake(FakeCamera):
    simulated = True


def test_a_station_names_what_has_no_id_of_its_own_and_what_is_simulated(
    behaviour: Behaviour, bundle: str, tmp_path: Path
) -> None:
    """A simulation gives the same ids at every start; the ids of a real source are its own."""
    seen: dict[str, list[str]] = {}
    for kind in ("no id", "own id", "simulated"):
        part = "" if kind == "no id" else "disc {n}"
        camera = (SimulatedFake if kind == "simulated" else FakeCamera)("top", steady(3, part=part), live=False)
        for _ in range(2):
            recorder = Recorder()
            ids = PartIds(tmp_path / "station")  # a new one for each start, as after a restart
            station = Station(recipe_of(bundle), sinks=[recorder], cameras=opener({"top": camera}), ids=ids)
            station.start()
            assert station.wait(10)
            station.stop()
            seen.setdefault(kind, []).extend(found.part for found in recorder.inspections)
            assert all(found.is_simulated == (kind == "simulated") for found in recorder.inspections)
    assert seen["own id"] == ["disc 0", "disc 1", "disc 2"] * 2
    issued = seen["no id"] + seen["simulated"]
    assert len(set(issued)) == len(issued) == 12
    assert seen["no id"][:3] == ["P000000", "P000001", "P000002"]


def test_two_simulated_cameras_see_one_part(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    cameras = {name: SimulatedFake(name, steady(4, part="P{n:06d}"), live=False) for name in ("top", "side")}
    recorder = Recorder()
    ids = PartIds(tmp_path / "station")
    station = Station(recipe_of(bundle, *cameras), sinks=[recorder], cameras=opener(cameras), ids=ids)
    station.start()
    assert station.wait(10)
    station.stop()
    assert [len(found.frames) for found in recorder.inspections] == [2] * 4
    assert len({found.part for found in recorder.inspections}) == 4
