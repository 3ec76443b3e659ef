"""The takt: measured from what parts do, compared with what they take; times that are planted are found again."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from inspector.core.types import Frame
from inspector.imaging.preprocessing import Prepared
from inspector.inspection import batch_inference, parts
from inspector.inspection.status import StageStats, Stats, TaktStats
from inspector.inspection.takt import ENOUGH, Arrivals, headroom_ms, needed_ms
from inspector.recipes.recipe import CameraModel, Gate, InspectModel, Recipe
from inspector.results.records import summary
from inspector.station.counters import COLD, Spread
from inspector.station.station import Station
from tests.station.fakes import Behaviour, FakeCamera, opener, steady


def _recipe(bundle: str, **changes: Any) -> Recipe:
    return Recipe(
        name="test",
        cameras={"top": CameraModel(source="fake", gate=Gate(frozen_frames=0))},
        inspect=(InspectModel(bundle=bundle, camera="top"),),
        **{"max_batch": 1, "max_wait_ms": 0, **changes},
    )


def _run(recipe: Recipe, camera: FakeCamera, seconds: float = 20) -> Stats:
    station = Station(recipe, cameras=opener({"top": camera}))
    station.start()
    try:
        assert station.wait(seconds)
        return station.stats()
    finally:
        station.stop()


def test_a_rhythm_is_a_takt_and_a_source_that_waits_has_none() -> None:
    steadily = Arrivals()
    for number in range(ENOUGH + 1):
        assert steadily.takt_ms() is None
        steadily.came(10 + number * 0.3)
    assert steadily.takt_ms() == pytest.approx(300)
    steadily.came(100.0)  # the line stood still
    assert steadily.takt_ms() == pytest.approx(300)
    waits = Arrivals()
    for number in range(100):
        waits.came(10 + number * 0.3, held_s=0.1)
    assert waits.takt_ms() is None
    assert waits.held


def test_what_fills_the_room_at_the_start_is_no_rhythm() -> None:
    """A folder is read ahead at once, then waits: those few times between files are not a line's."""
    arrivals = Arrivals()
    for number in range(60):
        arrivals.came(number * 0.005)
    for number in range(20):
        arrivals.came(1 + number * 0.1, held_s=0.09)
    assert arrivals.takt_ms() is None


def test_a_takt_that_was_known_is_kept_while_the_source_waits_for_us() -> None:
    arrivals = Arrivals()
    for number in range(20):
        arrivals.came(number * 0.2)
    for number in range(20):
        arrivals.came(10 + number * 0.9, held_s=0.7)
    assert arrivals.held
    assert arrivals.takt_ms() == pytest.approx(200)


