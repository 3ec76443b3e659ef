"""A disk that hangs, frozen for real: it is named, verdicts go on, the station stops, and nothing is judged twice later."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inspector.bench.faults.disks import FreezableDisk
from inspector.cameras.ledger import Ledger
from inspector.core.types import Inspection, Verdict
from inspector.inspection.status import StationState, StationStatus
from inspector.recipes.recipe import CameraModel
from inspector.results.saving import recorded_in
from inspector.results.sink import Sink
from inspector.station import outputs
from inspector.station import station as station_module
from inspector.station.ledgers import ledger_file
from inspector.station.part_ids import BLOCK, PartIds
from inspector.station.station import Station
from inspector.station.tally import Tallies, TallyFile, TallySink
from tests.disks import disk_that_hangs
from tests.station.fakes import Behaviour, FakeCamera, Recorder, faults_of, opener, recipe_of, steady


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FreezableDisk]:
    """The disk with the user's data."""
    with disk_that_hangs(tmp_path / "disk") as disk:
        monkeypatch.setenv("XDG_DATA_HOME", str(disk.folder))
        yield disk


def _save(folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(len(name)).integers(80, 120, (48, 64), np.uint8)).save(folder / f"{name}.png")


def _gone(name: str) -> bool:
    return not any(thread.name == name for thread in threading.enumerate())


def _wait_until_gone(name: str) -> None:
    Recorder().wait_for(lambda _it: _gone(name), 20)


def test_a_watched_folder_goes_on_while_the_disk_of_its_ledger_hangs(
    behaviour: Behaviour, bundle: str, tmp_path: Path, disk: FreezableDisk
) -> None:
    folder = tmp_path / "parts"
    options: dict[str, str | int | float | bool] = {"watch": True, "settle": 0.05}
    recipe = recipe_of(bundle, max_batch=1).model_copy(
        update={"cameras": {"top": CameraModel(source=f"folder:{folder}", options=options)}}
    )

    def started() -> tuple[Station, Recorder]:
        recorder = Recorder()
        station = Station(recipe, sinks=[recorder], listeners=[recorder])
        station.start()
        recorder.wait_for(lambda it: it.status.state is StationState.RUNNING, 20)
        return station, recorder

    _save(folder, "a")
    station, recorder = started()
    recorder.wait_for(lambda it: len(it.inspections) == 1)
    disk.freeze()
    for count, name in enumerate("bcdefgh", start=2):
        _save(folder, name)
        recorder.wait_for(lambda it, count=count: len(it.inspections) == count)  # type: ignore[misc]
    recorder.wait_for(lambda it: "ledger" in it.status.faults)
    assert "has not been written to" in recorder.status.faults["ledger"].problem.text
    assert recorder.status.faults["ledger"].remedy is not None
    stopping = time.monotonic()
    station.stop()
    assert recorder.status.state is StationState.STOPPED
    assert time.monotonic() - stopping < 20, "each part that hangs is waited for a few seconds"
    disk.thaw()
    _wait_until_gone("ledger-writer")
    _save(folder, "new")
    station, recorder = started()
    recorder.wait_for(lambda it: len(it.inspections) == 1)
    station.stop()
    assert [inspection.part for inspection in recorder.inspections] == ["new"]
    assert not faults_of(recorder)


def test_a_start_on_a_disk_that_hangs_is_named_and_can_be_stopped(
    behaviour: Behaviour, bundle: str, tmp_path: Path, disk: FreezableDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station_module, "NAMED_S", 0.5)
    folder = tmp_path / "parts"
    _save(folder, "a")
    camera = CameraModel(source=f"folder:{folder}", options={"watch": True})
    recipe = recipe_of(bundle).model_copy(update={"cameras": {"top": camera}})
    recorder = Recorder()
    disk.freeze()
    station = Station(recipe, sinks=[recorder], listeners=[recorder])
    station.start()
    recorder.wait_for(lambda it: "start" in it.status.faults)
    assert "waited for a disk" in recorder.status.faults["start"].problem.text
    station.stop()
    assert recorder.status.state is StationState.STOPPED
    disk.thaw()
    _wait_until_gone("station-start")
    assert not recorder.inspections
    with Ledger(ledger_file("test", "top", folder), folder, recorded_in) as ledger:  # what hung has let go of it
        assert not ledger.known()


@pytest.mark.allow_logs("part ids go on from the clock", "the counters cannot be kept")
def test_triggers_get_ids_and_are_counted_while_the_disk_of_the_counters_hangs(
    behaviour: Behaviour, bundle: str, disk: FreezableDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "PATIENCE", 0.5)
    tallies = Tallies(disk.folder)
    counters = TallySink(tallies, lambda: None)
    counters.size = 4  # type: ignore[misc]  # the sink of this test is full soon
    recorder, camera = Recorder(), FakeCamera("top", steady(0), live=False)
    ids = PartIds(disk.folder / "station")
    recipe = recipe_of(bundle, mode="triggered", max_batch=1)
    station = Station(recipe, sinks=[counters, recorder], listeners=[recorder], cameras=opener({"top": camera}), ids=ids)
    station.start()
    try:
        recorder.wait_for(lambda it: it.status.state is StationState.RUNNING)
        names = [station.trigger()]
        recorder.wait_for(lambda it: len(it.inspections) == 1)
        disk.freeze()
        for count in range(2, BLOCK + 20):  # beyond what is reserved
            names.append(station.trigger())
            recorder.wait_for(lambda it, count=count: len(it.inspections) == count)  # type: ignore[misc]
        recorder.wait_for(lambda it: "counters" in it.status.faults)
        station.stop()
    finally:
        disk.thaw()
        station.stop()
    assert [inspection.part for inspection in recorder.inspections] == names
    assert len(set(names)) == BLOCK + 19
    assert Verdict.NOT_INSPECTED not in {inspection.verdict for inspection in recorder.inspections}
    assert recorder.status.state is StationState.STOPPED
    for thread in ("sink-counters", "part-ids"):
        _wait_until_gone(thread)
    assert PartIds(disk.folder / "station").issue() not in names


