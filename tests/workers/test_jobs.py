"""Jobs: a typed outcome for whatever a worker process does."""

import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from inspector.bundles.bundle import Bundle
from inspector.core.errors import ConfigError, JobError
from inspector.imaging.preprocessing import InputSpec
from inspector.workers import process
from inspector.workers.jobs import GraphJob, GraphWritten, Trained
from inspector.workers.messages import Log, WorkerMessage
from inspector.workers.process import End, Outcome, WorkerProcess
from tests.untrained import write_untrained

LIMIT_S = 60.0

SCRIPT = """
import os, sys, time
from inspector.core.registry import Entry
from inspector.ml import worker
from inspector.ml.channel import Cancelled
from inspector.workers.jobs import Trained
from inspector.workers.messages import EpochDone, Progress
def work(job, report):
    report.log(str(os.getpid()))
    {body}
worker.WORK = {{"graph": Entry("__main__:work", "Test")}}
sys.exit(worker.run())
"""
PATIENT = "while not report.cancelled(): time.sleep(0.01)\n    raise Cancelled"
DEAF = "time.sleep(300)"


class Listener:
    def __init__(self) -> None:
        self.messages: list[WorkerMessage] = []
        self.outcomes: list[Outcome] = []
        self.pid = 0
        self.ready = threading.Event()

    def take(self, message: WorkerMessage) -> None:
        self.messages.append(message)
        if isinstance(message, Log) and not self.ready.is_set():
            self.pid = int(message.text)
            self.ready.set()


def start(monkeypatch: pytest.MonkeyPatch, body: str, **options: Any) -> tuple[WorkerProcess, Listener]:
    text = SCRIPT.format(body=body)
    monkeypatch.setattr(process, "worker_command", lambda kind: [sys.executable, "-c", text])
    listener = Listener()
    job = WorkerProcess(GraphJob(bundle=Path("none")), listener=listener.take, ended=listener.outcomes.append, **options)
    assert listener.ready.wait(LIMIT_S)
    return job, listener


def test_a_job_tells_its_progress_and_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    job, listener = start(
        monkeypatch, "report.progress(Progress(phase='train')); report.metric(EpochDone(epoch=1)); return Trained(bundle='b')"
    )
    assert job.result(Trained) == Trained(bundle=Path("b"))
    outcome = job.close()
    assert outcome.end is End.SUCCEEDED
    assert [message.type for message in listener.messages] == ["hello", "log", "progress", "metric"]
    assert listener.outcomes == [outcome]
    assert job.outcome is outcome


def test_a_job_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    job, listener = start(monkeypatch, PATIENT)
    began = time.monotonic()
    job.cancel()
    job.cancel()
    outcome = job.wait(LIMIT_S)
    assert outcome is not None
    assert outcome.end is End.CANCELLED
    assert time.monotonic() - began < 5
    with pytest.raises(JobError, match="cancelled"):
        job.result(Trained)
    job.close()
    assert listener.outcomes == [outcome]


def test_cancel_returns_at_once_and_ends_work_that_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    job, listener = start(monkeypatch, DEAF, grace=0.3)
    began = time.monotonic()
    job.cancel()
    assert time.monotonic() - began < 0.2
    outcome = job.wait(LIMIT_S)
    assert outcome is not None
    assert outcome.end is End.CANCELLED
    assert not psutil.pid_exists(listener.pid)
    job.close()


def test_a_crash_is_a_job_error(monkeypatch: pytest.MonkeyPatch) -> None:
    job, _ = start(monkeypatch, "os.abort()")
    with pytest.raises(JobError, match="ended unexpectedly"):
        job.result(Trained)
    assert job.close().end is End.CRASHED


def test_closing_a_running_job_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    job, listener = start(monkeypatch, PATIENT)
    assert job.close().end is End.CANCELLED
    assert not psutil.pid_exists(listener.pid)


def test_the_real_worker_exports_a_bundle(tmp_path: Path) -> None:
    source = write_untrained(
        tmp_path / "source", network_options={"filters": 4, "head": "gap"}, input=InputSpec(width=16, height=16)
    )
    seen: list[str] = []
    job = WorkerProcess(
        GraphJob(bundle=source.folder, out=tmp_path / "out"), listener=lambda message: seen.append(message.type)
    )
    result = job.result(GraphWritten)
    job.close()
    assert result.bundle == tmp_path / "out"
    assert 0 <= result.difference < 1e-4
    assert Bundle.open(tmp_path / "out").card.classes == source.card.classes
    assert seen == ["hello", "artifact"]


def test_what_the_real_worker_refuses_keeps_its_kind(tmp_path: Path) -> None:
    job = WorkerProcess(GraphJob(bundle=tmp_path / "none", out=tmp_path / "out"))
    with pytest.raises(ConfigError, match="There is no bundle"):
        job.result(GraphWritten)
    assert job.close().end is End.FAILED
