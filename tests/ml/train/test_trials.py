"""Folds and learning curves: what they train on and measure, and that a run goes on from them."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import nnls

pytest.importorskip("torch")

import torch

from inspector.bundles.bundle import Bundle
from inspector.core.errors import ConfigError
from inspector.core.types import Annotation, TaskName
from inspector.data.annotations import read_dataset
from inspector.data.samples import Sample
from inspector.data.split import split_samples
from inspector.ml.channel import Cancelled
from inspector.ml.train import fit, trainer
from inspector.ml.train.checkpoint import save_whole
from inspector.ml.train.crossval import Measured, fit_power_law, k_folds, learning_curve, learning_plan, nested
from inspector.ml.train.resampling import _Trial, more_images
from inspector.runs.folder import CHECKPOINT, REPORT, REPORT_HTML, TRIALS, read_run
from inspector.runs.report import TrainReport, read_report
from inspector.runs.settings import TrainSettings
from inspector.workers.messages import Progress
from tests.ml.making import FOLDERS, Told, tiny


@pytest.fixture(autouse=True)
def _threads_as_before() -> object:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(settings: TrainSettings, report: Told | None = None, *, resume: bool = False) -> Bundle:
    return trainer.train(settings, report or Told(), resume=resume)  # type: ignore[arg-type] # has the methods of Report


def small(tmp_path: Path, task: TaskName, name: str = "run", **changes: object) -> TrainSettings:
    data = tmp_path / "data"
    if not data.exists():
        FOLDERS[task](data, 24)
    return tiny(task, data, tmp_path / f"{name}.bundle", run=tmp_path / name, **{"epochs": 2, **changes})


def told(tmp_path: Path, name: str = "run") -> TrainReport:
    return read_report(tmp_path / name / REPORT)


def samples(count: int, *, lot: int) -> list[Sample]:
    return [
        Sample(f"{at:03d}", Path(f"{at:03d}"), f"lot {at // lot}", str(at % 3), Annotation(label=at % 3)) for at in range(count)
    ]


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_folds_test_every_sample_once_and_keep_lots_together(folds: int) -> None:
    found = samples(60, lot=4)
    splits = k_folds(found, folds, seed=1, val=0.2)
    assert sorted(sample.name for split in splits for sample in split.test) == [sample.name for sample in found]
    for split in splits:
        lots = [{sample.group for sample in part} for part in (split.train, split.val, split.test)]
        assert all(lots)
        assert not any(one & other for one, other in combinations(lots, 2))
        assert len(split.train) + len(split.val) + len(split.test) == 60
    with pytest.raises(ConfigError, match="15 groups of images are too few for 16 folds"):
        k_folds(found, 16)


def test_parts_for_a_learning_curve_are_nested() -> None:
    found = samples(60, lot=1)
    parts = nested(found, (0.25, 0.5, 1.0), seed=3)
    assert [len(part) for part in parts] == [15, 30, 60]
    names = [{sample.name for sample in part} for part in parts]
    assert names[0] < names[1] < names[2]
    assert [sorted(sample.stratum for sample in parts[0]).count(name) for name in "012"] == [5, 5, 5]
    split = split_samples(found, val=0.2, test=0.2, seed=0)
    plan = learning_plan(split, repeats=3)
    assert len(plan) == 12
    assert all(one.test == split.test and one.val == split.val and set(one.train) <= set(split.train) for one, _ in plan)


def test_the_power_law_is_found_and_its_forecast_holds() -> None:
    """The law that made the numbers, and for a fixed exponent the non-negative least squares of scipy."""
    n = np.array([25.0, 50, 75, 100] * 2)
    a, b, c = fit_power_law(n, 0.9 * n**-0.6 + 0.05)
    assert (a, b, c) == pytest.approx((0.9, 0.6, 0.05), rel=0.1)
    rng = np.random.default_rng(0)
    error = 0.9 * n**-0.6 + 0.05 + rng.normal(0, 0.004, 8)
    a, b, c = fit_power_law(n, error)
    residual = float(((a * n**-b + c - error) ** 2).sum())
    others = [nnls(np.column_stack((n**-power, np.ones(8))), error)[1] ** 2 for power in np.linspace(0.05, 2, 79)]
    assert residual == pytest.approx(min(others), rel=1e-6)
    runs = [Measured(int(count), 1 - value) for count, value in zip(n, error, strict=True)]
    found = learning_curve(runs, more=50)
    assert found.gain is not None
    wanted = 0.9 * 100**-0.6 - 0.9 * 150**-0.6
    assert found.gain.low < wanted < found.gain.high
    assert found.gain.low < found.gain.value < found.gain.high
    assert learning_curve(runs, more=1000).refused is not None
    assert learning_curve(runs[:4], more=10).refused is not None
    flat = [Measured(int(count), 0.8 + 0.02 * (-1) ** at) for at, count in enumerate(n)]
    refused = learning_curve(flat, more=50).refused
    assert refused is not None
    assert "No gain can be promised" in refused.text


def test_a_forecast_is_for_a_round_number_of_images() -> None:
    assert [more_images(count) for count in (1, 9, 24, 80, 137, 1200)] == [1, 4, 10, 40, 60, 600]


@pytest.mark.parametrize("task", ["classification", "detection", "segmentation", "thermal"])
def test_folds_are_measured_before_the_final_training_and_do_not_change_it(tmp_path: Path, task: TaskName) -> None:
    report = Told()
    bundle = run(small(tmp_path, task, folds=3), report)
    plain = run(small(tmp_path, task, "plain"))
    for name, array in plain.weights().items():
        assert np.array_equal(array, bundle.weights()[name]), name
    found = told(tmp_path).cross_validation
    assert found is not None
    assert len(found.values) == found.planned == 3
    assert found.pooled.low <= found.pooled.value <= found.pooled.high
    assert told(tmp_path, "plain").cross_validation is None
    steps = [one for one in report.progresses if one["phase"] == "folds"]
    assert [*dict.fromkeys((one["fold"], one["folds"]) for one in steps)] == [(1, 3), (2, 3), (3, 3)]
    assert [metric["epoch"] for metric in report.metrics] == [1, 2]  # folds are no rows of the curve
    assert [line for line in report.logs if line.startswith("Fold ")] == [
        f"Fold {number} of 3: {found_name(task)} {abs(value):.4g}." for number, value in enumerate(found.values, start=1)
    ]
    assert "Cross-validation" in (tmp_path / "run" / REPORT_HTML).read_text("utf-8")
    assert any(line.text.startswith("Cross-validation in 3 folds") for line in told(tmp_path).summary)
    assert not (tmp_path / "run" / TRIALS).exists()


def test_the_time_left_is_that_of_all_trainings() -> None:
    report = Told()
    trial = _Trial(report, {"phase": "folds", "fold": 1, "folds": 3}, left=3)
    time.sleep(0.2)
    trial.progress(Progress(phase="train", epoch=2, epochs=2, step=3, steps=3, loss=0.1, eta_s=0.0))
    trial.progress(Progress(phase="test", steps=1))
    (only,) = report.progresses
    assert (only["phase"], only["fold"], only["epoch"]) == ("folds", 1, 2)
    assert 0.6 <= float(str(only["eta_s"])) < 6


def found_name(task: TaskName) -> str:
    return {"classification": "macro_f1", "detection": "map50", "segmentation": "dice", "thermal": "mae_kelvin"}[task]


def test_the_test_part_is_left_alone_by_the_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []
    inner = fit.Fit

    class Watched(inner):  # type: ignore[misc, valid-type] # a class taken from the module under test
        def __init__(
            self, settings: object, card: object, network: object, inputs: dict[str, object], *rest: object, **more: object
        ) -> None:
            super().__init__(settings, card, network, inputs, *rest, **more)
            seen.append({sample.name for part in inputs.values() for sample in part.samples})  # type: ignore[attr-defined]

    monkeypatch.setattr(fit, "Fit", Watched)  # where the registry of learners takes it from
    settings = small(tmp_path, "classification", folds=3, learning_curve=True)
    run(settings)
    split = split_samples(read_dataset(settings.data, settings.task).samples, val=0.25, test=0.25, seed=0)
    assert len(seen) == 3 + 8 + 1
    assert not any(names & {sample.name for sample in split.test} for names in seen)


def test_a_learning_curve_says_what_more_images_bring_or_why_it_cannot(tmp_path: Path) -> None:
    report = Told()
    run(small(tmp_path, "thermal", learning_curve=True, epochs=4), report)
    found = told(tmp_path).learning
    assert found is not None
    assert [point.samples for point in found.points] == [3, 6, 9, 12]
    assert found.more == 6
    assert (found.gain is None) != (found.refused is None)
    runs = [one for one in report.progresses if one["phase"] == "curve"]
    assert {one["run"] for one in runs} == set(range(1, 9))
    assert {one["steps"] for one in runs} == {3}  # of 12 images shown, whether there are 3 or 12
    page = (tmp_path / "run" / REPORT_HTML).read_text("utf-8")
    assert "What more images would bring" in page


def test_a_broken_off_run_repeats_no_finished_fold(tmp_path: Path) -> None:
    whole = run(small(tmp_path, "classification", "whole", folds=3))
    report = Told()

    def cancelled() -> bool:
        return any(line.startswith("Fold 2") for line in report.logs)

    report.cancelled = cancelled  # type: ignore[method-assign] # from the second fold's end on
    with pytest.raises(Cancelled):
        run(small(tmp_path, "classification", folds=3), report)
    assert not (tmp_path / "run" / CHECKPOINT).exists()
    again = Told()
    mended = run(small(tmp_path, "classification", folds=3), again, resume=True)
    assert {one["fold"] for one in again.progresses if one["phase"] == "folds"} == {3}
    assert told(tmp_path).cross_validation == told(tmp_path, "whole").cross_validation
    assert all(np.array_equal(array, whole.weights()[name]) for name, array in mended.weights().items())


def test_a_run_goes_on_only_from_its_own_trials(tmp_path: Path) -> None:
    settings = small(tmp_path, "classification", folds=3)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / TRIALS).write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="cannot be read"):
        run(settings, resume=True)
    save_whole(tmp_path / "run" / TRIALS, {"metrics": [], "seconds": 0.0}, {"data": "other"})
    with pytest.raises(ConfigError, match="has changed"):
        run(settings, resume=True)
    (tmp_path / "run" / TRIALS).unlink()
    with pytest.raises(ConfigError, match="no checkpoint"):
        run(settings, resume=True)


def test_stopping_ends_the_folds_and_the_final_training_is_made(tmp_path: Path) -> None:
    report = Told()
    asked = {"stop": False}

    def progress(message: Progress) -> None:
        report.progresses.append(dict(message.fields()))
        asked["stop"] = asked["stop"] or (message.phase == "folds" and message.fold == 2)

    report.progress = progress  # type: ignore[method-assign]
    report.stopping = lambda: asked["stop"]  # type: ignore[method-assign]
    report.stopped = lambda: asked.update(stop=False)  # type: ignore[method-assign]
    bundle = run(small(tmp_path, "classification", folds=3), report)
    found = told(tmp_path).cross_validation
    assert found is not None
    assert (len(found.values), found.planned) == (1, 3)
    assert bundle.card.training["epochs_done"] == 2
    assert "The trials were ended; now the final training." in report.logs


def test_a_time_limit_is_shared_between_trials_and_the_final_training(tmp_path: Path) -> None:
    report = Told()
    began = time.monotonic()
    bundle = run(small(tmp_path, "classification", folds=3, epochs=10_000, time_limit=4), report)
    assert time.monotonic() - began < 30  # reading, measuring and writing are not in it
    assert bundle.card.training["epochs_done"] == len(report.metrics) < 10_000
    assert float(str(bundle.card.training["seconds"])) <= 8
    found = told(tmp_path).cross_validation
    assert found is not None
    assert 1 <= len(found.values) <= 3


def test_too_many_folds_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    report = Told()
    with pytest.raises(ConfigError, match="18 groups of images are too few for 20 folds"):
        run(small(tmp_path, "classification", folds=20), report)
    assert not report.metrics


def test_a_run_killed_in_its_folds_goes_on(tmp_path: Path) -> None:
    data = FOLDERS["classification"](tmp_path / "data", 40)
    command = [sys.executable, "-m", "inspector", "train"]
    options = ["--task", "classification", "--data", str(data), "--size", "32", "--option", "head=gap", "--option", "filters=4"]
    options += ["--batch", "4", "--lr", "0.01", "--threads", "1", "--epochs", "6", "--folds", "4"]
    folder = tmp_path / "broken.run"
    with subprocess.Popen(
        [*command, *options, "--out", str(tmp_path / "broken")], stderr=subprocess.DEVNULL, start_new_session=True
    ) as parent:
        end = time.monotonic() + 60
        while not (folder / TRIALS).is_file():
            assert time.monotonic() < end
            time.sleep(0.01)
        os.kill(read_run(folder).pid, signal.SIGKILL)
        parent.wait(60)
    assert parent.returncode == 1
    done = subprocess.run(
        [*command, "--resume", str(folder), "--json"], check=True, capture_output=True, timeout=110, text=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert not any(line["log"]["text"].startswith("Fold 1 ") for line in lines if "log" in line)
    last = lines[-1]
    assert len(last["cross_validation"]["values"]) == 4
    assert math.isfinite(last["cross_validation"]["pooled"]["low"])
