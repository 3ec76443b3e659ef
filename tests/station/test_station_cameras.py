"""The station with cameras that are too fast, apart, lost, frozen or hanging: what is judged, joined, told and opened again."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from inspector.core.errors import CameraError, ConfigError
from inspector.core.types import Frame, Verdict
from inspector.inspection.status import CameraState, CameraStatus
from inspector.recipes.recipe import Gate, InspectModel, RegionModel
from inspector.station import camera_runner
from inspector.station.camera_runner import CameraRunner
from tests.station.fakes import (
    Behaviour,
    FakeCamera,
    Script,
    faults_of,
    recipe_of,
    running,
    states_of,
    steady,
)


def test_a_live_camera_that_is_too_fast_loses_its_oldest_frames_and_they_are_counted(behaviour: Behaviour, bundle: str) -> None:
    behaviour.seconds = 0.05
    with running(recipe_of(bundle, max_batch=2), FakeCamera("top", steady(60, pause=0.005), live=True)) as (
        station,
        recorder,
    ):
        assert station.wait(10)
        stats = station.stats()
        assert stats.dropped > 0
        assert stats.parts + stats.dropped == 60
        assert stats.camera_fps["top"] > 0
        assert recorder.inspections[-1].frames["top"].sequence == 59


def _sizes(*sides: tuple[int, int]) -> Script:
    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        for number, side in enumerate(sides):
            noise = np.random.default_rng(number).integers(95, 106, (*side, 3))
            yield camera.frame(noise.astype(np.uint8))
            stop.wait(0.05)  # each is judged before the next one comes

    return script


@pytest.mark.parametrize("set_up", [None, (64, 48), (96, 72)])
def test_frames_of_another_size_than_before_or_in_the_recipe_are_not_inspected(
    behaviour: Behaviour, bundle: str, set_up: tuple[int, int] | None
) -> None:
    """Smaller, larger, or on its side: the region fits all of them."""
    sides = ((48, 64), (72, 96), (64, 48), (40, 60), (48, 64))  # rows and columns
    recipe = recipe_of(bundle, max_batch=1)
    recipe = recipe.model_copy(update={"cameras": {"top": recipe.cameras["top"].model_copy(update={"frame_size": set_up})}})
    with running(recipe, FakeCamera("top", _sizes(*sides), live=True)) as (station, recorder):
        assert station.wait(10)
    expected = set_up or (64, 48)
    assert len(recorder.inspections) == len(sides)
    for (height, width), found in zip(sides, recorder.inspections, strict=True):
        same = (width, height) == expected
        assert found.verdict is (Verdict.OK if same else Verdict.NOT_INSPECTED)
        if not same:
            assert f"are {width} x {height} pixels, and were {expected[0]} x {expected[1]}" in found.reasons[0].text


def test_files_of_any_size_are_inspected_unless_the_recipe_says_one(behaviour: Behaviour, bundle: str) -> None:
    recipe = recipe_of(bundle, max_batch=1)
    with running(recipe, FakeCamera("top", _sizes((48, 64), (72, 96)), live=False)) as (station, recorder):
        assert station.wait(10)
    assert [found.verdict for found in recorder.inspections] == [Verdict.OK, Verdict.OK]


def test_a_camera_that_can_wait_loses_nothing_however_slow_the_engine(behaviour: Behaviour, bundle: str) -> None:
    behaviour.seconds = 0.03
    with running(recipe_of(bundle, max_batch=2), FakeCamera("top", steady(25), live=False)) as (station, _):
        assert station.wait(10)
        assert (station.stats().parts, station.stats().dropped) == (25, 0)


def test_an_unreadable_file_has_its_verdict_and_the_rest_goes_on(behaviour: Behaviour, bundle: str) -> None:
    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        for number in range(4):
            if number in (1, 2):
                camera.skip(f"p{number}", ConfigError("{file} is empty.", file=f"p{number}.png"))
            else:
                yield camera.grab(part=f"p{number}")

    with running(recipe_of(bundle), FakeCamera("top", script, live=False)) as (station, recorder):
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
    with running(recipe_of(bundle, "top", "side"), top, side) as (station, recorder):
        assert station.wait(10)
        assert [found.part for found in recorder.inspections] == [f"P{n}" for n in range(20)]
        for found in recorder.inspections:
            assert list(found.frames) == ["top", "side"]
            assert {frame.part for frame in found.frames.values()} == {found.part}
            assert len(found.predictions) == 2
            assert found.verdict is Verdict.NG


def test_two_folders_are_joined_by_position(behaviour: Behaviour, bundle: str) -> None:
    cameras = FakeCamera("top", steady(5), live=False), FakeCamera("side", steady(3), live=False)
    with running(recipe_of(bundle, "top", "side"), *cameras) as (station, recorder):
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
    with running(recipe_of(bundle, "top", "side"), top, side) as (_, recorder):
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
    monkeypatch.setattr(camera_runner, "PAUSES", (0.02,))

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        if camera.opened in (2, 3):
            raise CameraError("{camera} does not answer.", remedy="Check the cable.", camera=camera.name)
        yield camera.grab()
        if camera.opened == 1:
            raise CameraError("{camera} was unplugged.", camera=camera.name)

    with running(recipe_of(bundle), FakeCamera("top", script, live=True)) as (station, recorder):
        assert station.wait(5)
        assert station.stats().parts == 2
    S = CameraState
    assert states_of(recorder) == [S.CONNECTING, S.STREAMING, S.LOST, S.LOST, S.LOST, S.STREAMING, S.ENDED]
    problems = [str(status.problem) for status in recorder.cameras("top") if status.problem]
    assert problems == ["top was unplugged.", "top does not answer.", "top does not answer."]


def test_a_live_camera_is_tried_for_ever_and_ever_more_slowly(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_runner, "PAUSES", (0.01, 0.02, 0.04))

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        raise CameraError("no answer")
        yield

    camera = FakeCamera("top", script, live=True)
    with running(recipe_of(bundle), camera) as (station, recorder):
        recorder.wait_for(lambda it: camera.opened > 8)
        assert CameraState.FAULT not in states_of(recorder)
        assert not station.wait(0)


@pytest.mark.parametrize(("retryable", "attempts"), [(False, 1), (True, 6)])
def test_a_camera_that_cannot_mend_itself_is_given_up(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch, retryable: bool, attempts: int
) -> None:
    monkeypatch.setattr(camera_runner, "PAUSES", (0.01,))

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        raise CameraError("no such file", retryable=retryable)
        yield

    camera = FakeCamera("top", script, live=False)
    with running(recipe_of(bundle), camera) as (station, recorder):
        assert station.wait(5)
        assert states_of(recorder)[-1] is CameraState.FAULT
        assert camera.opened == attempts


@pytest.mark.allow_logs("The camera top failed")
def test_a_defect_in_a_driver_is_a_lost_camera_and_not_the_end(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_runner, "PAUSES", (0.01,))

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        if camera.opened == 1:
            raise ZeroDivisionError("in the driver")
        yield camera.grab()

    with running(recipe_of(bundle), FakeCamera("top", script, live=True)) as (station, recorder):
        assert station.wait(5)
        assert station.stats().parts == 1
        assert CameraState.LOST in states_of(recorder)


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
    with running(recipe_of(bundle, gate=gate), FakeCamera("top", script, live=False)) as (station, recorder):
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

    with running(recipe_of(bundle, gate=Gate(frozen_frames=3)), FakeCamera("top", script, live=True)) as (station, recorder):
        assert station.wait(5)
        verdicts = [found.verdict for found in recorder.inspections]
        assert verdicts == [Verdict.OK] * 2 + [Verdict.NOT_INSPECTED] * 4
        assert "frozen (3 identical frames)" in recorder.inspections[2].reasons[0].text


def test_a_damaged_picture_of_a_live_camera_is_a_part_without_verdict_and_overwritten_ones_are_dropped(
    behaviour: Behaviour, bundle: str
) -> None:
    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        yield camera.grab()
        camera.skip("", CameraError("The picture of {source} is damaged.", source="rtsp://cam/live"))
        camera.lose(3)
        yield camera.grab()

    with running(recipe_of(bundle), FakeCamera("top", script, live=True)) as (station, recorder):
        assert station.wait(5)
        verdicts = [found.verdict for found in recorder.inspections]
        assert verdicts == [Verdict.OK, Verdict.NOT_INSPECTED, Verdict.OK]
        assert recorder.inspections[1].reasons[0].text == "The picture of rtsp://cam/live is damaged."
        assert recorder.inspections[1].source == "rtsp://cam/live"
        assert station.stats().dropped == 3


def test_a_stale_frame_is_not_inspected(behaviour: Behaviour, bundle: str) -> None:
    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        old = camera.grab().pixels
        yield camera.frame(old, grabbed=time.monotonic() - 3)

    with running(recipe_of(bundle), FakeCamera("top", script, live=True)) as (station, recorder):
        assert station.wait(5)
        assert recorder.inspections[0].verdict is Verdict.NOT_INSPECTED
        assert "stale" in recorder.inspections[0].reasons[0].text


def test_a_region_outside_the_frame_is_named(behaviour: Behaviour, bundle: str) -> None:
    step = InspectModel(bundle=bundle, camera="top", region=RegionModel(x=60, y=0, width=10, height=10))
    recipe = recipe_of(bundle).model_copy(update={"inspect": (step,)})
    with running(recipe, FakeCamera("top", steady(1), live=False)) as (station, recorder):
        assert station.wait(5)
        assert recorder.inspections[0].verdict is Verdict.NOT_INSPECTED
        assert "64 x 48 pixels, too small for the region 60,0 10 x 10" in recorder.inspections[0].reasons[0].text


def test_a_camera_that_hangs_does_not_hold_up_stopping_and_is_reported(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.station.pipeline.STOP_SECONDS", 0.3)
    inside, release = threading.Event(), threading.Event()

    def hanging(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        inside.set()
        release.wait(10)
        yield from ()

    with running(recipe_of(bundle), FakeCamera("top", hanging, live=True)) as (station, recorder):
        recorder.wait_for(lambda it: states_of(it) == [CameraState.CONNECTING])
        assert inside.wait(5)
        started = time.monotonic()
        station.stop()
        assert time.monotonic() - started < 2
        assert any("hangs in its driver" in fault.problem.text for fault in faults_of(recorder))
    release.set()


def test_a_camera_that_is_stopped_while_it_starts_never_begins() -> None:
    asked: list[str] = []

    def frames(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        asked.append(camera.name)
        yield from ()

    def stop_at_once(_name: str, _status: CameraStatus) -> None:
        runner.ask_to_stop()

    runner = CameraRunner(
        FakeCamera("top", frames, live=True),
        wanted=lambda _name, _stop: True,
        deliver=lambda _frame, _origin: None,
        report=stop_at_once,
        unreadable=lambda _name, _part, _error, _origin: None,
        lost=lambda _count: None,
        fault=lambda _where, _problem, _remedy: None,
    )
    runner.start()
    assert runner.join(1.0)
    assert asked == []
