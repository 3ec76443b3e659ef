"""The station with cameras and engines whose every move is decided here."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from inspector.cameras.base import Camera
from inspector.core.errors import CameraError, ConfigError, EngineError
from inspector.core.images import Prepared
from inspector.core.types import Frame, Verdict
from inspector.recipes.recipe import CameraModel, Gate, InspectModel, Recipe, RegionModel
from inspector.station import analysis, feed, program
from inspector.station.events import CameraChanged, CameraState, Cleared, Event, Fault, StateChanged, StationState
from inspector.station.inspector import PartInspector
from inspector.station.station import Station
from tests.station.fakes import Behaviour, FakeCamera, Recorder, fake_engine, opener, steady, write_classifier


@pytest.fixture
def behaviour(monkeypatch: pytest.MonkeyPatch) -> Behaviour:
    made = Behaviour()
    monkeypatch.setattr(program, "open_engine", fake_engine(made))
    return made


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    return str(write_classifier(tmp_path / "states"))


def _recipe(bundle: str, *cameras: str, gate: Gate | None = None, **changes: Any) -> Recipe:
    names = cameras or ("top",)
    return Recipe(
        name="test",
        cameras={name: CameraModel(source="fake", gate=gate or Gate()) for name in names},
        inspect=tuple(InspectModel(bundle=bundle, camera=name) for name in names),
        **{"max_batch": 4, "join_ms": 150, "trigger_ms": 300, **changes},
    )


@contextmanager
def _running(recipe: Recipe, *cameras: FakeCamera, wait: bool = True) -> Iterator[tuple[Station, Recorder]]:
    recorder = Recorder()
    known: Mapping[str, Camera] = {camera.name: camera for camera in cameras}
    station = Station(recipe, listeners=[recorder], cameras=opener(known))
    station.start()
    try:
        if wait:
            recorder.wait_for(lambda it: StateChanged(StationState.RUNNING) in it.events)
        yield station, recorder
    finally:
        station.stop()


def _states(recorder: Recorder, camera: str = "top") -> list[CameraState]:
    return [event.state for event in recorder.events if isinstance(event, CameraChanged) and event.camera == camera]


def _faults(recorder: Recorder) -> list[Fault]:
    return [event for event in recorder.events if isinstance(event, Fault)]


def test_a_finite_source_is_judged_completely_in_order_and_in_batches(behaviour: Behaviour, bundle: str) -> None:
    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        for number in range(30):
            yield camera.grab(200 if number % 3 == 0 else 100)

    behaviour.seconds = 0.01
    with _running(_recipe(bundle), FakeCamera("top", script, live=False)) as (station, recorder):
        assert station.wait(10)
        assert [found.sequence for found in recorder.inspections] == list(range(30))
        expected = [Verdict.NG if number % 3 == 0 else Verdict.OK for number in range(30)]
        assert [found.verdict for found in recorder.inspections] == expected
        stats = station.stats()
        assert (stats.parts, stats.ng, stats.ok, stats.dropped) == (30, 10, 20, 0)
        assert stats.yield_share == pytest.approx(2 / 3)
        assert stats.latency_p99_ms >= stats.latency_p50_ms > 0
        assert {"frames", "wait", "prepare", "infer", "decode", "verdict"} <= stats.stages.keys()
        assert station.latest() is recorder.inspections[-1]
    assert max(behaviour.batches) == 4
    assert sum(behaviour.batches) == 30
    assert _states(recorder) == [CameraState.CONNECTING, CameraState.STREAMING, CameraState.ENDED]
    states = [event.state for event in recorder.events if isinstance(event, StateChanged)]
    assert states == [StationState.STARTING, StationState.RUNNING, StationState.STOPPING, StationState.STOPPED]
    assert behaviour.opened == behaviour.closed == 1


def _alternating(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
    """Thirty frames, every third of them bad."""
    for number in range(30):
        yield camera.grab(200 if number % 3 == 0 else 100)


def test_batches_side_by_side_keep_their_frames_and_their_order(behaviour: Behaviour, bundle: str) -> None:
    behaviour.others, behaviour.seconds = 2, 0.01
    with _running(_recipe(bundle), FakeCamera("top", _alternating, live=False)) as (station, recorder):
        assert station.wait(10)
        assert [found.sequence for found in recorder.inspections] == list(range(30))
        expected = [Verdict.NG if number % 3 == 0 else Verdict.OK for number in range(30)]
        assert [found.verdict for found in recorder.inspections] == expected
        # Side by side they cost together what the engine took, not each the time it was under way.
        infer = sum(found.timings_ms["infer"] for found in recorder.inspections)
        assert infer < 1.5 * 1000 * len(behaviour.batches) * behaviour.seconds + 100
    assert 1 < behaviour.most_under_way <= 3
    assert behaviour.under_way == 0


def test_where_a_deadline_counts_a_batch_goes_after_the_other(behaviour: Behaviour, bundle: str) -> None:
    behaviour.others, behaviour.seconds = 2, 0.01
    recipe = _recipe(bundle, deadline_ms=10_000.0)
    with _running(recipe, FakeCamera("top", _alternating, live=False)) as (station, recorder):
        assert station.wait(10)
        assert [found.sequence for found in recorder.inspections] == list(range(30))
    assert max(behaviour.batches) == 4
    assert behaviour.most_under_way == 0


def test_an_engine_that_fails_with_batches_under_way_loses_no_part(behaviour: Behaviour, bundle: str) -> None:
    calls: list[int] = []

    def before(batch: Prepared) -> None:
        calls.append(len(batch))
        if len(calls) in (3, 4):  # the second of them was given to the same engine before the first had failed
            raise EngineError("The engine of {bundle} crashed.", bundle="states")

    behaviour.others, behaviour.before = 2, before
    with _running(_recipe(bundle), FakeCamera("top", _alternating, live=False)) as (station, recorder):
        assert station.wait(10)
        found = recorder.inspections
        assert [inspection.sequence for inspection in found] == list(range(30))
        lost = [inspection for inspection in found if inspection.verdict is Verdict.NOT_INSPECTED]
        assert len(lost) == calls[2] + calls[3]
        assert {inspection.reasons[0].text for inspection in lost} == {"The engine of states crashed."}
        assert {inspection.verdict for inspection in found if inspection not in lost} == {Verdict.OK, Verdict.NG}
    assert behaviour.opened == behaviour.closed == 2


def test_stopping_gives_batches_under_way_their_verdict(behaviour: Behaviour, bundle: str) -> None:
    behaviour.others, behaviour.seconds = 2, 0.05
    with _running(_recipe(bundle), FakeCamera("top", steady(0), live=False)) as (station, recorder):
        recorder.wait_for(lambda _it: behaviour.under_way >= 2)
        station.stop()
        begun = sum(behaviour.batches)
        assert behaviour.under_way == 0
        assert [found.sequence for found in recorder.inspections] == list(range(begun))
        assert {found.verdict for found in recorder.inspections} == {Verdict.OK}


def test_a_lone_part_is_not_kept_waiting_for_company(behaviour: Behaviour, bundle: str) -> None:
    behaviour.others = 2
    with _running(_recipe(bundle), FakeCamera("top", steady(10, pause=0.05), live=True)) as (station, recorder):
        assert station.wait(10)
        assert max(found.latency_ms for found in recorder.inspections) < 45
    assert behaviour.most_under_way == 0


def test_starting_does_not_wait_for_the_engine(behaviour: Behaviour, bundle: str) -> None:
    behaviour.open_seconds = 0.5
    station = Station(_recipe(bundle), cameras=opener({"top": FakeCamera("top", steady(1), live=False)}))
    started = time.monotonic()
    station.start()
    assert time.monotonic() - started < 0.3
    assert station.state is StationState.STARTING
    with pytest.raises(ConfigError, match="not running"):
        station.trigger()
    assert station.wait(5)
    assert station.stats().parts == 1
    station.stop()


def test_stopping_while_the_engine_opens_leaves_nothing_behind(behaviour: Behaviour, bundle: str) -> None:
    behaviour.open_seconds = 0.3
    with _running(_recipe(bundle), FakeCamera("top", steady(0), live=True), wait=False) as (station, recorder):
        time.sleep(0.1)
        station.stop()
        assert station.state is StationState.STOPPED
    assert behaviour.opened == behaviour.closed == 1
    assert not recorder.inspections


def test_a_live_camera_that_is_too_fast_loses_its_oldest_frames_and_they_are_counted(behaviour: Behaviour, bundle: str) -> None:
    behaviour.seconds = 0.05
    with _running(_recipe(bundle, max_batch=2), FakeCamera("top", steady(60, pause=0.005), live=True)) as (station, recorder):
        assert station.wait(10)
        stats = station.stats()
        assert stats.dropped > 0
        assert stats.parts + stats.dropped == 60
        assert stats.camera_fps["top"] > 0
        assert recorder.inspections[-1].frames["top"].sequence == 59


def test_a_camera_that_can_wait_loses_nothing_however_slow_the_engine(behaviour: Behaviour, bundle: str) -> None:
    behaviour.seconds = 0.03
    with _running(_recipe(bundle, max_batch=2), FakeCamera("top", steady(25), live=False)) as (station, _):
        assert station.wait(10)
        assert (station.stats().parts, station.stats().dropped) == (25, 0)


def test_an_unreadable_file_has_its_verdict_and_the_rest_goes_on(behaviour: Behaviour, bundle: str) -> None:
    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        for number in range(4):
            if number in (1, 2):
                camera.skip(f"p{number}", ConfigError("{file} is empty.", file=f"p{number}.png"))
            else:
                yield camera.grab(part=f"p{number}")

    with _running(_recipe(bundle), FakeCamera("top", script, live=False)) as (station, recorder):
        assert station.wait(5)
        found = {inspection.part: inspection for inspection in recorder.inspections}
        assert list(found) == ["p0", "p1", "p2", "p3"]
        assert found["p1"].verdict is found["p2"].verdict is Verdict.NOT_INSPECTED
        assert found["p1"].reasons[0].text == "p1.png is empty."
        assert found["p1"].source == "p1.png"
        assert found["p3"].verdict is Verdict.OK


def test_two_cameras_are_joined_by_part_however_far_one_is_ahead(behaviour: Behaviour, bundle: str) -> None:
    top = FakeCamera("top", steady(20, part="P{n}"), live=False)
    side = FakeCamera("side", steady(20, part="P{n}", pause=0.02, value=200), live=False)
    with _running(_recipe(bundle, "top", "side"), top, side) as (station, recorder):
        assert station.wait(10)
        assert [found.part for found in recorder.inspections] == [f"P{n}" for n in range(20)]
        for found in recorder.inspections:
            assert list(found.frames) == ["top", "side"]
            assert {frame.part for frame in found.frames.values()} == {found.part}
            assert len(found.predictions) == 2
            assert found.verdict is Verdict.NG


def test_two_folders_are_joined_by_position(behaviour: Behaviour, bundle: str) -> None:
    cameras = FakeCamera("top", steady(5), live=False), FakeCamera("side", steady(3), live=False)
    with _running(_recipe(bundle, "top", "side"), *cameras) as (station, recorder):
        assert station.wait(10)
        found = recorder.inspections
        assert len(found) == 5
        assert [inspection.verdict for inspection in found[:3]] == [Verdict.OK] * 3
        for inspection in found[3:]:
            assert inspection.verdict is Verdict.NOT_INSPECTED
            assert inspection.reasons[0].text == "side has no more frames for this part."


def test_live_cameras_are_joined_by_time_and_a_missing_one_is_named(behaviour: Behaviour, bundle: str) -> None:
    def silent(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        for _number in range(5):
            yield camera.grab()
            stop.wait(0.03)
        while not stop.wait(0.05):
            pass

    top, side = FakeCamera("top", steady(0, pause=0.03), live=True), FakeCamera("side", silent, live=True)
    with _running(_recipe(bundle, "top", "side"), top, side) as (_, recorder):
        recorder.wait_for(lambda it: any(found.verdict is Verdict.NOT_INSPECTED for found in it.inspections))
        first, *_rest = recorder.inspections
        assert first.verdict is Verdict.OK
        times = [frame.monotonic for frame in first.frames.values()]
        assert max(times) - min(times) < 0.15
        missing = next(found for found in recorder.inspections if found.verdict is Verdict.NOT_INSPECTED)
        assert missing.reasons[0].text == "side gave no frame for this part in time."
        assert list(missing.frames) == ["top"]


def test_a_lost_camera_is_told_reopened_and_welcomed_back(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "PAUSES", (0.02,))

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        if camera.opened in (2, 3):
            raise CameraError("{camera} does not answer.", remedy="Check the cable.", camera=camera.name)
        yield camera.grab()
        if camera.opened == 1:
            raise CameraError("{camera} was unplugged.", camera=camera.name)

    with _running(_recipe(bundle), FakeCamera("top", script, live=True)) as (station, recorder):
        assert station.wait(5)
        assert station.stats().parts == 2
    S = CameraState
    assert _states(recorder) == [S.CONNECTING, S.STREAMING, S.LOST, S.LOST, S.LOST, S.STREAMING, S.ENDED]
    problems = [str(event.problem) for event in recorder.events if isinstance(event, CameraChanged) and event.problem]
    assert problems == ["top was unplugged.", "top does not answer.", "top does not answer."]


def test_a_live_camera_is_tried_for_ever_and_ever_more_slowly(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "PAUSES", (0.01, 0.02, 0.04))

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        raise CameraError("no answer")
        yield

    camera = FakeCamera("top", script, live=True)
    with _running(_recipe(bundle), camera) as (station, recorder):
        recorder.wait_for(lambda it: camera.opened > 8)
        assert CameraState.FAULT not in _states(recorder)
        assert not station.wait(0)


@pytest.mark.parametrize(("retryable", "attempts"), [(False, 1), (True, 6)])
def test_a_camera_that_cannot_mend_itself_is_given_up(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch, retryable: bool, attempts: int
) -> None:
    monkeypatch.setattr(feed, "PAUSES", (0.01,))

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        raise CameraError("no such file", retryable=retryable)
        yield

    camera = FakeCamera("top", script, live=False)
    with _running(_recipe(bundle), camera) as (station, recorder):
        assert station.wait(5)
        assert _states(recorder)[-1] is CameraState.FAULT
        assert camera.opened == attempts


@pytest.mark.allow_logs("The camera top failed")
def test_a_defect_in_a_driver_is_a_lost_camera_and_not_the_end(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "PAUSES", (0.01,))

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        if camera.opened == 1:
            raise ZeroDivisionError("in the driver")
        yield camera.grab()

    with _running(_recipe(bundle), FakeCamera("top", script, live=True)) as (station, recorder):
        assert station.wait(5)
        assert station.stats().parts == 1
        assert CameraState.LOST in _states(recorder)


@pytest.mark.parametrize(
    ("script", "gate", "said"),
    [
        (steady(3, value=0), Gate(), "black"),
        (steady(3, value=255), Gate(), "over-exposed"),
        (steady(3), Gate(blur=1e6), "blurred"),
    ],
)
def test_a_frame_that_cannot_be_judged_is_never_ok(
    behaviour: Behaviour, bundle: str, script: Callable[..., Iterator[Frame]], gate: Gate, said: str
) -> None:
    with _running(_recipe(bundle, gate=gate), FakeCamera("top", script, live=False)) as (station, recorder):
        assert station.wait(5)
        assert len(recorder.inspections) == 3
        for found in recorder.inspections:
            assert found.verdict is Verdict.NOT_INSPECTED
            assert said in found.reasons[0].text
    assert not behaviour.batches


def test_a_frozen_live_camera_is_not_inspected(behaviour: Behaviour, bundle: str) -> None:
    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        for _ in range(6):
            yield camera.grab(seed=1)
            stop.wait(0.02)

    with _running(_recipe(bundle, gate=Gate(frozen_frames=3)), FakeCamera("top", script, live=True)) as (station, recorder):
        assert station.wait(5)
        verdicts = [found.verdict for found in recorder.inspections]
        assert verdicts == [Verdict.OK] * 2 + [Verdict.NOT_INSPECTED] * 4
        assert "frozen (3 identical frames)" in recorder.inspections[2].reasons[0].text


def test_a_stale_frame_is_not_inspected(behaviour: Behaviour, bundle: str) -> None:
    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        old = camera.grab().pixels
        yield camera.frame(old, grabbed=time.monotonic() - 3)

    with _running(_recipe(bundle), FakeCamera("top", script, live=True)) as (station, recorder):
        assert station.wait(5)
        assert recorder.inspections[0].verdict is Verdict.NOT_INSPECTED
        assert "stale" in recorder.inspections[0].reasons[0].text


def test_a_region_outside_the_frame_is_named(behaviour: Behaviour, bundle: str) -> None:
    step = InspectModel(bundle=bundle, camera="top", region=RegionModel(x=60, y=0, width=10, height=10))
    recipe = _recipe(bundle).model_copy(update={"inspect": (step,)})
    with _running(recipe, FakeCamera("top", steady(1), live=False)) as (station, recorder):
        assert station.wait(5)
        assert recorder.inspections[0].verdict is Verdict.NOT_INSPECTED
        assert "64 x 48 pixels, too small for the region 60,0 10 x 10" in recorder.inspections[0].reasons[0].text


def test_a_failing_engine_loses_no_part_never_repeats_a_batch_and_is_opened_again(behaviour: Behaviour, bundle: str) -> None:
    calls: list[int] = []

    def before(batch: Prepared) -> None:
        calls.append(len(batch))
        if len(calls) in (2, 3):
            raise EngineError("The engine of {bundle} crashed.", remedy="Look at it.", bundle="states")

    behaviour.before = before
    with _running(_recipe(bundle, max_batch=1), FakeCamera("top", steady(6), live=False)) as (station, recorder):
        assert station.wait(5)
        verdicts = [found.verdict for found in recorder.inspections]
        assert verdicts == [Verdict.OK, Verdict.NOT_INSPECTED, Verdict.NOT_INSPECTED, Verdict.OK, Verdict.OK, Verdict.OK]
        assert recorder.inspections[1].reasons[0].text == "The engine of states crashed."
    assert len(calls) == 6
    assert behaviour.opened == behaviour.closed == 3
    told = [event for event in recorder.events if isinstance(event, Fault | Cleared)]
    assert [type(event) for event in told] == [Fault, Cleared]
    assert {event.where for event in told} == {"states"}


@pytest.mark.allow_logs("Internal error at states")
def test_an_engine_that_never_works_again_is_not_opened_for_ever(behaviour: Behaviour, bundle: str) -> None:
    def before(batch: Prepared) -> None:
        raise RuntimeError("broken")

    behaviour.before = before
    with _running(_recipe(bundle, max_batch=1), FakeCamera("top", steady(12), live=False)) as (station, recorder):
        assert station.wait(5)
        assert station.stats().not_inspected == 12
        assert "RuntimeError: broken" in recorder.inspections[0].reasons[0].text
        assert "given a rest" in recorder.inspections[-1].reasons[0].text
    assert behaviour.opened == 1 + analysis.RESTARTS


@pytest.mark.parametrize("error", [EngineError("it is broken"), ConfigError("it is not there")])
def test_a_start_that_fails_is_told_and_ends_stopped(behaviour: Behaviour, bundle: str, error: ConfigError) -> None:
    behaviour.open_error = error
    with _running(_recipe(bundle), FakeCamera("top", steady(1), live=False), wait=False) as (station, recorder):
        assert station.wait(5)
        assert station.state is StationState.STOPPED
        assert station.failure is error
        assert [fault.where for fault in _faults(recorder)] == ["recipe"]
        behaviour.open_error = None
        station.start()
        recorder.wait_for(lambda it: len(it.inspections) == 1)
        assert station.failure is None


def test_a_late_verdict_is_no_verdict_unless_it_is_ng(behaviour: Behaviour, bundle: str) -> None:
    behaviour.seconds = 0.08

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        yield camera.grab(100)
        yield camera.grab(200)

    with _running(_recipe(bundle, deadline_ms=40), FakeCamera("top", script, live=False)) as (station, recorder):
        assert station.wait(5)
        first, second = recorder.inspections
        assert first.verdict is Verdict.NOT_INSPECTED
        assert "later than the deadline of 40 ms" in first.reasons[0].text
        assert second.verdict is Verdict.NG


def test_a_trigger_takes_the_next_frame_of_a_live_camera(behaviour: Behaviour, bundle: str) -> None:
    camera = FakeCamera("top", steady(0, pause=0.01), live=True)
    with _running(_recipe(bundle, mode="triggered"), camera) as (station, recorder):
        time.sleep(0.1)
        assert not recorder.inspections
        asked = time.monotonic()
        assert station.trigger("serial 7") == "serial 7"
        recorder.wait_for(lambda it: len(it.inspections) == 1)
        (found,) = recorder.inspections
        assert found.part == "serial 7"
        assert found.verdict is Verdict.OK
        assert 0 <= found.frames["top"].monotonic - asked < 0.1
        time.sleep(0.05)
        assert len(recorder.inspections) == 1


def test_a_trigger_asks_a_camera_that_can_wait_for_exactly_one_frame(behaviour: Behaviour, bundle: str) -> None:
    with _running(_recipe(bundle, mode="triggered"), FakeCamera("top", steady(3, part="f{n}"), live=False)) as (
        station,
        recorder,
    ):
        for number in range(4):
            station.trigger(f"t{number}")
            recorder.wait_for(lambda it, seen=number + 1: len(it.inspections) == seen)
        assert [found.part for found in recorder.inspections] == ["t0", "t1", "t2", "t3"]
        assert [found.frames["top"].part for found in recorder.inspections[:3]] == ["f0", "f1", "f2"]
        assert recorder.inspections[3].verdict is Verdict.NOT_INSPECTED
        assert recorder.inspections[3].reasons[0].text == "top has no more frames for this part."


def test_a_trigger_without_a_frame_ends_in_time_with_the_cause(behaviour: Behaviour, bundle: str) -> None:
    def silent(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        stop.wait()
        yield from ()

    with _running(_recipe(bundle, mode="triggered"), FakeCamera("top", silent, live=True)) as (station, recorder):
        started = time.monotonic()
        station.trigger()
        recorder.wait_for(lambda it: len(it.inspections) == 1)
        assert 0.25 < time.monotonic() - started < 2
        assert recorder.inspections[0].verdict is Verdict.NOT_INSPECTED
        assert recorder.inspections[0].reasons[0].text == "top gave no frame for this part in time."


def test_too_many_triggers_are_a_fault_and_no_part_is_lost(behaviour: Behaviour, bundle: str) -> None:
    behaviour.seconds = 0.2
    camera = FakeCamera("top", steady(0, pause=0.002), live=True)
    with _running(_recipe(bundle, mode="triggered", max_batch=2), camera) as (station, recorder):
        names = [station.trigger(f"t{number}") for number in range(8)]
        recorder.wait_for(lambda it: len(it.inspections) == 8)
        assert sorted(found.part for found in recorder.inspections) == sorted(names)
        refused = [found for found in recorder.inspections if found.verdict is Verdict.NOT_INSPECTED]
        assert refused
        assert all("The station is behind" in found.reasons[0].text for found in refused)
        assert "trigger" in {fault.where for fault in _faults(recorder)}
        station.trigger("later")
        recorder.wait_for(lambda it: len(it.inspections) == 9)
        assert recorder.inspections[-1].verdict is Verdict.OK
        assert Cleared("trigger") in recorder.events


def test_stopping_gives_waiting_triggers_their_verdict(behaviour: Behaviour, bundle: str) -> None:
    def silent(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        stop.wait()
        yield from ()

    recipe = _recipe(bundle, mode="triggered", trigger_ms=60_000)
    with _running(recipe, FakeCamera("top", silent, live=True)) as (station, recorder):
        station.trigger("left")
        station.stop()
        assert [found.part for found in recorder.inspections] == ["left"]
        assert "stopped before" in recorder.inspections[0].reasons[0].text


def test_a_camera_that_hangs_does_not_hold_up_stopping_and_is_reported(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.station.pipeline.STOP_SECONDS", 0.3)
    release = threading.Event()

    def hanging(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        release.wait(10)
        yield from ()

    with _running(_recipe(bundle), FakeCamera("top", hanging, live=True)) as (station, recorder):
        recorder.wait_for(lambda it: _states(it) == [CameraState.CONNECTING])
        started = time.monotonic()
        station.stop()
        assert time.monotonic() - started < 2
        assert any("hangs in its driver" in fault.problem.text for fault in _faults(recorder))
    release.set()


def test_other_rules_are_taken_over_without_reopening_anything(behaviour: Behaviour, bundle: str) -> None:
    camera = FakeCamera("top", steady(0, pause=0.01, value=200), live=True)
    recipe = _recipe(bundle)
    with _running(recipe, camera) as (station, recorder):
        recorder.wait_for(lambda it: len(it.inspections) > 2)
        step = recipe.inspect[0].model_copy(update={"ok_classes": ("good", "bad")})
        station.apply(recipe.model_copy(update={"revision": 2, "inspect": (step,)}))
        recorder.wait_for(lambda it: it.inspections[-1].revision == 2)
        assert recorder.inspections[-1].verdict is Verdict.OK
        assert station.recipe.revision == 2
        revisions = [found.revision for found in recorder.inspections]
        assert revisions == sorted(revisions)
        assert {found.verdict for found in recorder.inspections if found.revision == 1} == {Verdict.NG}
    assert behaviour.opened == 1
    assert camera.opened == 1


def test_another_bundle_is_opened_while_the_old_one_goes_on(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    other = str(write_classifier(tmp_path / "other", ok_classes=("bad",)))
    camera = FakeCamera("top", steady(0, pause=0.01, value=200), live=True)
    with _running(_recipe(bundle), camera) as (station, recorder):
        recorder.wait_for(lambda it: len(it.inspections) > 2)
        behaviour.open_seconds = 0.3
        before = len(recorder.inspections)
        station.apply(_recipe(other, revision=2))
        recorder.wait_for(lambda it: it.inspections[-1].revision == 2)
        assert sum(found.revision == 1 for found in recorder.inspections[before:]) > 5
        latest = station.latest()
        assert latest is not None
        assert latest.revision == 2
        assert latest.verdict is Verdict.OK
    assert camera.opened == 1
    assert behaviour.opened == behaviour.closed == 2


def test_a_result_of_an_older_recipe_never_becomes_the_latest(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    other = str(write_classifier(tmp_path / "other"))
    hold, held = threading.Event(), threading.Event()

    def before(batch: Prepared) -> None:
        if not held.is_set():
            held.set()
            hold.wait(5)

    behaviour.before = before
    with _running(_recipe(bundle), FakeCamera("top", steady(1), live=False)) as (station, recorder):
        assert held.wait(5)
        station.apply(_recipe(other, revision=2))
        recorder.wait_for(lambda it: station.recipe.revision == 2)
        hold.set()
        recorder.wait_for(lambda it: len(it.inspections) == 1)
        assert recorder.inspections[0].revision == 1
        assert station.latest() is None


def test_a_recipe_on_other_cameras_takes_over_and_the_old_cameras_stop(behaviour: Behaviour, bundle: str) -> None:
    top, side = FakeCamera("top", steady(0, pause=0.01), live=True), FakeCamera("side", steady(0, pause=0.01), live=True)
    recorder = Recorder()
    station = Station(_recipe(bundle), listeners=[recorder], cameras=opener({"top": top, "side": side}))
    station.start()
    recorder.wait_for(lambda it: len(it.inspections) > 2)
    station.apply(_recipe(bundle, "side", revision=2))
    recorder.wait_for(lambda it: it.inspections[-1].revision == 2)
    assert list(recorder.inspections[-1].frames) == ["side"]
    assert not [thread for thread in threading.enumerate() if thread.name == "camera-top"]
    station.stop()


def test_a_recipe_that_cannot_run_leaves_the_old_one_in_place(behaviour: Behaviour, bundle: str) -> None:
    with _running(_recipe(bundle), FakeCamera("top", steady(0, pause=0.01), live=True)) as (station, recorder):
        station.apply(_recipe("no-such-bundle", revision=2))
        recorder.wait_for(lambda it: bool(_faults(it)))
        assert "no-such-bundle" in _faults(recorder)[0].problem.text
        seen = len(recorder.inspections)
        recorder.wait_for(lambda it: len(it.inspections) > seen + 2)
        assert recorder.inspections[-1].revision == 1
        assert station.state is StationState.RUNNING
        station.apply(_recipe(bundle, revision=3))
        recorder.wait_for(lambda it: Cleared("recipe") in it.events)


@pytest.mark.allow_logs("A listener failed")
def test_a_listener_that_fails_disturbs_nobody(behaviour: Behaviour, bundle: str) -> None:
    recorder = Recorder()

    def broken(event: Event) -> None:
        raise ValueError("listener")

    camera = FakeCamera("top", steady(3), live=False)
    station = Station(_recipe(bundle), listeners=[broken, recorder], cameras=opener({"top": camera}))
    station.start()
    assert station.wait(5)
    station.stop()
    assert len(recorder.inspections) == 3


def test_a_station_can_be_started_again(behaviour: Behaviour, bundle: str) -> None:
    with _running(_recipe(bundle), FakeCamera("top", steady(2), live=False)) as (station, recorder):
        assert station.wait(5)
        station.stop()
        station.start()
        assert station.wait(5)
        assert station.stats().parts == 2
        assert len(recorder.inspections) == 4


def test_one_frame_gets_one_verdict_from_the_station_and_the_inspector(behaviour: Behaviour, bundle: str) -> None:
    recipe = _recipe(bundle)

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        for value in (0, 60, 100, 149, 151, 200, 255):
            yield camera.grab(value)

    with _running(recipe, FakeCamera("top", script, live=False)) as (station, recorder):
        assert station.wait(5)
    with PartInspector(recipe) as inspector:
        for live in recorder.inspections:
            again = inspector.inspect(live.frames)
            assert (again.verdict, again.reasons) == (live.verdict, live.reasons)
            assert len(again.predictions) == len(live.predictions)
            for one, other in zip(again.predictions, live.predictions, strict=True):
                assert one.scores is not None
                assert other.scores is not None
                assert one.scores.tolist() == other.scores.tolist()
    assert len({inspection.verdict for inspection in recorder.inspections}) == 3
