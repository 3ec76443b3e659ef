"""The station with cameras and engines whose every move is decided here: order, batches, engines, start and stop."""

import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from inspector.core.errors import ConfigError, EngineError
from inspector.core.message import Message
from inspector.core.types import Frame, Scores, Verdict
from inspector.imaging.preprocessing import Prepared
from inspector.inspection import batch_inference
from inspector.inspection.parts import FrameCapture, Part, PartResult
from inspector.inspection.program import Program, load_program
from inspector.inspection.status import CameraState, StationState, StationStatus
from inspector.station.inspection_thread import InspectionThread
from inspector.station.part_inspector import PartInspector
from inspector.station.station import Station
from tests.station.fakes import (
    Behaviour,
    FakeCamera,
    Recorder,
    frame,
    opener,
    recipe_of,
    running,
    states_of,
    steady,
)


def test_a_finite_source_is_judged_completely_in_order_and_in_batches(behaviour: Behaviour, bundle: str) -> None:
    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        for number in range(30):
            yield camera.grab(200 if number % 3 == 0 else 100)

    behaviour.seconds = 0.01
    with running(recipe_of(bundle), FakeCamera("top", script, live=False)) as (station, recorder):
        assert station.wait(10)
        assert [found.sequence for found in recorder.inspections] == list(range(30))
        expected = [Verdict.NG if number % 3 == 0 else Verdict.OK for number in range(30)]
        assert [found.verdict for found in recorder.inspections] == expected
        stats = station.stats()
        assert (stats.parts, stats.ng, stats.ok, stats.dropped) == (30, 10, 20, 0)
        assert stats.yield_share == pytest.approx(2 / 3)
        assert stats.latency_p99_ms >= stats.latency_p50_ms > 0
        assert {"frames", "wait", "prepare", "infer", "decode", "verdict"} <= stats.stages.keys()
    assert max(behaviour.batches) == 4
    assert sum(behaviour.batches) == 30
    assert states_of(recorder) == [CameraState.CONNECTING, CameraState.STREAMING, CameraState.ENDED]
    assert recorder.states == [StationState.STARTING, StationState.RUNNING, StationState.STOPPING, StationState.STOPPED]
    assert behaviour.opened == behaviour.closed == 1


