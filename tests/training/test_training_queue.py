"""Trainings that wait, rest, outlive their window and are ended, with real workers on tiny data."""

import os
import signal
import subprocess
import sys
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


# A window that is closed, and leaves its training in the background, when a line comes.
WINDOW = """
import sys, time
from pathlib import Path
from inspector.runs.settings import TrainSettings
from inspector.training.queue import TrainingQueue
if __name__ == "__main__":
    queue = TrainingQueue(Path(sys.argv[1]))
    folder = queue.add(TrainSettings.model_validate_json(sys.argv[2]))
    while queue.run(folder).metric is None:
        time.sleep(0.05)
    print(folder, flush=True)
    sys.stdin.readline()
    queue.close(detach=True)
    print("closed", flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
def test_a_run_that_is_suspended_while_its_window_is_closed_goes_on_in_the_background(
    queues: Callable[[], TrainingQueue], settings: Callable[..., TrainSettings], tmp_path: Path
) -> None:
    told = settings("long", epochs=LONG).model_dump_json()
    command = [sys.executable, "-c", WINDOW, str(tmp_path / "runs"), told]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as window:
        assert window.stdin is not None
        assert window.stdout is not None
        folder = Path(window.stdout.readline().strip())
        later = queues()
        until(lambda: later.run(folder).state is RunState.RUNNING)
        trainer = psutil.Process(later.run(folder).record.pid)
        trainer.suspend()
        until(lambda: later.run(folder).state is RunState.SUSPENDED)
        began = time.monotonic()
        window.stdin.write("\n")
        window.stdin.flush()
        assert window.stdout.readline() == "closed\n"
        assert time.monotonic() - began < 10
        assert window.wait(30) == 0
    epoch = newest_epoch(later, folder)
    trainer.resume()
    until(lambda: newest_epoch(later, folder) > epoch + 1)
    assert later.run(folder).state is RunState.RUNNING
    later.cancel(folder)
    until(lambda: later.run(folder).outcome is not None)


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
