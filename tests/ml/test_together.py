"""Two processes that train one network: the same result as one with the batch of both, and no waiting for a dead one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

pytest.importorskip("torch")

import torch

from inspector.core.bundle import Bundle
from inspector.core.errors import ConfigError
from inspector.core.runs import create_run, read_curves, read_messages
from inspector.core.training import TrainSettings
from inspector.ml import trainer
from inspector.station.jobs import Job
from tests.ml.making import FOLDERS, Told, tiny


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


@pytest.mark.timeout(300)
def test_a_killed_process_ends_the_others_with_a_sentence_and_the_run_goes_on(tmp_path: Path) -> None:
    settings = small(tmp_path, "run", batch=2, devices=2, epochs=3000, threads=1)
    folder = create_run(settings)
    job = Job("train", {"settings": settings.model_dump(mode="json")}, listener=lambda packet: None, low_priority=False)
    try:
        end = time.monotonic() + 200
        while not read_curves(folder):
            assert job.outcome is None, job.outcome
            assert time.monotonic() < end
            time.sleep(0.1)
        (other,) = [
            process
            for process in psutil.Process().children(recursive=True)
            if process.cmdline()[-4:-2] == ["worker", "rank"] or "rank" in process.cmdline()
        ]
        os.kill(other.pid, signal.SIGKILL)
        outcome = job.wait(60)
    finally:
        job.cancel()
        job.close()
    assert outcome is not None
    assert outcome.problem is not None
    assert "A process that trained together with this one has ended" in outcome.problem.text
    assert read_messages(folder)[-1].type == "failed"
    done = len(read_curves(folder))
    again = Told(cancel_after=2)
    kept = settings.model_copy(update={"keep_best": True})
    bundle = trainer.train(kept, again, resume=True)  # type: ignore[arg-type]
    assert again.metrics[0]["epoch"] in (done, done + 1)  # the epoch of the kill may be written and not saved
    assert Bundle.open(bundle.folder).card.training["epochs_done"] == again.metrics[-1]["epoch"]


@pytest.mark.timeout(300)
def test_torchrun_trains_one_bundle(tmp_path: Path) -> None:
    """As on several computers: the same command for each process."""
    FOLDERS["thermal"](tmp_path / "data", 24)
    options = ["--task", "thermal", "--data", str(tmp_path / "data"), "--size", "32", "--option", "filters=4"]
    options += ["--option", "head=stats", "--batch", "2", "--epochs", "2", "--threads", "1", "--out", str(tmp_path / "bundle")]
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "inspector", "train", "--json"]
    done = subprocess.run([sys.executable, *command, *options], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [line["metric"]["epoch"] for line in lines if "metric" in line] == [1, 2]
    assert Bundle.open(tmp_path / "bundle").card.training["epochs_done"] == 2
    assert len(read_curves(tmp_path / "bundle.run")) == 2