def test_planted_times_are_found_in_their_stages(behaviour: Behaviour, bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    grab, infer, decode, verdict = 0.012, 0.030, 0.008, 0.005
    decoded, judged = batch_inference.BundleRunner._decode, parts.judge

    def slow_decode(*arguments: Any) -> None:
        time.sleep(decode)
        decoded(*arguments)

    def slow_judge(*arguments: Any, **named: Any) -> Any:
        time.sleep(verdict)
        return judged(*arguments, **named)

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        for _ in range(40):
            began = time.monotonic()
            time.sleep(grab)
            pixels = camera.grab().pixels
            yield camera.frame(pixels, began=began)

    monkeypatch.setattr(batch_inference.BundleRunner, "_decode", slow_decode)
    monkeypatch.setattr(parts, "judge", slow_judge)
    behaviour.seconds = infer
    stats = _run(_recipe(bundle, takt_ms=200), FakeCamera("top", script, live=False))
    for stage, planted in (("grab", grab), ("infer", infer), ("decode", decode), ("verdict", verdict)):
        # A busy machine wakes a thread late, but less late than a stage would be that is given the engine's time, too.
        assert planted * 1000 <= stats.stages[stage].p50_ms < planted * 1000 + 20, stage
        assert stats.stages[stage].p99_ms >= stats.stages[stage].p50_ms
    total = sum(stats.stages[stage].p50_ms for stage in ("prepare", "infer", "decode", "verdict"))
    assert stats.takt.busy_p50_ms == pytest.approx(total, rel=0.1)
    assert (stats.takt.takt_ms, stats.takt.source) == (200, "recipe")
    room = headroom_ms(stats)
    assert room is not None
    assert room == pytest.approx(200 - (stats.takt.busy_p99_ms or 0))
    said = summary(stats)["summary"]
    assert said["stages"]["infer"]["p50_ms"] == pytest.approx(stats.stages["infer"].p50_ms, abs=1e-3)
    assert list(said["stages"]) == ["grab", "wait", "prepare", "infer", "decode", "verdict"]  # and no zeros for what is not
    assert said["takt"]["headroom_ms"] == pytest.approx(room, abs=1e-3)


def test_the_takt_of_a_live_camera_is_measured_and_slow_parts_are_late(behaviour: Behaviour, bundle: str) -> None:
    def slow_in_between(_batch: Prepared) -> None:
        if len(behaviour.batches) in (30, 35, 40):
            time.sleep(0.25)

    behaviour.before = slow_in_between
    camera = FakeCamera("top", steady(50, pause=0.1), live=True)
    stats = _run(_recipe(bundle), camera)
    assert stats.takt.source == "arrivals"
    assert stats.takt.takt_ms == pytest.approx(100, rel=0.15)
    assert stats.takt.late >= 3
    assert stats.takt.late <= 12  # the slow ones, and those that had to wait for them
    assert not stats.takt.waits


def test_a_folder_read_as_fast_as_it_is_judged_has_no_takt_and_no_late_parts(behaviour: Behaviour, bundle: str) -> None:
    behaviour.seconds = 0.05
    stats = _run(_recipe(bundle), FakeCamera("top", steady(50), live=False))
    assert stats.takt.takt_ms is None
    assert stats.takt.waits
    assert (stats.takt.source, stats.takt.late, stats.takt.load) == ("", 0, None)


def test_a_source_that_waits_is_late_where_the_work_alone_takes_longer_than_the_recipes_takt(
    behaviour: Behaviour, bundle: str
) -> None:
    behaviour.seconds = 0.03
    slow = _run(_recipe(bundle, takt_ms=10), FakeCamera("top", steady(25), live=False))
    assert slow.takt.late == 25
    assert slow.takt.load is not None
    assert slow.takt.load > 2.5
    assert (headroom_ms(slow) or 0) < -15
    quick = _run(_recipe(bundle, takt_ms=500), FakeCamera("top", steady(25), live=False))
    assert quick.takt.late == 0
    assert quick.takt.load is not None
    assert quick.takt.load < 0.5


def test_triggers_are_a_takt(behaviour: Behaviour, bundle: str) -> None:
    station = Station(_recipe(bundle, mode="triggered"), cameras=opener({"top": FakeCamera("top", steady(0), live=False)}))
    station.start()
    try:
        until = time.monotonic() + 5
        while station.status.state.value != "RUNNING":
            assert time.monotonic() < until
            time.sleep(0.01)
        for _ in range(25):
            station.trigger()
            time.sleep(0.1)
        takt = station.stats().takt
        assert takt.source == "triggers"
        assert takt.takt_ms == pytest.approx(100, rel=0.15)
    finally:
        station.stop()


def test_head_room_is_of_the_slowest_of_what_works_side_by_side() -> None:
    takt = TaktStats(takt_ms=100, source="recipe", busy_p50_ms=20, busy_p99_ms=30)
    stats = Stats(parts=50, takt=takt, stages={"grab": StageStats(p50_ms=50, p99_ms=90)})
    assert needed_ms(stats) == 90
    assert headroom_ms(stats) == 10
    assert headroom_ms(replace(stats, stages={})) == 70
    assert headroom_ms(replace(stats, parts=3)) is None  # the worst of three parts is no p99


def test_the_first_parts_are_let_go_once_there_are_others() -> None:
    spread = Spread()
    for number in range(60):
        spread.add(1000.0 if number < COLD else 5.0)
        if number == 10:
            assert spread.percentiles()[1] > 900
    assert spread.percentiles() == (5.0, 5.0)
