"""Every part that is owed an answer gets exactly one, at its deadline at the latest, and none after the end."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from inspector import __version__
from inspector.bundles.bundle import Bundle
from inspector.core.errors import ConfigError
from inspector.core.types import Frame, Verdict
from inspector.imaging.preprocessing import Prepared
from inspector.inspection.parts import FrameCapture, Part
from inspector.inspection.status import StationState
from inspector.station.part_assembler import PartAssembler
from inspector.station.station import Station
from tests.station.fakes import Behaviour, FakeCamera, Recorder, opener, recipe_of, running, steady


@pytest.mark.parametrize(
    ("changes", "mode", "expected"),
    [
        ({}, "triggered", 0.3 + 2.0),
        ({"takt_ms": 1000.0}, "triggered", 0.3 + 3.0),
        ({"deadline_ms": 250.0}, "triggered", 0.25),
        ({"deadline_ms": 250.0}, "free", 0.25),
        ({}, "free", None),
    ],
)
def test_the_deadline_is_on_by_default_where_parts_are_triggered(
    changes: dict[str, float], mode: str, expected: float | None
) -> None:
    recipe = recipe_of("states", **changes)
    assert recipe.deadline_s(mode) == (None if expected is None else pytest.approx(expected))  # type: ignore[arg-type]


def test_a_trigger_is_answered_at_its_deadline_though_the_engine_hangs(behaviour: Behaviour, bundle: str) -> None:
    release = threading.Event()

    def before(batch: Prepared) -> None:
        release.wait(30)

    behaviour.before = before
    recipe = recipe_of(bundle, mode="triggered", deadline_ms=150)
    with running(recipe, FakeCamera("top", steady(0), live=False)) as (station, recorder):
        asked = time.monotonic()
        station.trigger("t")
        recorder.wait_for(lambda it: len(it.inspections) == 1)
        assert time.monotonic() - asked >= 0.15
        (found,) = recorder.inspections
        assert (found.part, found.verdict) == ("t", Verdict.NOT_INSPECTED)
        assert found.reasons[0].text == "There was no verdict within the deadline of 150 ms."
        release.set()
        recorder.wait_for(lambda _it: bool(behaviour.batches))
        station.trigger("next")
        recorder.wait_for(lambda it: len(it.inspections) == 2)
        assert recorder.inspections[1].verdict is Verdict.OK
    assert [found.part for found in recorder.inspections] == ["t", "next"]
    assert station.stats().parts == 2


def test_a_trigger_without_a_frame_is_answered_at_its_deadline(behaviour: Behaviour, bundle: str) -> None:
    def silent(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        stop.wait()
        yield from ()

    recipe = recipe_of(bundle, mode="triggered", trigger_ms=60_000, deadline_ms=100)
    with running(recipe, FakeCamera("top", silent, live=True)) as (station, recorder):
        station.trigger("t")
        recorder.wait_for(lambda it: len(it.inspections) == 1)
        assert recorder.inspections[0].reasons[0].text == "There was no verdict within the deadline of 100 ms."


def test_triggers_that_come_while_the_station_stops_are_refused_or_answered_once(behaviour: Behaviour, bundle: str) -> None:
    behaviour.seconds = 0.002
    camera = FakeCamera("top", steady(0), live=False)
    with running(recipe_of(bundle, mode="triggered"), camera) as (station, recorder):
        accepted: list[str] = []
        stop = threading.Event()

        def press(name: str) -> None:
            for number in range(100_000):
                try:
                    accepted.append(station.trigger(f"{name}{number}"))
                except ConfigError:
                    return
                if stop.wait(0.0005):
                    return

        pressing = [threading.Thread(target=press, args=(name,)) for name in "ab"]
        for thread in pressing:
            thread.start()
        recorder.wait_for(lambda it: len(it.inspections) > 20)
        station.stop()
        told = len(recorder.inspections)
        assert recorder.states[-1] is StationState.STOPPED
        for thread in pressing:
            thread.join(10)
            assert not thread.is_alive()
        stop.set()
        assert len(recorder.inspections) == told  # nothing after STOPPED
        assert Counter(found.part for found in recorder.inspections) == Counter(accepted)
        assert station.stats().parts == told


def test_a_part_that_an_engine_has_when_the_station_stops_is_answered(
    behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.station.pipeline.STOP_SECONDS", 0.2)
    release, begun = threading.Event(), threading.Event()

    def before(batch: Prepared) -> None:
        begun.set()
        release.wait(30)

    behaviour.before = before
    try:
        with running(recipe_of(bundle), FakeCamera("top", steady(1), live=False)) as (station, recorder):
            assert begun.wait(5)
            station.stop()
            (found,) = recorder.inspections
            assert found.verdict is Verdict.NOT_INSPECTED
            assert "stopped before" in found.reasons[0].text
    finally:
        release.set()


def test_a_limit_is_the_number_of_parts_that_are_judged_saved_and_told(behaviour: Behaviour, bundle: str) -> None:
    behaviour.others = 2
    recorder = Recorder()
    camera = FakeCamera("top", steady(0), live=False)
    station = Station(recipe_of(bundle), sinks=[recorder], cameras=opener({"top": camera}), limit=10)
    station.start()
    try:
        assert station.wait(20)
        assert [found.sequence for found in recorder.inspections] == list(range(10))
        assert sum(behaviour.batches) == 10
    finally:
        station.stop()
    assert len(recorder.inspections) == station.stats().parts == 10


def test_an_inspection_says_what_judged_it(behaviour: Behaviour, bundle: str) -> None:
    recipe = recipe_of(bundle)
    with running(recipe, FakeCamera("top", steady(1), live=False)) as (station, recorder):
        assert station.wait(5)
    (found,) = recorder.inspections
    assert found.judged_by.bundles == {bundle: Bundle.open(Path(bundle)).fingerprint}
    assert found.judged_by.software == __version__
    assert len(found.judged_by.recipe_digest) == 64
    assert found.predictions[0].threshold == 0.6
    changed = recipe.model_copy(update={"inspect": (recipe.inspect[0].model_copy(update={"threshold": 0.7}),)})
    with running(changed, FakeCamera("top", steady(1), live=False)) as (station, recorder):
        assert station.wait(5)
    (other,) = recorder.inspections
    assert other.predictions[0].threshold == 0.7
    assert other.judged_by.recipe_digest != found.judged_by.recipe_digest


def test_a_part_whose_frame_never_comes_is_given_up_also_when_no_more_parts_are_answered() -> None:
    """A camera that was opened anew begins with its first part again; the other has gone past it and never delivers it."""
    answered: list[str] = []

    def opened(part: Part) -> bool:
        answered.append(part.name)
        return len(answered) <= 1

    assembler = PartAssembler({"visible": False, "thermal": False}, mode="free", join_s=1.0, trigger_s=1.0, opened=opened)
    assembler.add("visible", FrameCapture(None, part="P000000"))
    assert assembler.expired() == []
    assembler.add("thermal", FrameCapture(None, part="P000019"))
    (part,) = assembler.expired()
    assert [failure.text for failure in part.failures] == ["thermal gave no frame for this part in time."]
    assert len(assembler) == 0
