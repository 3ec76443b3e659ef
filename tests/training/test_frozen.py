"""A training that a window left in the background and that freezes is ended by the next window, and can go on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from inspector.runs.folder import ALIVE, create_run
from inspector.runs.settings import TrainSettings
from inspector.training import state
from inspector.training.queue import TrainingQueue
from inspector.training.state import RunInfo, RunState
from inspector.workers.outcome import Cause

# What a detached training does, but for the training.
DETACHED = """
import sys, time
from pathlib import Path
from inspector.ml.channel import Journal
from inspector.ml.work import take_run
from inspector.ml.worker import hello
folder = Path(sys.argv[1])
with take_run(folder):
    journal = Journal(folder)
    journal.write(hello().line())
    print("trains", flush=True)
    while True:
        journal.beat()
        time.sleep(0.05)
"""


STOPPABLE = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")


def _until(queue: TrainingQueue, folder: Path, reached: RunState) -> RunInfo:
    end = time.monotonic() + 30
    while (info := queue.run(folder)).state is not reached:
        assert time.monotonic() < end, info
        time.sleep(0.05)
    return info


@contextmanager
def _detached(folder: Path) -> Iterator[tuple[TrainingQueue, Path, int]]:
    """Yield the queue of the next window, the run folder, and the process of a training that the window before left."""
    runs = folder / "runs"
    settings = TrainSettings(task="classification", data=folder, out=folder / "bundle", run=runs / "one")
    run = create_run(settings)
    process = subprocess.Popen([sys.executable, "-c", DETACHED, str(run)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"trains\n"
        queue = TrainingQueue(runs)
        try:
            _until(queue, run, RunState.RUNNING)
            yield queue, run, process.pid
        finally:
            queue.close(detach=True)
    finally:
        process.kill()
        process.communicate()


@STOPPABLE
def test_a_training_in_the_background_that_freezes_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "SILENT_S", 2.0)
    with _detached(tmp_path) as (queue, folder, pid):
        time.sleep(3.0)  # longer than the patience: it works, without a word
        assert queue.run(folder).state is RunState.RUNNING
        os.kill(pid, signal.SIGSTOP)
        ended = _until(queue, folder, RunState.CRASHED)
        assert ended.outcome is not None
        assert ended.outcome.cause is Cause.FROZEN
        assert not psutil.pid_exists(pid)
        assert not (folder / ALIVE).exists()


@STOPPABLE
def test_a_suspended_training_is_named_and_goes_on_when_it_is_let(tmp_path: Path) -> None:
    with _detached(tmp_path) as (queue, folder, pid):
        os.kill(pid, signal.SIGSTOP)
        suspended = _until(queue, folder, RunState.SUSPENDED)
        assert f"The worker process {pid} is suspended" in str(suspended.sentence)
        assert queue.run(folder).outcome is None
        os.kill(pid, signal.SIGCONT)
        assert _until(queue, folder, RunState.RUNNING).sentence is None
        os.kill(pid, signal.SIGSTOP)
        _until(queue, folder, RunState.SUSPENDED)
        queue.cancel(folder)
        _until(queue, folder, RunState.CANCELLED)
        assert not psutil.pid_exists(pid)
