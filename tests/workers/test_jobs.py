"""Jobs: a typed outcome for whatever a worker process does."""

import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from inspector.bundles.bundle import Bundle, Card
from inspector.core.errors import ConfigError, JobError
from inspector.core.images import InputSpec
from inspector.workers import process
from inspector.workers.jobs import Job
from inspector.workers.process import End, Outcome
from inspector.workers.protocol import Packet

LIMIT_S = 60.0

SCRIPT = """
import os, sys, time
from inspector.ml import worker
from inspector.ml.worker import Cancelled, Report
def work(job, channel):
    report = Report(channel)
    report.log(str(os.getpid()))
    {body}
worker.WORK = {{"test": work}}
sys.exit(worker.run("test", {{}}))
"""
PATIENT = "while not report.cancelled(): time.sleep(0.01)\n    raise Cancelled"
DEAF = "time.sleep(300)"


class Listener:
    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.outcomes: list[Outcome] = []
        self.pid = 0
        self.ready = threading.Event()

    def take(self, packet: Packet) -> None:
        self.packets.append(packet)
        if packet.type == "log" and not self.ready.is_set():
            self.pid = int(packet.fields["text"])
            self.ready.set()


def start(monkeypatch: pytest.MonkeyPatch, body: str, **options: Any) -> tuple[Job, Listener]:
    text = SCRIPT.format(body=body)
    monkeypatch.setattr(process, "worker_command", lambda kind, job: [sys.executable, "-c", text])
    listener = Listener()
    job = Job("test", {}, listener=listener.take, ended=listener.outcomes.append, **options)
    assert listener.ready.wait(LIMIT_S)
    return job, listener


def test_a_job_tells_its_progress_and_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    job, listener = start(monkeypatch, "report.progress(epoch=1); report.metric(dice=0.9); return {'bundle': 'b'}")
    assert dict(job.result()) == {"bundle": "b"}
    outcome = job.close()
    assert outcome.end is End.SUCCEEDED
    assert [packet.type for packet in listener.packets] == ["hello", "log", "progress", "metric"]
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
        job.result()
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
        job.result()
    assert job.close().end is End.CRASHED


def test_closing_a_running_job_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    job, listener = start(monkeypatch, PATIENT)
    assert job.close().end is End.CANCELLED
    assert not psutil.pid_exists(listener.pid)


def test_the_real_worker_exports_a_bundle(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from inspector.ml.export.network import write_trained_bundle
    from inspector.ml.graph import build_network

    torch.manual_seed(0)
    card = Card(
        name="small",
        task="classification",
        network="simple_cnn",
        network_options={"filters": 4, "head": "gap"},
        classes=("normal", "severe"),
        input=InputSpec(width=16, height=16),
        mean=(120.0,) * 3,
        std=(60.0,) * 3,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        software="test",
    )
    source = write_trained_bundle(tmp_path / "source", card, build_network(card))
    seen: list[str] = []
    fields = {"bundle": str(source.folder), "out": str(tmp_path / "out")}
    job = Job("export", fields, listener=lambda packet: seen.append(packet.type))
    result = job.result()
    job.close()
    assert Path(result["bundle"]) == tmp_path / "out"
    assert 0 <= result["difference"] < 1e-4
    assert Bundle.open(tmp_path / "out").card.classes == card.classes
    assert seen == ["hello", "artifact"]


def test_what_the_real_worker_refuses_keeps_its_kind(tmp_path: Path) -> None:
    job = Job("export", {"bundle": str(tmp_path / "none"), "out": str(tmp_path / "out")})
    with pytest.raises(ConfigError, match="There is no bundle"):
        job.result()
    assert job.close().end is End.FAILED
