"""What hangs is named, its parts are answered, and it is started again: an engine, a worker process, a camera, a sink."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from inspector.core.registry import ENGINES, EngineEntry
from inspector.core.types import Floats, Frame, Inspection, Verdict
from inspector.engines.openvino_runtime import OpenVinoEngine
from inspector.imaging.preprocessing import Prepared
from inspector.inspection.status import CameraState, StationState
from inspector.recipes.automatic import recipe_for
from inspector.station import camera_runner, outputs, supervisor
from inspector.station.station import Station
from tests.station.fakes import Behaviour, FakeCamera, Recorder, faults_of, opener, recipe_of, running, states_of, steady


class BlockingEngine(OpenVinoEngine):
    """OpenVINO, whose calls number `blocking` do not return until `release` is set."""

    blocking: frozenset[int] = frozenset()
    calls = 0
    opened = 0
    release = threading.Event()

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        type(self).opened += 1

    def start(self, batch: Prepared, *, beside: bool = False) -> Callable[[], Floats]:
        if batch.any():  # the first one of an engine only warms it up
            BlockingEngine.calls += 1
            if BlockingEngine.calls in BlockingEngine.blocking:
                self.release.wait(60)
        return super().start(batch, beside=beside)


@pytest.fixture
def blocking(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[BlockingEngine]]:
    """Registered as the engine "blocking"."""
    entry = EngineEntry(f"{__name__}:BlockingEngine", "Blocking")
    monkeypatch.setitem(ENGINES, "blocking", entry)
    monkeypatch.setattr(BlockingEngine, "calls", 0)
    monkeypatch.setattr(BlockingEngine, "opened", 0)
    monkeypatch.setattr(BlockingEngine, "release", threading.Event())
    yield BlockingEngine
    BlockingEngine.release.set()


def _demo(bundle: Path, parts: int) -> dict[str, object]:
    recipe = recipe_for([bundle], "simulated:visible", name="window").model_copy(update={"max_batch": 1})
    camera = recipe.cameras["camera"].model_copy(update={"options": {"parts": parts}})
    return {"recipe": recipe.model_copy(update={"cameras": {"camera": camera}})}


def test_an_engine_that_hangs_is_named_its_part_answered_and_another_opened(
    blocking: type[BlockingEngine], demo_bundles: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking, "blocking", frozenset({3}))
    recorder = Recorder()
    given = _demo(demo_bundles["window-state"], 6)
    station = Station(**given, engine="blocking", sinks=[recorder], listeners=[recorder])  # type: ignore[arg-type]
    station.start()
    try:
        recorder.wait_for(lambda it: len(it.inspections) == 3, 30)
        assert "window-state" in recorder.status.faults
        said = recorder.status.faults["window-state"].problem
        assert said.template == "The engine of {bundle} has not answered for {seconds:.1f} s."
        hung = recorder.inspections[2]
        assert hung.verdict is Verdict.NOT_INSPECTED
        assert hung.reasons == (said,)
        assert hung.latency_ms < 10_000
        assert station.wait(60)
        assert [found.sequence for found in recorder.inspections] == list(range(6))
        others = [found.verdict for found in recorder.inspections if found is not hung]
        assert Verdict.NOT_INSPECTED not in others
        assert blocking.opened == 2
        assert not recorder.status.faults  # it works again
        blocking.release.set()  # what was left behind comes back, and is heard by nobody
    finally:
        station.stop()
    assert len(recorder.inspections) == station.stats().parts == 6


def test_an_engine_that_always_hangs_is_given_up_and_every_trigger_is_answered_once(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "PAUSES", (0.01,))
    monkeypatch.setattr(supervisor, "MOST_LEFT", 1)
    release = threading.Event()

    def before(batch: Prepared) -> None:
        release.wait(60)

    behaviour.before = before
    recipe = recipe_of(bundle, mode="triggered", max_batch=2)
    try:
        with running(recipe, FakeCamera("top", steady(0), live=False)) as (station, recorder):
            names = []
            for count in range(1, 5):
                names.append(station.trigger(f"t{count}"))
                recorder.wait_for(lambda it, count=count: len(it.inspections) == count, 20)
            assert "again and again" in recorder.status.faults["states"].problem.text
        assert [found.part for found in recorder.inspections] == names
        assert {found.verdict for found in recorder.inspections} == {Verdict.NOT_INSPECTED}
    finally:
        release.set()
    recorder.wait_for(lambda _it: not [it for it in threading.enumerate() if it.name == "station-inspect"], 10)
    assert len(recorder.inspections) == 4  # the engines came back, and nothing is told after the station has stopped


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
def test_a_frozen_worker_is_killed_and_started_again(demo_bundles: Mapping[str, Path]) -> None:
    pytest.importorskip("torch")
    recorder = Recorder()
    recipe = recipe_for([demo_bundles["window-state"]], "simulated:visible", name="window")
    recipe = recipe.model_copy(update={"max_batch": 1, "mode": "triggered", "trigger_ms": 20_000.0})
    station = Station(recipe, engine="torch", sinks=[recorder], listeners=[recorder])
    station.start()
    try:
        recorder.wait_for(lambda it: it.status.state is StationState.RUNNING, 120)
        station.trigger("before")
        recorder.wait_for(lambda it: len(it.inspections) == 1, 30)
        assert recorder.inspections[0].verdict is not Verdict.NOT_INSPECTED
        (worker,) = _workers()
        os.kill(worker.pid, signal.SIGSTOP)
        station.trigger("while it is frozen")
        recorder.wait_for(lambda it: len(it.inspections) == 2, 30)
        assert recorder.inspections[1].verdict is Verdict.NOT_INSPECTED
        assert "window-state" in recorder.inspections[1].reasons[0].text
        recorder.wait_for(lambda _it: not worker.is_running(), 30)
        station.trigger("after")
        recorder.wait_for(lambda it: len(it.inspections) == 3, 120)
        if recorder.inspections[2].verdict is Verdict.NOT_INSPECTED:  # its deadline came before the new worker was there
            recorder.wait_for(lambda _it: bool(_workers()), 120)
            recorder.wait_for(lambda it: not it.status.faults, 120)
            station.trigger("later")
            recorder.wait_for(lambda it: len(it.inspections) == 4, 60)
        assert recorder.inspections[-1].verdict is not Verdict.NOT_INSPECTED
        assert not recorder.status.faults
    finally:
        station.stop()


def _workers() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE and "infer" in child.cmdline()]


def test_a_camera_that_never_returns_is_left_behind_and_opened_again(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_runner, "PAUSES", (0.01,))
    release = threading.Event()

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        yield camera.grab(200 if camera.opened == 2 else 100)
        if camera.opened == 1:
            release.wait(60)  # in the driver, which knows nothing of `stop`
            yield camera.grab()

    camera = FakeCamera("top", script, live=True)
    try:
        with running(recipe_of(bundle), camera) as (station, recorder):
            assert station.wait(20)
            assert camera.opened == 2
            assert [found.verdict for found in recorder.inspections] == [Verdict.OK, Verdict.NG]
            S = CameraState
            assert states_of(recorder) == [S.CONNECTING, S.STREAMING, S.LOST, S.STREAMING, S.ENDED]
            (lost,) = [camera_status for camera_status in recorder.cameras("top") if camera_status.problem is not None]
            assert lost.problem is not None
            assert "top has given no frame for" in lost.problem.text
            release.set()
    finally:
        release.set()
    assert len(recorder.inspections) == 2  # the frame that came at last is nobody's


def test_a_folder_or_file_that_does_not_answer_is_named_and_goes_on_where_it_was(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_runner, "NAMED_S", 0.5)
    release, waiting = threading.Event(), threading.Event()

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        yield camera.grab()
        for _ in range(30):  # it waits for three seconds and says so
            camera.alive()
            stop.wait(0.1)
        waiting.set()
        yield camera.grab()
        release.wait(60)
        yield camera.grab()

    camera, recorder = FakeCamera("top", script, live=False), Recorder()
    station = Station(recipe_of(bundle), sinks=[recorder], listeners=[recorder], cameras=opener({"top": camera}))
    station.start()
    try:
        recorder.wait_for(lambda it: waiting.is_set(), 10.0)
        assert not faults_of(recorder)
        recorder.wait_for(lambda it: "top" in it.status.faults, 10.0)
        assert "top has shown no sign of life for" in recorder.status.faults["top"].problem.text
        release.set()
        recorder.wait_for(lambda it: len(it.inspections) == 3 and not it.status.faults)
        assert camera.opened == 1
    finally:
        release.set()
        station.stop()


class _HangingSink(Recorder):
    name = "disk"

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def take(self, inspection: Inspection) -> None:
        self.release.wait(60)
        super().take(inspection)


def test_a_sink_that_hangs_is_named_and_stops_neither_deadline_nor_end(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "PATIENCE", 0.5)
    disk, recorder = _HangingSink(), Recorder()
    camera = FakeCamera("top", steady(0), live=False)
    recipe = recipe_of(bundle, mode="triggered")
    station = Station(recipe, sinks=[disk, recorder], listeners=[recorder], cameras=opener({"top": camera}))
    station.start()
    try:
        recorder.wait_for(lambda it: it.status.state is StationState.RUNNING)
        for count in range(1, 4):
            station.trigger()
            recorder.wait_for(lambda it, count=count: len(it.inspections) == count)
        recorder.wait_for(lambda it: "disk" in it.status.faults)
        station.stop()
        assert recorder.status.state is StationState.STOPPED
        assert len(recorder.inspections) == 3
    finally:
        station.stop()
        disk.release.set()
