"""The output stage: every verdict to every sink, in order; records before all others; a slow display delays nobody."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from inspector.core.errors import StorageError
from inspector.core.types import Inspection, Verdict
from inspector.inspection.status import StationState, StationStatus
from inspector.results.sink import NotRecorded, Sink
from inspector.station.station import Station
from tests.station.fakes import Behaviour, FakeCamera, Recorder, opener, recipe_of, steady


class _Sink(Sink):
    """Does with each inspection what the test says, and keeps the sequence numbers."""

    def __init__(self, name: str, take: Callable[[Inspection], None] = lambda inspection: None) -> None:
        self.name = name  # type: ignore[misc]  # each sink of a test is its own kind
        self.taken: list[int] = []
        self.opened: list[StationStatus] = []
        self.closed: list[StationStatus] = []
        self._take = take

    def open(self, status: StationStatus) -> None:
        self.opened.append(status)

    def take(self, inspection: Inspection) -> None:
        self._take(inspection)
        self.taken.append(inspection.sequence)

    def close(self, status: StationStatus) -> None:
        self.closed.append(status)


class _Record(_Sink):
    records = True


class _Display(_Sink):
    drop = "oldest"
    size = 2


def _run(bundle: str, sinks: list[Sink], *, parts: int = 30) -> tuple[Station, Recorder]:
    camera, recorder = FakeCamera("top", steady(parts), live=False), Recorder()
    station = Station(recipe_of(bundle), sinks=sinks, listeners=[recorder], cameras=opener({"top": camera}))
    station.start()
    return station, recorder


def test_every_sink_is_told_every_part_in_order_and_only_after_it_was_recorded(behaviour: Behaviour, bundle: str) -> None:
    record = _Record("record")
    early: list[int] = []

    def told(inspection: Inspection) -> None:
        if inspection.sequence not in record.taken:
            early.append(inspection.sequence)

    line, archive = _Sink("line", told), _Sink("archive", told)
    station, recorder = _run(bundle, [line, record, archive])
    assert station.wait(20)
    station.stop()
    for sink in (record, line, archive):
        assert sink.taken == list(range(30))
        assert sink.opened[0].recipe is not None
        assert sink.opened[0].recipe.rules  # complete: what it left to the bundles is filled in
        assert [status.stats.parts for status in sink.closed] == [30]
    assert not early
    assert recorder.status.state is StationState.STOPPED


def test_stopping_saves_everything_that_was_judged(behaviour: Behaviour, bundle: str) -> None:
    slow = threading.Event()
    archive = _Sink("archive", lambda inspection: slow.wait(0.01) and None)
    station, recorder = _run(bundle, [archive], parts=0)
    recorder.wait_for(lambda _it: len(archive.taken) > 5)
    station.stop()
    assert archive.taken == list(range(station.stats().parts))


def test_a_display_that_is_slow_skips_parts_and_the_archive_has_them_all(behaviour: Behaviour, bundle: str) -> None:
    release = threading.Event()
    display, archive = _Display("display", lambda inspection: release.wait(20) and None), _Sink("archive")
    station, recorder = _run(bundle, [display, archive])
    recorder.wait_for(lambda _it: len(archive.taken) == 30, 20)
    release.set()
    assert station.wait(20)
    station.stop()
    assert archive.taken == list(range(30))
    assert display.taken == sorted(display.taken)
    assert len(display.taken) < 30
    assert display.taken[-1] == 29
    assert station.stats().stages["to display"].drops == 30 - len(display.taken)


@pytest.mark.allow_logs("The sink archive failed")
def test_a_loss_is_a_fault_until_it_is_over(behaviour: Behaviour, bundle: str) -> None:
    def take(inspection: Inspection) -> None:
        if inspection.sequence in (2, 3):
            raise StorageError("{file} cannot be written ({detail}).", file="a.png", detail="full")
        if inspection.sequence == 4:
            raise ZeroDivisionError("in the sink")

    archive, line = _Sink("archive", take), _Sink("line")
    station, recorder = _run(bundle, [archive, line], parts=6)
    assert station.wait(20)
    station.stop()
    assert line.taken == list(range(6))
    assert archive.taken == [0, 1, 5]
    told = [(where, None if fault is None else fault.problem.text) for where, fault in recorder.faults]
    assert told == [
        ("archive", "a.png cannot be written (full)."),
        ("archive", "This program has a defect: ZeroDivisionError: in the sink."),
        ("archive", None),
    ]


def test_a_sink_that_cannot_be_opened_lets_no_line_start(behaviour: Behaviour, bundle: str) -> None:
    class Refusing(_Sink):
        def open(self, status: StationStatus) -> None:
            raise StorageError("{file} cannot be written.", file="out")

    first = _Sink("first")
    station, recorder = _run(bundle, [first, Refusing("second")])
    assert station.wait(20)
    station.stop()
    assert behaviour.closed == behaviour.opened == 1, "no engine is left to the end of the process"
    assert recorder.states == [StationState.STARTING, StationState.STOPPED]
    assert isinstance(station.status.failure, StorageError)
    assert len(first.closed) == 1
    assert first.taken == []


def test_a_station_that_is_started_again_opens_its_sinks_again(behaviour: Behaviour, bundle: str) -> None:
    sink = _Sink("sink")
    station, _ = _run(bundle, [sink], parts=3)
    assert station.wait(20)
    station.stop()
    station.start()
    assert station.wait(20)
    station.stop()
    assert sink.taken == [0, 1, 2, 0, 1, 2]
    assert len(sink.opened) == len(sink.closed) == 2


def test_the_last_word_counts_what_the_line_was_told_while_the_station_stopped(behaviour: Behaviour, bundle: str) -> None:
    answers = threading.Event()

    def take(inspection: Inspection) -> None:
        answers.wait(20)
        raise NotRecorded("The disk is slow.", replace(inspection, verdict=Verdict.NOT_INSPECTED))

    record, line = _Record("record", take), _Sink("line")
    station, recorder = _run(bundle, [record, line], parts=5)
    recorder.wait_for(lambda _it: station.stats().ok == 5)
    stopping = threading.Thread(target=station.stop)
    stopping.start()
    recorder.wait_for(lambda it: it.status.state is StationState.STOPPING)
    answers.set()
    stopping.join()
    for sink in (record, line):
        (status,) = sink.closed
        assert (status.stats.parts, status.stats.ok, status.stats.not_inspected) == (5, 0, 5)
    assert line.taken == list(range(5))