def _alternating(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
    """Thirty frames, every third of them bad."""
    for number in range(30):
        yield camera.grab(200 if number % 3 == 0 else 100)


def test_batches_side_by_side_keep_their_frames_and_their_order(behaviour: Behaviour, bundle: str) -> None:
    behaviour.others, behaviour.seconds = 2, 0.01
    with running(recipe_of(bundle), FakeCamera("top", _alternating, live=False)) as (station, recorder):
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
    recipe = recipe_of(bundle, deadline_ms=10_000.0)
    with running(recipe, FakeCamera("top", _alternating, live=False)) as (station, recorder):
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
    behaviour.seconds = 0.05  # longer than the camera takes for all frames, so that batches wait for the engine
    with running(recipe_of(bundle), FakeCamera("top", _alternating, live=False)) as (station, recorder):
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
    with running(recipe_of(bundle), FakeCamera("top", steady(0), live=False)) as (station, recorder):
        recorder.wait_for(lambda _it: behaviour.under_way >= 2)
        station.stop()
        begun = sum(behaviour.batches)
        assert behaviour.under_way == 0
        assert [found.sequence for found in recorder.inspections] == list(range(begun))
        assert {found.verdict for found in recorder.inspections} == {Verdict.OK}


def test_a_lone_part_is_not_kept_waiting_for_company(behaviour: Behaviour, bundle: str) -> None:
    behaviour.others = 2
    with running(recipe_of(bundle), FakeCamera("top", steady(10, pause=0.05), live=True)) as (station, recorder):
        assert station.wait(10)
        assert max(found.latency_ms for found in recorder.inspections) < 45
    assert behaviour.most_under_way == 0


def test_starting_does_not_wait_for_the_engine(behaviour: Behaviour, bundle: str) -> None:
    behaviour.open_seconds = 0.5
    station = Station(recipe_of(bundle), cameras=opener({"top": FakeCamera("top", steady(1), live=False)}))
    started = time.monotonic()
    station.start()
    assert time.monotonic() - started < 0.3
    assert station.status.state is StationState.STARTING
    with pytest.raises(ConfigError, match="not running"):
        station.trigger()
    assert station.wait(5)
    assert station.stats().parts == 1
    station.stop()


def test_stopping_while_the_engine_opens_leaves_nothing_behind(behaviour: Behaviour, bundle: str) -> None:
    behaviour.open_seconds = 0.3
    with running(recipe_of(bundle), FakeCamera("top", steady(0), live=True), wait=False) as (station, recorder):
        time.sleep(0.1)
        station.stop()
        assert station.status.state is StationState.STOPPED
    assert behaviour.opened == behaviour.closed == 1
    assert not recorder.inspections


def test_a_failing_engine_loses_no_part_never_repeats_a_batch_and_is_opened_again(behaviour: Behaviour, bundle: str) -> None:
    calls: list[int] = []

    def before(batch: Prepared) -> None:
        calls.append(len(batch))
        if len(calls) in (2, 3):
            raise EngineError("The engine of {bundle} crashed.", remedy="Look at it.", bundle="states")

    behaviour.before = before
    with running(recipe_of(bundle, max_batch=1), FakeCamera("top", steady(6), live=False)) as (station, recorder):
        assert station.wait(5)
        verdicts = [found.verdict for found in recorder.inspections]
        assert verdicts == [Verdict.OK, Verdict.NOT_INSPECTED, Verdict.NOT_INSPECTED, Verdict.OK, Verdict.OK, Verdict.OK]
        assert recorder.inspections[1].reasons[0].text == "The engine of states crashed."
    assert len(calls) == 6
    assert behaviour.opened == behaviour.closed == 3
    first, second = recorder.faults
    assert first[0] == "states"
    assert first[1] is not None
    assert second == ("states", None)


@pytest.mark.allow_logs("Internal error at states")
def test_an_engine_that_never_works_again_is_not_opened_for_ever(behaviour: Behaviour, bundle: str) -> None:
    def before(batch: Prepared) -> None:
        raise RuntimeError("broken")

    behaviour.before = before
    with running(recipe_of(bundle, max_batch=1), FakeCamera("top", steady(12), live=False)) as (station, recorder):
        assert station.wait(5)
        assert station.stats().not_inspected == 12
        assert "RuntimeError: broken" in recorder.inspections[0].reasons[0].text
        assert "given a rest" in recorder.inspections[-1].reasons[0].text
    assert behaviour.opened == 1 + batch_inference.RESTARTS


@pytest.mark.parametrize("error", [EngineError("it is broken"), ConfigError("it is not there")])
def test_a_start_that_fails_is_told_and_ends_stopped(behaviour: Behaviour, bundle: str, error: ConfigError) -> None:
    behaviour.open_error = error
    with running(recipe_of(bundle), FakeCamera("top", steady(1), live=False), wait=False) as (station, recorder):
        assert station.wait(5)
        assert station.status.state is StationState.STOPPED
        assert station.status.failure is error
        assert [where for where, _ in recorder.faults] == ["recipe"]
        behaviour.open_error = None
        station.start()
        recorder.wait_for(lambda it: len(it.inspections) == 1)
        assert station.status.failure is None


def test_a_part_is_answered_at_its_deadline_while_the_engine_still_works(behaviour: Behaviour, bundle: str) -> None:
    """And what the engine says of it later, NG or not, is told to nobody."""
    go_on = threading.Event()
    behaviour.before = lambda batch: go_on.wait(10) and None
    camera = FakeCamera("top", steady(2, value=200), live=False)
    with running(recipe_of(bundle, deadline_ms=40, max_batch=1), camera) as (station, recorder):
        recorder.wait_for(lambda it: len(it.inspections) == 2)
        assert behaviour.batches == []
        go_on.set()
        assert station.wait(5)
    for found in recorder.inspections:
        assert found.verdict is Verdict.NOT_INSPECTED
        assert found.reasons[0].text == "There was no verdict within the deadline of 40 ms."
        assert found.latency_ms >= 40
    assert len(recorder.inspections) == station.stats().parts == 2


@pytest.mark.allow_logs("A listener failed")
def test_a_listener_that_fails_disturbs_nobody(behaviour: Behaviour, bundle: str) -> None:
    recorder = Recorder()

    def broken(status: StationStatus) -> None:
        raise ValueError("listener")

    camera = FakeCamera("top", steady(3), live=False)
    station = Station(recipe_of(bundle), sinks=[recorder], listeners=[broken, recorder], cameras=opener({"top": camera}))
    station.start()
    assert station.wait(5)
    station.stop()
    assert len(recorder.inspections) == 3


def test_a_station_can_be_started_again(behaviour: Behaviour, bundle: str) -> None:
    with running(recipe_of(bundle), FakeCamera("top", steady(2), live=False)) as (station, recorder):
        assert station.wait(5)
        station.stop()
        station.start()
        assert station.wait(5)
        assert station.stats().parts == 2
        assert len(recorder.inspections) == 4


def test_one_frame_gets_one_verdict_from_the_station_and_the_inspector(behaviour: Behaviour, bundle: str) -> None:
    recipe = recipe_of(bundle)

    def script(camera: FakeCamera, stop: threading.Event) -> Iterator[Frame]:
        for value in (0, 60, 100, 149, 151, 200, 255):
            yield camera.grab(value)

    with running(recipe, FakeCamera("top", script, live=False)) as (station, recorder):
        assert station.wait(5)
    with PartInspector(recipe) as inspector:
        for live in recorder.inspections:
            again = inspector.inspect(live.frames)
            assert (again.verdict, again.reasons) == (live.verdict, live.reasons)
            assert len(again.predictions) == len(live.predictions)
            for one, other in zip(again.predictions, live.predictions, strict=True):
                assert one.expect(Scores).values.tolist() == other.expect(Scores).values.tolist()
    assert len({inspection.verdict for inspection in recorder.inspections}) == 3


class _Work:
    """Gives three parts one by one, and cannot take the first verdict."""

    busy = False

    def __init__(self) -> None:
        self.left = [
            Part(f"p{number}", number, time.monotonic(), captures={"top": FrameCapture(frame())}) for number in range(3)
        ]
        self.taken: list[str] = []
        self.failed = False

    def serves(self, thread: InspectionThread) -> bool:
        return len(self.taken) < 2

    def next_parts(self, *, under_way: bool) -> list[Part]:
        return [self.left.pop(0)] if self.left else []

    def conclude(self, found: Sequence[tuple[Part, PartResult]], program: Program) -> None:
        if not self.failed:
            self.failed = True
            raise ZeroDivisionError("in a receiver")
        self.taken += [part.name for part, _ in found]


@pytest.mark.allow_logs("A batch could not be inspected")
def test_a_defect_in_what_takes_a_verdict_is_said_and_leaves_no_deaf_line(behaviour: Behaviour, bundle: str) -> None:
    work = _Work()
    told: list[tuple[str, Message | None]] = []
    program = load_program(recipe_of(bundle), None)
    thread = InspectionThread(
        program, work, report=lambda where, problem, remedy: told.append((where, problem)), ready=lambda thread, error: None
    )
    assert thread.join(20)
    assert work.taken == ["p1", "p2"]
    assert [(where, problem.text) for where, problem in told if problem is not None] == [
        ("inspection", "Internal error while inspecting: ZeroDivisionError: in a receiver")
    ]
    assert behaviour.closed == behaviour.opened
