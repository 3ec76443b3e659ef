"""Trainings that wait, rest, outlive their window and are ended, with real workers on tiny data."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

pytest.importorskip("torch")

from inspector.bundles.bundle import Bundle
from inspector.core.errors import JobError
from inspector.runs.settings import TrainSettings
from inspector.training.queue import TrainingQueue
from inspector.training.state import RunInfo, RunState
from inspector.workers.outcome import Cause
from inspector.workers.process import End
from tests.ml.making import FOLDERS, tiny

pytestmark = pytest.mark.timeout(600)  # each waits for processes that import torch

LONG = 100_000 // 20  # epochs that nobody waits for


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., TrainSettings]:
    data = FOLDERS["classification"](tmp_path / "data", 24)

    def make(name: str, **changes: object) -> TrainSettings:
        return tiny("classification", data, tmp_path / "unused", name=name, **changes)

    return make


@pytest.fixture
def queues(tmp_path: Path) -> Iterator[Callable[[], TrainingQueue]]:
    made: list[TrainingQueue] = []

    def make() -> TrainingQueue:
        made.append(TrainingQueue(tmp_path / "runs"))
        return made[-1]

    yield make
    for queue in made:
        queue.close(detach=False)


def until(found: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.05)


def newest_epoch(queue: TrainingQueue, folder: Path) -> int:
    metric = queue.run(folder).metric
    return 0 if metric is None else metric.epoch


def busy(info: RunInfo) -> float:
    times = psutil.Process(info.record.pid).cpu_times()
    return times.user + times.system


def test_one_after_the_other_and_stopped_with_the_best(
    queues: Callable[[], TrainingQueue], settings: Callable[..., TrainSettings]
) -> None:
    queue = queues()
    first, second = queue.add(settings("one", epochs=LONG)), queue.add(settings("two", epochs=2))
    until(lambda: bool(queue.run(first).metric))
    assert queue.run(second).state is RunState.WAITING
    queue.pause(first)
    until(lambda: queue.run(first).state is RunState.PAUSED)
    time.sleep(0.5)
    before, epoch = busy(queue.run(first)), queue.run(first).metric.epoch
    time.sleep(1.5)
    assert busy(queue.run(first)) - before < 0.2
    assert queue.run(first).metric.epoch == epoch
    queue.resume(first)
    until(lambda: queue.run(first).metric.epoch > epoch + 1)
    queue.stop(first)
    until(lambda: queue.run(first).outcome is not None)
    until(lambda: queue.run(second).outcome is not None)
    for folder in (first, second):
        info = queue.run(folder)
        assert info.state is RunState.DONE
        assert info.bundle is not None
        assert Bundle.open(info.bundle).card.name == info.name
    queue.remove(second)
    assert not second.exists()


def test_a_run_outlives_its_window_and_listens_to_the_next(
    queues: Callable[[], TrainingQueue], settings: Callable[..., TrainSettings]
) -> None:
    queue = queues()
    folder = queue.add(settings("long", epochs=LONG))
    until(lambda: bool(queue.run(folder).metric))
    queue.close(detach=True)
    later = queues()
    info = later.run(folder)
    assert info.state is RunState.RUNNING
    epoch = info.metric.epoch
    until(lambda: later.run(folder).metric.epoch > epoch)
    with pytest.raises(JobError):
        later.remove(folder)
    later.cancel(folder)
    until(lambda: later.run(folder).outcome is not None)
    ended = later.run(folder)
    assert (ended.state, ended.bundle) == (RunState.CANCELLED, None)
    assert not (folder / "bundle").exists()
    until(lambda: not info.record.alive())  # the worker has told its end, and is nobody's child any more


def test_a_killed_run_is_told_and_can_go_on(
    queues: Callable[[], TrainingQueue], settings: Callable[..., TrainSettings]
) -> None:
    queue = queues()
    folder = queue.add(settings("killed", epochs=200))
    until(lambda: bool(queue.run(folder).metric) and queue.run(folder).metric.epoch > 2)
    os.kill(queue.run(folder).record.pid, signal.SIGKILL)
    until(lambda: queue.run(folder).outcome is not None)
    info = queue.run(folder)
    assert info.outcome is not None
    assert (info.outcome.end, info.outcome.cause) == (End.CRASHED, Cause.KILLED)
    assert "killed" in str(info.sentence)
    assert info.resumable
    reached = info.metric.epoch
    queue.resume_interrupted(folder)
    until(lambda: queue.run(folder).state is RunState.RUNNING and newest_epoch(queue, folder) > reached)
    queue.stop(folder)
    until(lambda: queue.run(folder).state is RunState.DONE)
