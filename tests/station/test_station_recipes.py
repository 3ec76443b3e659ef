"""Another recipe for a running station: what is opened anew, what goes on, what stays when it cannot run."""

import threading
from pathlib import Path

from inspector.core.types import Verdict
from inspector.imaging.preprocessing import Prepared
from inspector.inspection.status import StationState
from inspector.station.station import Station
from tests.station.fakes import (
    Behaviour,
    FakeCamera,
    Recorder,
    faults_of,
    opener,
    recipe_of,
    running,
    steady,
    write_classifier,
)


def test_other_rules_are_taken_over_without_reopening_anything(behaviour: Behaviour, bundle: str) -> None:
    camera = FakeCamera("top", steady(0, pause=0.01, value=200), live=True)
    recipe = recipe_of(bundle)
    with running(recipe, camera) as (station, recorder):
        recorder.wait_for(lambda it: len(it.inspections) > 2)
        step = recipe.inspect[0].model_copy(update={"ok_classes": ("good", "bad")})
        station.apply(recipe.model_copy(update={"revision": 2, "inspect": (step,)}))
        recorder.wait_for(lambda it: it.inspections[-1].revision == 2)
        assert recorder.inspections[-1].verdict is Verdict.OK
        assert station.status.recipe.revision == 2
        revisions = [found.revision for found in recorder.inspections]
        assert revisions == sorted(revisions)
        assert {found.verdict for found in recorder.inspections if found.revision == 1} == {Verdict.NG}
    assert behaviour.opened == 1
    assert camera.opened == 1


def test_another_bundle_is_opened_while_the_old_one_goes_on(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    other = str(write_classifier(tmp_path / "other", ok_classes=("bad",)))
    camera = FakeCamera("top", steady(0, pause=0.01, value=200), live=True)
    with running(recipe_of(bundle), camera) as (station, recorder):
        recorder.wait_for(lambda it: len(it.inspections) > 2)
        behaviour.open_seconds = 0.3
        before = len(recorder.inspections)
        station.apply(recipe_of(other, revision=2))
        recorder.wait_for(lambda it: it.inspections[-1].revision == 2)
        assert sum(found.revision == 1 for found in recorder.inspections[before:]) > 5
        assert recorder.inspections[-1].verdict is Verdict.OK
    assert camera.opened == 1
    assert behaviour.opened == behaviour.closed == 2


def test_a_result_of_an_older_recipe_says_so(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    other = str(write_classifier(tmp_path / "other"))
    hold, held = threading.Event(), threading.Event()

    def before(batch: Prepared) -> None:
        if not held.is_set():
            held.set()
            hold.wait(5)

    behaviour.before = before
    with running(recipe_of(bundle), FakeCamera("top", steady(1), live=False)) as (station, recorder):
        assert held.wait(5)
        station.apply(recipe_of(other, revision=2))
        recorder.wait_for(lambda it: station.status.recipe.revision == 2)
        hold.set()
        recorder.wait_for(lambda it: len(it.inspections) == 1)
        assert recorder.inspections[0].revision == 1
        assert recorder.status.recipe is not None
        assert recorder.status.recipe.revision == 2


def test_a_recipe_on_other_cameras_takes_over_and_the_old_cameras_stop(behaviour: Behaviour, bundle: str) -> None:
    top, side = FakeCamera("top", steady(0, pause=0.01), live=True), FakeCamera("side", steady(0, pause=0.01), live=True)
    recorder = Recorder()
    station = Station(recipe_of(bundle), sinks=[recorder], listeners=[recorder], cameras=opener({"top": top, "side": side}))
    station.start()
    recorder.wait_for(lambda it: len(it.inspections) > 2)
    station.apply(recipe_of(bundle, "side", revision=2))
    recorder.wait_for(lambda it: it.inspections[-1].revision == 2)
    assert list(recorder.inspections[-1].frames) == ["side"]
    assert not [thread for thread in threading.enumerate() if thread.name == "camera-top"]
    station.stop()


def test_a_recipe_that_cannot_run_leaves_the_old_one_in_place(behaviour: Behaviour, bundle: str) -> None:
    with running(recipe_of(bundle), FakeCamera("top", steady(0, pause=0.01), live=True)) as (station, recorder):
        station.apply(recipe_of("no-such-bundle", revision=2))
        recorder.wait_for(lambda it: bool(faults_of(it)))
        assert "no-such-bundle" in faults_of(recorder)[0].problem.text
        seen = len(recorder.inspections)
        recorder.wait_for(lambda it: len(it.inspections) > seen + 2)
        assert recorder.inspections[-1].revision == 1
        assert station.status.state is StationState.RUNNING
        station.apply(recipe_of(bundle, revision=3))
        recorder.wait_for(lambda it: ("recipe", None) in it.faults)