def test_counters_are_reset_while_their_disk_hangs(disk: FreezableDisk) -> None:
    file = TallyFile(disk.folder / "shift")
    file.add(Verdict.OK)
    disk.freeze()
    try:
        with pytest.raises(TimeoutError, match="hangs"):  # and not that whoever resets waits for the disk
            file.reset("L2")
        assert (file.tally.parts, file.tally.lot) == (0, "L2")
    finally:
        disk.thaw()
    _wait_until_gone("counters-reset")
    assert TallyFile(disk.folder / "shift").tally.lot == "L2"


class _Waiting(Sink):
    """A sink that records, and begins with parts by writing into a pipe that nobody reads."""

    name = "pipe"
    records = True

    def __init__(self, pipe: Path) -> None:
        self._pipe = pipe

    def expect(self, inspections: Sequence[Inspection]) -> None:
        with self._pipe.open("w") as stream:
            stream.write("\n" * len(inspections))

    def take(self, inspection: Inspection) -> None:
        """Do nothing: `expect` has done it."""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_record_that_hangs_before_its_first_part_is_named_and_stops_no_station(
    behaviour: Behaviour, bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "PATIENCE", 0.5)
    pipe, recorder = tmp_path / "pipe", Recorder()
    os.mkfifo(pipe)
    camera = FakeCamera("top", steady(3), live=False)
    station = Station(
        recipe_of(bundle), sinks=[_Waiting(pipe), recorder], listeners=[recorder], cameras=opener({"top": camera})
    )
    station.start()
    recorder.wait_for(lambda it: "pipe" in it.status.faults)
    station.stop()
    assert recorder.status.state is StationState.STOPPED
    assert "has not been done with one part" in recorder.status.faults["pipe"].problem.text
    both_ends = os.open(pipe, os.O_RDWR)  # from now on no writing waits, however often it begins
    try:
        _wait_until_gone("sink-pipe")
    finally:
        os.close(both_ends)
    assert not recorder.inspections, "nothing is told after the stop"


class _Chained(Sink):
    """Records; with `release`, not before that is set. Has room for `size` parts."""

    records = True

    def __init__(self, name: str, size: int, release: threading.Event | None) -> None:
        self.name, self.size = name, size  # type: ignore[misc]  # each sink of a test is its own kind
        self._release = release
        self.taken = 0

    def take(self, inspection: Inspection) -> None:
        if self._release is not None:
            self._release.wait(30)
        self.taken += 1


@pytest.mark.parametrize("hanging", [1, 2])
def test_a_second_record_that_hangs_does_not_keep_the_station_from_stopping(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch, hanging: int
) -> None:
    """As of `inspector run` with the archive, and the records of `--out` on a share."""
    monkeypatch.setattr(outputs, "PATIENCE", 0.5)
    release, recorder = threading.Event(), Recorder()
    chain = [
        _Chained(f"record-{number}", size, release if number == hanging else None) for number, size in enumerate((64, 1, 1))
    ]
    camera = FakeCamera("top", steady(12), live=False)
    station = Station(recipe_of(bundle), sinks=[*chain, recorder], listeners=[recorder], cameras=opener({"top": camera}))
    station.start()
    try:
        recorder.wait_for(lambda it: f"record-{hanging}" in it.status.faults)
        stopping = threading.Thread(target=station.stop)
        stopping.start()
        stopping.join(15)
        assert not stopping.is_alive()
        assert recorder.status.state is StationState.STOPPED
        assert chain[0].taken > 1, "the first record goes on"
    finally:
        release.set()
    for number in range(3):
        _wait_until_gone(f"sink-record-{number}")


class _Failing(Sink):
    """Fails with one part, then hangs with the next until it is released, then fails again."""

    name = "disk"

    def __init__(self) -> None:
        self.release = threading.Event()
        self.status: StationStatus | None = None

    def take(self, inspection: Inspection) -> None:
        if inspection.sequence == 1:
            self.release.wait(30)
        raise station_module.InspectorError("{file} is full.", remedy="Free some space.", file="a")


def test_a_problem_that_persists_keeps_its_remedy_when_its_sink_moves_again(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "PATIENCE", 0.5)
    sink, recorder = _Failing(), Recorder()
    camera = FakeCamera("top", steady(0, pause=0.02), live=False)
    station = Station(recipe_of(bundle), sinks=[sink, recorder], listeners=[recorder], cameras=opener({"top": camera}))
    station.start()
    try:
        recorder.wait_for(lambda it: "disk" in it.status.faults and "not been done" in it.status.faults["disk"].problem.text)
        sink.release.set()
        recorder.wait_for(lambda it: "not been done" not in it.status.faults["disk"].problem.text)
        fault = recorder.status.faults["disk"]
        assert fault.problem.text == "a is full."
        assert fault.remedy is not None
        assert fault.remedy.text == "Free some space."
    finally:
        sink.release.set()
        station.stop()
