"""What happens to runs beside the trainer: the clock is set, the folder goes, the disk is full, a process is killed."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from inspector.core.message import message
from inspector.core.sentence import sentence
from inspector.runs.folder import MESSAGES, RESERVE, RunRecord, append_packet, create_run, read_run, started, write_run
from inspector.runs.settings import TrainSettings, train_settings
from inspector.training.state import RunState, run_info, settle_run
from inspector.workers.jobs import TrainJob
from inspector.workers.outcome import Cause, End, Outcome
from inspector.workers.process import WorkerProcess

KILLED = Outcome(End.CRASHED, problem=message("It was killed."), cause=Cause.KILLED)


def settings(folder: Path) -> TrainSettings:
    return train_settings({"task": "classification", "data": folder / "data", "out": folder / "bundle"})


def record(**changes: object) -> RunRecord:
    fields = {"name": "n", "settings": {}, "created": datetime.now(UTC), "software": "test", "pid": os.getpid()}
    return RunRecord.model_validate({**fields, "pid_started": started(os.getpid()), **changes})


def test_a_process_is_known_after_the_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert record().alive()
    if sys.platform == "linux":
        known, before = record(), psutil.Process().create_time()
        monkeypatch.setattr("psutil._pslinux.boot_time", lambda: 1_000_000.0)  # reckoned from the clock, which was set
        assert abs(psutil.Process().create_time() - before) > 60
        assert known.alive()
    assert not record(pid_started="another boot 1").alive()
    assert not record(pid_started=12.5).alive()  # of an earlier version
    assert not record(pid=0).alive()
    ended = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    other = record(pid=ended.pid, pid_started=started(ended.pid))
    assert other.alive()
    ended.communicate()
    assert not other.alive()


def test_how_a_run_ended_is_written_once_and_nothing_half_written_stays(tmp_path: Path) -> None:
    folder = create_run(settings(tmp_path))
    write_run(folder, read_run(folder).model_copy(update={"pid": 2**22 + 1, "pid_started": "gone"}))
    for name in (RESERVE, ".last.ckpt.part", ".report.json.part"):
        (folder / name).write_bytes(b"half")
    assert run_info(folder).state is RunState.INTERRUPTED
    settle_run(folder, KILLED)
    assert sorted(path.name for path in folder.iterdir()) == ["messages.jsonl", "run.json"]
    info = run_info(folder)
    assert (info.state, str(info.sentence)) == (RunState.CRASHED, "It was killed.")
    settle_run(folder, Outcome(End.CANCELLED))
    assert run_info(folder).state is RunState.CRASHED


def test_a_run_whose_folder_is_gone_has_nothing_to_be_settled(tmp_path: Path) -> None:
    folder = create_run(settings(tmp_path))
    shutil.rmtree(folder)
    settle_run(folder, KILLED)
    assert not folder.exists()


@pytest.mark.timeout(600)
def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(tmp_path: Path, small_disk: Path) -> None:
    pytest.importorskip("torch")
    from tests.ml.making import FOLDERS, tiny

    asked = tiny("classification", FOLDERS["classification"](tmp_path / "data", 24), small_disk / "bundle", epochs=2)
    folder = create_run(asked)
    (small_disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 100_000))  # too little for a checkpoint
    outcome = _trained(asked, folder)
    assert (outcome.end, outcome.cause) == (End.FAILED, Cause.DISK)
    assert "No space left on device" in str(outcome.problem)
    assert "Free some space" in str(outcome.remedy)
    assert not list(small_disk.rglob(".*"))
    assert not (small_disk / "bundle").exists()
    assert run_info(folder).state is RunState.FAILED
    (small_disk / "ballast").unlink()
    assert _trained(asked, create_run(asked)).end is End.SUCCEEDED


def _trained(asked: TrainSettings, folder: Path) -> Outcome:
    job = WorkerProcess(TrainJob(settings=asked.model_copy(update={"run": folder}).model_dump(mode="json")))
    outcome = job.wait(300)
    job.close()
    assert outcome is not None
    settle_run(folder, outcome)
    return outcome


def test_a_run_that_learnt_nothing_is_done_with_a_warning(tmp_path: Path) -> None:
    folder = create_run(settings(tmp_path))
    said = message("After {epochs} epochs the network finds nothing.", epochs=4)
    told = {"bundle": str(tmp_path / "bundle"), "warnings": [sentence(said).model_dump()], "learnt_nothing": True}
    append_packet(folder / MESSAGES, Outcome(End.SUCCEEDED, told).packet())
    info = run_info(folder)
    assert info.state is RunState.DONE
    assert [warning.text for warning in info.warnings] == ["After 4 epochs the network finds nothing."]
