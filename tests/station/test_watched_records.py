"""A watched file has exactly one record, at whatever moment its process is killed."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from inspector.archive.contents import recorded_in as recorded_in_journal
from inspector.archive.recording.sinks import JournalSink
from inspector.cameras.ledger import Ledger, RecordKey
from inspector.core.errors import StorageError
from inspector.core.types import Inspection
from inspector.inspection.status import StationState
from inspector.recipes.recipe import CameraModel, Recipe
from inspector.results.saving import recorded_in
from inspector.results.sink import Sink
from inspector.station.ledgers import FOLDER, ledger_file
from inspector.station.station import Station
from tests.station.fakes import Behaviour, Recorder, faults_of, recipe_of

OPTIONS: dict[str, str | int | float | bool] = {"watch": True, "settle": 0.05}


def _save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(len(path.name)).integers(80, 120, (48, 64), np.uint8)).save(path)


def _recipe(bundle: str, folder: Path) -> Recipe:
    return recipe_of(bundle, max_batch=1).model_copy(
        update={"cameras": {"top": CameraModel(source=f"folder:{folder}", options=OPTIONS)}}
    )


class _Records(Sink):
    """Writes records, and copies the ledger before and after as a killed process would leave it."""

    name = "records"
    records = True

    def __init__(self, place: Path, ledger: Path, *, fails: str = "") -> None:
        self.place = place
        self._ledger, self._fails = ledger, fails

    def take(self, inspection: Inspection) -> None:
        left_behind(self._ledger, self.place.parent / f"{inspection.part}-before")
        if inspection.part == self._fails:
            raise StorageError("The disk is full.")
        line = {"part": inspection.part, "sequence": inspection.sequence, "utc": inspection.utc.isoformat()}
        with (self.place or Path()).open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        left_behind(self._ledger, self.place.parent / f"{inspection.part}-after")


class _Told(Sink):
    name = "told"

    def __init__(self, ledger: Path, folder: Path) -> None:
        self._ledger, self._folder = ledger, folder
        self.parts: list[str] = []

    def take(self, inspection: Inspection) -> None:
        left_behind(self._ledger, self._folder / f"{inspection.part}-told")
        self.parts.append(inspection.part)


def left_behind(ledger: Path, copy: Path) -> None:
    """Copy the ledger's files as they are on disk now."""
    copy.mkdir()
    for file in ledger.parent.glob(f"{ledger.name}*"):
        shutil.copyfile(file, copy / file.name)


def _known(copy: Path, ledger: Path, folder: Path) -> set[str]:
    with Ledger(copy / ledger.name, folder, recorded_in) as opened:
        return set(opened.known())


