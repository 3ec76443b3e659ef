"""The thread between station and widgets, and what the verdict tile may say."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from inspector.core.message import message
from inspector.core.types import SEVERITY, Inspection, Verdict
from inspector.inspection.run_request import RunRequest
from inspector.inspection.status import CameraState, CameraStatus, StationState, StationStatus
from inspector.recipes.recipe import Recipe
from inspector.ui.inspect.panels.verdict_tile import VerdictTile
from inspector.ui.inspect.situation import QUIET_S, shown
from inspector.ui.inspect.station_worker import BEHIND_WINDOW, DISPLAY_HZ, StationWorker
from tests.ui.line_double import RECIPE, ConductedStation, Conductor, inspection


@pytest.fixture
def worker(conductor: Conductor) -> Iterator[StationWorker]:
    made = StationWorker(factory=conductor)
    made.start()
    yield made
    made.close()


def test_news_come_at_display_rate_and_wait_until_taken(worker: StationWorker, conductor: Conductor, qtbot: QtBot) -> None:
    told: list[float] = []
    worker.news.connect(lambda: told.append(time.monotonic()))
    worker.begin(RunRequest(RECIPE))
    qtbot.waitUntil(lambda: bool(told))
    for _ in range(50):
        conductor.station.judge(0, Verdict.OK)
        qtbot.wait(2)
    assert len(told) == 1  # not taken: not told again
    snapshot = worker.take()
    assert snapshot.newest is not None
    worker.news.connect(lambda: worker.take())
    worker.take()
    told.clear()
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        conductor.station.judge(0, Verdict.OK)
        qtbot.wait(2)
    assert 2 <= len(told) <= DISPLAY_HZ + 2


def test_every_ng_part_reaches_the_window_though_pictures_are_skipped(
    worker: StationWorker, conductor: Conductor, qtbot: QtBot
) -> None:
    worker.begin(RunRequest(RECIPE))
    qtbot.waitUntil(lambda: bool(conductor.stations) and conductor.station.started == 1)
    for index in range(9):
        conductor.station.judge(index, Verdict.NG if index % 3 == 0 else Verdict.OK)
    snapshot = worker.take()
    assert [item.part for item in snapshot.ng] == ["P000000", "P000003", "P000006"]
    assert snapshot.newest is not None
    assert snapshot.newest.part == "P000008"


def test_a_finite_source_ends_the_run(worker: StationWorker, conductor: Conductor, qtbot: QtBot) -> None:
    worker.begin(RunRequest(RECIPE, Path("recipes")))
    qtbot.waitUntil(lambda: bool(conductor.stations) and conductor.station.started == 1)
    conductor.station.camera("visible", CameraState.ENDED)
    conductor.station.camera("thermal", CameraState.ENDED)
    qtbot.wait(400)
    assert conductor.station.stopped == 0  # not everything is judged yet
    conductor.station.through = True
    qtbot.waitUntil(lambda: conductor.station.stopped == 1)
    assert conductor.station.base == Path("recipes")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads do not inherit a priority")
def test_what_the_station_starts_lets_the_window_through(qtbot: QtBot) -> None:
    found: list[int] = []

    class Starting(Conductor):
        def __call__(self, recipe: Recipe, **given: Any) -> ConductedStation:
            engine = threading.Thread(
                target=lambda: found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())), name="engine"
            )
            engine.start()
            engine.join()
            return super().__call__(recipe, **given)

    worker = StationWorker(factory=Starting())
    worker.start()
    worker.begin(RunRequest(RECIPE))
    qtbot.waitUntil(lambda: bool(found))
    worker.close()
    window = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert found == [window + BEHIND_WINDOW]


def test_beginning_again_stops_the_station_before(worker: StationWorker, conductor: Conductor, qtbot: QtBot) -> None:
    worker.begin(RunRequest(RECIPE))
    qtbot.waitUntil(lambda: bool(conductor.stations) and conductor.station.started == 1)
    worker.begin(RunRequest(RECIPE), "triggered")
    qtbot.waitUntil(lambda: len(conductor.stations) == 2 and conductor.station.started == 1)
    assert conductor.stations[0].stopped == 1
    worker.take()
    conductor.stations[0].judge(0, Verdict.OK)  # a late verdict of the old station is not of this run
    assert worker.take().newest is None


def test_what_is_inspected_is_saved_in_a_folder_of_the_run(
    worker: StationWorker, conductor: Conductor, qtbot: QtBot, tmp_path: Path
) -> None:
    worker.save_to = tmp_path
    for _ in range(2):
        worker.begin(RunRequest(RECIPE))
        made = len(conductor.stations) + 1
        qtbot.waitUntil(lambda made=made: len(conductor.stations) == made and conductor.station.started == 1)
        sinks = conductor.station.sinks
        assert [sink.name for sink in sinks] == ["records", "pictures", "heat", "counters", "display"]
        conductor.station.judge(0, Verdict.NG)
        for sink in sinks:
            sink.close(conductor.station.status)
    first, second = sorted(tmp_path.iterdir())
    for folder in (first, second):
        lines = (folder / "results.jsonl").read_text("utf-8").splitlines()
        assert len(lines) == 2
        assert (folder / "report.html").is_file()
        assert len(list((folder / "overlays").iterdir())) == 2  # a picture a camera


def test_a_folder_that_cannot_be_written_to_is_said_and_no_line_starts(
    worker: StationWorker, conductor: Conductor, qtbot: QtBot, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    worker.save_to = tmp_path / "file"
    worker.begin(RunRequest(RECIPE))
    qtbot.waitUntil(lambda: worker.status.state is StationState.STOPPED)
    (fault,) = worker.status.faults.values()
    assert "cannot be written" in fault.problem.text
    assert not conductor.stations


@pytest.fixture
def part() -> Inspection:
    return inspection(0, Verdict.OK)


@pytest.mark.parametrize("state", [state for state in StationState if state is not StationState.RUNNING])
def test_no_verdict_unless_running(qtbot: QtBot, part: Inspection, state: StationState) -> None:
    tell = shown(StationStatus(state), part)
    assert tell.verdict is None
    assert tell.veil


@pytest.mark.parametrize("verdict", list(Verdict))
def test_with_a_lost_camera_nothing_looks_better_than_not_inspected(qtbot: QtBot, verdict: Verdict) -> None:
    lost = StationStatus(StationState.RUNNING, cameras={"visible": CameraStatus(CameraState.LOST, message("gone"))})
    tell = shown(lost, inspection(0, verdict))
    assert tell.verdict is not None
    assert SEVERITY[tell.verdict] >= SEVERITY[Verdict.NOT_INSPECTED]
    assert "gone" in tell.reasons


def test_an_old_verdict_of_a_free_line_is_not_shown_as_current(qtbot: QtBot, part: Inspection) -> None:
    running = StationStatus(StationState.RUNNING)
    assert shown(running, part, now=QUIET_S - 1).verdict is Verdict.OK
    assert shown(running, part, now=QUIET_S + 1).verdict is None
    assert shown(StationStatus(StationState.RUNNING, "triggered"), part, now=QUIET_S + 1).verdict is Verdict.OK


def test_each_verdict_differs_in_word_colour_and_shape(qtbot: QtBot) -> None:
    tile = VerdictTile()
    qtbot.addWidget(tile)
    tile.setFixedSize(400, 180)
    words, corners, pictures = set(), set(), []
    for verdict in Verdict:
        tile.set_verdict(verdict, "P1")
        image = tile.grab().toImage()
        words.add(tile.text)
        corners.add(image.pixelColor(200, 4).name())
        grey = image.convertToFormat(image.Format.Format_Grayscale8)
        pictures.append(grey)
    assert len(words) == len(corners) == 4
    assert all(a != b for i, a in enumerate(pictures) for b in pictures[i + 1 :])
