"""Two processes that train one network: the same result as one with the batch of both, and no waiting for a dead one."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

pytest.importorskip("torch")

import torch

from inspector.core.errors import ConfigError
from inspector.ml.train import trainer
from inspector.runs.folder import create_run, read_curves, read_messages, read_run
from inspector.runs.settings import TrainSettings
from inspector.training.state import RunState, run_info
from inspector.workers.jobs import Trained, TrainJob
from inspector.workers.outcome import Cause, End
from inspector.workers.process import WorkerProcess
from tests.ml.making import FOLDERS, Told, tiny

LIMIT_S = 240.0


@pytest.fixture(autouse=True)
def _threads_as_before() -> object:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def small(tmp_path: Path, name: str, **changes: object) -> TrainSettings:
    data = tmp_path / "data"
    if not data.exists():
        FOLDERS["thermal"](data, 32)
    places = {"run": tmp_path / name, "val": 0.25, "test": 0.25}
    return tiny("thermal", data, tmp_path / f"{name}.bundle", **{**places, "epochs": 3, **changes})


@pytest.mark.timeout(300)
def test_two_processes_are_one_with_twice_the_batch(tmp_path: Path) -> None:
    """A network without batch normalisation, because its statistics are each process's own. Adam, accumulating, averaging."""
    how = {"accumulate": 2, "ema": 0.5, "augment": "standard"}
    report = Told()
    two = trainer.train(small(tmp_path, "two", batch=2, devices=2, **how), report)  # type: ignore[arg-type] # as Report
    one = trainer.train(small(tmp_path, "one", batch=4, **how), Told())  # type: ignore[arg-type]
    for name, array in one.weights().items():
        np.testing.assert_allclose(array, two.weights()[name], rtol=2e-3, atol=2e-4, err_msg=name)
    curves = [read_curves(tmp_path / name) for name in ("one", "two")]
    assert len(curves[1]) == len(report.metrics) == 3
    for mine, other in zip(*curves, strict=True):
        assert other["loss"] == pytest.approx(mine["loss"], rel=1e-3)
        assert other["mae_kelvin"] == pytest.approx(mine["mae_kelvin"], rel=1e-3)
    assert one.card.metrics["mae_kelvin"] == pytest.approx(two.card.metrics["mae_kelvin"], rel=1e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "one", "one.bundle", "two", "two.bundle"]
    assert "RANK" not in os.environ


def test_folds_are_refused_on_several_devices(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trained on one device"):
        trainer.train(small(tmp_path, "run", devices=2, folds=3), Told())  # type: ignore[arg-type]


def started(settings: TrainSettings, *, resume: bool = False) -> tuple[Path, WorkerProcess]:
    folder = create_run(settings, resume=resume)
    return folder, WorkerProcess(TrainJob(settings=settings.model_dump(mode="json")))


def until_epoch(folder: Path, job: WorkerProcess, epoch: int) -> None:
    end = time.monotonic() + LIMIT_S
    while len(read_curves(folder)) < epoch:
        assert job.outcome is None, job.outcome
        assert time.monotonic() < end
        time.sleep(0.02)


def until_state(folder: Path, state: RunState) -> None:
    end = time.monotonic() + LIMIT_S
    while run_info(folder).state is not state:
        assert time.monotonic() < end
        time.sleep(0.1)


def companion(job: WorkerProcess) -> psutil.Process:
    """The process that trains along with the first one."""
    (found,) = [one for one in psutil.Process().children(recursive=True) if "rank" in one.cmdline()]
    return found


@pytest.mark.timeout(900)
def test_a_killed_process_ends_the_others_with_a_sentence_and_the_run_goes_on_with_the_same_curve(tmp_path: Path) -> None:
    settings = small(tmp_path, "broken", batch=2, devices=2, epochs=60, threads=1)
    folder, job = started(settings)
    try:
        until_epoch(folder, job, 2)
        companion(job).send_signal(signal.SIGKILL)
        killed = time.monotonic()
        outcome = job.wait(LIMIT_S)
        assert time.monotonic() - killed < 20
    finally:
        job.cancel()
        job.close()
    assert outcome is not None
    assert (outcome.end, outcome.cause) == (End.FAILED, Cause.KILLED)
    assert outcome.problem is not None
    assert "A process that trained together with this one has ended" in outcome.problem.text
    assert "was killed (SIGKILL)" in outcome.problem.text
    assert "Go on from the last epoch" in str(outcome.remedy)
    assert read_messages(folder)[-1].type == "failed"
    done = len(read_curves(folder))
    assert 2 <= done < 60
    _, again = started(settings, resume=True)
    assert again.result(Trained).bundle.is_dir()
    again.close()
    trainer.train(small(tmp_path, "whole", batch=2, devices=2, epochs=60, threads=1), Told())  # type: ignore[arg-type]
    broken, unbroken = (read_curves(tmp_path / name) for name in ("broken", "whole"))
    assert [row["epoch"] for row in broken] == list(range(1, 61))
    for name in ("loss", "val_loss", "mae_kelvin"):
        here, there = ({row["epoch"]: row[name] for row in rows if name in row} for rows in (broken, unbroken))
        assert here.keys() == there.keys()  # some epochs are not validated
        assert {1, 60} <= here.keys()
        np.testing.assert_allclose(list(here.values()), list(there.values()), rtol=1e-5, err_msg=name)


@pytest.mark.timeout(300)
def test_no_process_outlives_the_first_one(tmp_path: Path) -> None:
    folder, job = started(small(tmp_path, "run", batch=2, devices=2, epochs=3000, threads=1))
    try:
        until_epoch(folder, job, 1)
        other = companion(job)
        if sys.platform != "win32":
            other.suspend()
            until_state(folder, RunState.SUSPENDED)
            assert f"The worker process {other.pid} is suspended" in str(run_info(folder).sentence)
            other.resume()
            until_state(folder, RunState.RUNNING)
        os.kill(read_run(folder).pid, signal.SIGKILL)
        outcome = job.wait(LIMIT_S)
        assert outcome is not None
        assert (outcome.end, outcome.cause) == (End.CRASHED, Cause.KILLED)
        other.wait(30)
    finally:
        job.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform == "win32", reason="processes there end in other ways")
def test_a_training_is_cancelled_while_one_of_its_processes_is_suspended(tmp_path: Path) -> None:
    folder, job = started(small(tmp_path, "run", batch=2, devices=2, epochs=3000, threads=1))
    try:
        until_epoch(folder, job, 1)
        other = companion(job)
        other.suspend()
        until_state(folder, RunState.SUSPENDED)
        job.cancel()
        outcome = job.wait(LIMIT_S)
        assert outcome is not None
        assert (outcome.end, outcome.signal) == (End.CANCELLED, "")
        other.wait(30)
        assert run_info(folder).resumable
    finally:
        job.close()
