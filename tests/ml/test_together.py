"""Two processes that train one network: the same result as one with the batch of both, and no waiting for a dead one."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

pytest.importorskip("torch")

import torch

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
def test_a_killed_process_ends_the_others_with_a_sentence(tmp_path: Path) -> None:
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
