"""A station in triggered mode: each trigger ends in one verdict."""

import threading
import time
from collections.abc import Iterator

from inspector.core.types import Frame, Verdict
from tests.station.fakes import (
    Behaviour,
    FakeCamera,
    recipe_of,
    running,
    steady,
)


def test_a_trigger_takes_the_next_frame_of_a_live_camera(behaviour: Behaviour, bundle: str) -> None:
    camera = FakeCamera("top", steady(0, pause=0.01), live=True)
    with running(recipe_of(bundle, mode="triggered"), camera) as (station, recorder):
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
    with running(recipe_of(bundle, mode="triggered"), FakeCamera("top", steady(3, part="f{n}"), live=False)) as (
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

    with running(recipe_of(bundle, mode="triggered"), FakeCamera("top", silent, live=True)) as (station, recorder):
        started = time.monotonic()
        station.trigger()
        recorder.wait_for(lambda it: len(it.inspections) == 1)
        assert 0.25 < time.monotonic() - started < 2
        assert recorder.inspections[0].verdict is Verdict.NOT_INSPECTED
        assert recorder.inspections[0].reasons[0].text == "top gave no frame for this part in time."


def test_too_many_triggers_are_a_fault_and_no_part_is_lost(behaviour: Behaviour, bundle: str) -> None:
    behaviour.seconds = 0.2
    camera = FakeCamera("top", steady(0, pause=0.002), live=True)
    with running(recipe_of(bundle, mode="triggered", max_batch=2), camera) as (station, recorder):
        names = [station.trigger(f"t{number}") for number in range(8)]
        recorder.wait_for(lambda it: len(it.inspections) == 8)
        assert sorted(found.part for found in recorder.inspections) == sorted(names)
        refused = [found for found in recorder.inspections if found.verdict is Verdict.NOT_INSPECTED]
        assert refused
        assert all("The station is behind" in found.reasons[0].text for found in refused)
        assert "trigger" in {where for where, _ in recorder.faults}
        station.trigger("later")
        recorder.wait_for(lambda it: len(it.inspections) == 9)
        assert recorder.inspections[-1].verdict is Verdict.OK
        assert ("trigger", None) in recorder.faults


def test_stopping_gives_waiting_triggers_their_verdict(behaviour: Behaviour, bundle: str) -> None:
    def silent(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        stop.wait()
        yield from ()

    recipe = recipe_of(bundle, mode="triggered", trigger_ms=60_000)
    with running(recipe, FakeCamera("top", silent, live=True)) as (station, recorder):
        station.trigger("left")
        station.stop()
        assert [found.part for found in recorder.inspections] == ["left"]
        assert "stopped before" in recorder.inspections[0].reasons[0].text