def test_a_part_is_in_the_ledger_exactly_if_it_has_a_record(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    folder, kept = tmp_path / "parts", tmp_path / "kept"
    kept.mkdir()
    for name in ("a", "b"):
        _save(folder / f"{name}.png")
    ledger, place = ledger_file("test", "top", folder), kept / "results.jsonl"
    assert ledger.parent.name == FOLDER
    told, recorder = _Told(ledger, kept), Recorder()
    records = _Records(place, ledger)
    station = Station(_recipe(bundle, folder), sinks=[records, told, recorder], listeners=[recorder])
    station.start()
    recorder.wait_for(lambda it: len(it.inspections) == 2)
    # The latency counts from the start, when the files were there; it holds the settling time.
    assert all(inspection.latency_ms > 50 for inspection in recorder.inspections)
    station.stop()
    assert told.parts == ["a", "b"]
    assert "a.png" in _known(kept / "a-told", ledger, folder)
    assert _known(kept / "b-after", ledger, folder) == {"a.png", "b.png"}, "the record is there: not judged again"
    lines = place.read_text()
    place.write_text(lines.splitlines(keepends=True)[0])
    assert _known(kept / "b-before", ledger, folder) == {"a.png"}, "no record: judged again"


def test_a_part_whose_record_fails_is_judged_again_after_a_restart(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    folder, kept = tmp_path / "parts", tmp_path / "kept"
    kept.mkdir()
    for name in ("a", "b", "c"):
        _save(folder / f"{name}.png")
    ledger = ledger_file("test", "top", folder)
    for number, (fails, judged) in enumerate((("b", ["a", "b", "c"]), ("", ["b"]), ("", []))):
        place, recorder = kept / str(number), Recorder()
        place.mkdir()
        records = _Records(place / "results.jsonl", ledger, fails=fails)
        station = Station(_recipe(bundle, folder), sinks=[records, recorder], listeners=[recorder])
        station.start()
        count = len(judged)
        recorder.wait_for(lambda it, count=count: len(it.inspections) >= count)  # type: ignore[misc]
        recorder.wait_for(lambda it: it.status.state is StationState.RUNNING)
        station.stop()
        assert [inspection.part for inspection in recorder.inspections] == judged
        assert bool(faults_of(recorder)) == bool(fails)


def test_without_records_the_ledger_itself_says_what_was_judged(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    _save(folder / "a.png")
    for expected in (["a"], ["b"]):
        recorder = Recorder()
        station = Station(_recipe(bundle, folder), sinks=[recorder], listeners=[recorder])
        station.start()
        recorder.wait_for(lambda it: len(it.inspections) >= 1)
        station.stop()
        assert [inspection.part for inspection in recorder.inspections] == expected
        _save(folder / "b.png")


def test_a_second_station_on_the_same_folder_is_refused(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    _save(folder / "a.png")
    first, second = Recorder(), Recorder()
    station = Station(_recipe(bundle, folder), sinks=[first], listeners=[first])
    other = Station(_recipe(bundle, folder), sinks=[second], listeners=[second])
    station.start()
    first.wait_for(lambda it: len(it.inspections) == 1)
    other.start()
    second.wait_for(lambda it: it.status.failure is not None)
    assert "already watched" in str(second.status.failure)
    other.stop()
    station.stop()
    assert not second.inspections


def test_the_archive_says_which_parts_of_a_killed_process_it_has(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    folder, recorder = tmp_path / "parts", Recorder()
    _save(folder / "a.png")
    journal = JournalSink(tmp_path / "archive")
    station = Station(_recipe(bundle, folder), sinks=[journal, recorder], listeners=[recorder])
    station.start()
    recorder.wait_for(lambda it: len(it.inspections) == 1)
    station.stop()
    (inspection,) = recorder.inspections
    assert journal.place is not None
    key = RecordKey(str(journal.place), inspection.sequence, inspection.utc.isoformat())
    others = {replace(key, sequence=key.sequence + 1), replace(key, utc=datetime.now(UTC).isoformat())}
    assert recorded_in_journal(journal.place, {key, *others}) == {key}


def test_what_only_the_archive_has_is_not_judged_again_when_the_archive_is_off(
    behaviour: Behaviour, bundle: str, tmp_path: Path
) -> None:
    folder, kept, recorder = tmp_path / "parts", tmp_path / "kept", Recorder()
    kept.mkdir()
    _save(folder / "a.png")
    ledger = ledger_file("test", "top", folder)
    journal, told = JournalSink(tmp_path / "archive"), _Told(ledger, kept)
    station = Station(_recipe(bundle, folder), sinks=[journal, told, recorder], listeners=[recorder])
    station.start()
    recorder.wait_for(lambda it: len(it.inspections) == 1)
    station.stop()
    (inspection,) = recorder.inspections
    assert journal.place is not None
    with Ledger(ledger, folder, recorded_in) as opened:  # killed after the record, and before the ledger knew of it
        (origin,) = inspection.origins
        opened.begin(origin, RecordKey(str(journal.place), inspection.sequence, inspection.utc.isoformat()))
    _save(folder / "b.png")
    again = Recorder()
    station = Station(_recipe(bundle, folder), sinks=[again], listeners=[again])
    station.start()
    again.wait_for(lambda it: len(it.inspections) == 1)
    station.stop()
    assert [inspection.part for inspection in again.inspections] == ["b"]
