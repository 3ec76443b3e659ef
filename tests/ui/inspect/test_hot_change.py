"""Another recipe while the line runs, through the real worker and the real station: no part is lost, no camera is closed."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from inspector.core.types import Frame
from inspector.inspection import program
from inspector.inspection.run_request import RunRequest
from inspector.inspection.status import CameraState, StationState
from inspector.recipes.automatic import recipe_for
from inspector.recipes.recipe import Recipe
from inspector.station.station import Station
from inspector.ui.inspect.station_worker import StationWorker
from tests.station.fakes import (
    Behaviour,
    FakeCamera,
    Recorder,
    fake_engine,
    opener,
    recipe_of,
    write_classifier,
)


class _Line:
    """Makes stations whose verdicts and statuses are kept."""

    def __init__(self, camera: FakeCamera | None = None) -> None:
        self.recorder = Recorder()
        self.made = 0
        self._options: dict[str, Any] = {} if camera is None else {"cameras": opener({camera.name: camera})}

    def __call__(
        self, recipe: Recipe, *, base: Path | None, sinks: Sequence[Any], listeners: Sequence[Any], lot: Any
    ) -> Station:
        self.made += 1
        sinks, listeners = [self.recorder, *sinks], [self.recorder, *listeners]
        return Station(recipe, base=base, sinks=sinks, listeners=listeners, lot=lot, **self._options)

    def parts(self) -> int:
        return len(self.recorder.inspections)


@pytest.fixture
def begin() -> Iterator[Callable[[_Line, Recipe], StationWorker]]:
    workers: list[StationWorker] = []

    def start(line: _Line, recipe: Recipe) -> StationWorker:
        worker = StationWorker(factory=line)
        worker.start()
        workers.append(worker)
        worker.begin(RunRequest(recipe))
        return worker

    yield start
    for worker in workers:
        worker.close()


def _changed(recipe: Recipe, **step: object) -> Recipe:
    changed = recipe.inspect[0].model_copy(update=step)
    return recipe.model_copy(update={"revision": recipe.revision + 1, "inspect": (changed, *recipe.inspect[1:])})


def _check(line: _Line, camera: str) -> None:
    """Every part once, in one run of the station, from a camera that was opened once."""
    assert line.made == 1
    recorder = line.recorder
    assert sorted(found.sequence for found in recorder.inspections) == list(range(len(recorder.inspections)))
    assert recorder.states == [StationState.STARTING, StationState.RUNNING, StationState.STOPPING, StationState.STOPPED]
    states = [status.state for status in recorder.cameras(camera)]
    assert states == [CameraState.CONNECTING, CameraState.STREAMING]
    assert not recorder.faults


def test_on_the_demo_line(
    qtbot: QtBot, begin: Callable[[_Line, Recipe], StationWorker], demo_bundles: Mapping[str, Path]
) -> None:
    recipe = recipe_for([demo_bundles["window-state"]], "simulated:visible", name="window")
    camera = recipe.cameras["camera"].model_copy(update={"options": {"rate": 20}})
    recipe = recipe.model_copy(update={"cameras": {"camera": camera}})
    line = _Line()
    worker = begin(line, recipe)
    qtbot.waitUntil(lambda: line.parts() > 3, timeout=60_000)
    threshold = _changed(recipe, threshold=0.9)
    rule = threshold.model_copy(update={"revision": 3, "takt_ms": 50.0})
    bundle = _changed(rule, bundle=str(demo_bundles["plate-defects"]), threshold=None)
    for change in (threshold, rule, bundle):
        worker.apply(RunRequest(change))
        qtbot.waitUntil(lambda change=change: line.recorder.inspections[-1].revision == change.revision, timeout=60_000)
        first = next(found for found in line.recorder.inspections if found.revision == change.revision)
        assert first.predictions
        seen = line.parts()
        qtbot.waitUntil(lambda seen=seen: line.parts() > seen + 2, timeout=60_000)
    assert worker.status.recipe is not None
    assert worker.status.recipe.revision == 4
    worker.end()
    qtbot.waitUntil(lambda: worker.status.state is StationState.STOPPED, timeout=20_000)
    _check(line, "camera")


def test_with_a_slow_live_camera(
    qtbot: QtBot, begin: Callable[[_Line, Recipe], StationWorker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    behaviour = Behaviour()
    monkeypatch.setattr(program, "open_engine", fake_engine(behaviour))

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        while not stop.wait(0.2):
            yield camera.grab()

    camera = FakeCamera("top", script, live=True)
    recipe = recipe_of(str(write_classifier(tmp_path / "states")))
    other = _changed(recipe, bundle=str(write_classifier(tmp_path / "other")))
    line = _Line(camera)
    worker = begin(line, recipe)
    qtbot.waitUntil(lambda: line.parts() > 2, timeout=20_000)
    behaviour.open_seconds = 0.7  # the old engine judges meanwhile
    worker.apply(RunRequest(other))
    qtbot.waitUntil(lambda: line.recorder.inspections[-1].revision == 2, timeout=20_000)
    worker.end()
    qtbot.waitUntil(lambda: worker.status.state is StationState.STOPPED, timeout=20_000)
    _check(line, "top")
    assert camera.opened == 1
    frames = [found.frames["top"].sequence for found in sorted(line.recorder.inspections, key=lambda it: it.sequence)]
    assert frames == list(range(len(frames)))  # no frame was dropped either


def test_a_recipe_that_cannot_run_leaves_the_line_as_it_is(
    qtbot: QtBot, begin: Callable[[_Line, Recipe], StationWorker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "open_engine", fake_engine(Behaviour()))

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        while not stop.wait(0.05):
            yield camera.grab()

    recipe = recipe_of(str(write_classifier(tmp_path / "states")))
    line = _Line(FakeCamera("top", script, live=True))
    worker = begin(line, recipe)
    qtbot.waitUntil(lambda: line.parts() > 2, timeout=20_000)
    worker.apply(RunRequest(_changed(recipe, bundle="nowhere")))
    qtbot.waitUntil(lambda: "recipe" in worker.status.faults, timeout=20_000)
    assert "nowhere" in worker.status.faults["recipe"].problem.text
    seen = line.parts()
    qtbot.waitUntil(lambda: line.parts() > seen + 2, timeout=20_000)
    assert line.recorder.inspections[-1].revision == 1
    assert worker.status.state is StationState.RUNNING
