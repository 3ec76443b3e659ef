"""The loop itself: averaging, accumulating, thawing, stopping, and going on after an interruption."""

import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from inspector.bundles.bundle import Bundle
from inspector.core.errors import ConfigError
from inspector.data.split import SPLIT
from inspector.ml.channel import Cancelled
from inspector.ml.networks.fpn_lite0 import build
from inspector.ml.train import fit as fit_module
from inspector.ml.train import trainer
from inspector.ml.train.optimisation import Average, Thaw, optimizer_for, stage_factors
from inspector.ml.train.validation import epochs_a_check
from inspector.runs.folder import CHECKPOINT, REPORT, REPORT_HTML, read_curves, read_run
from inspector.runs.report import read_report
from inspector.runs.settings import TrainSettings
from tests.ml.making import FOLDERS, Told, tiny


@pytest.fixture(autouse=True)
def _threads_as_before() -> object:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(settings: TrainSettings, report: Told | None = None, *, resume: bool = False) -> Bundle:
    return trainer.train(settings, report or Told(), resume=resume)  # type: ignore[arg-type] # has the methods of Report


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in read_curves(folder)]


def weights(bundle: Bundle) -> dict[str, np.ndarray]:
    return bundle.weights()


def test_a_run_folder_holds_split_curves_and_report(tmp_path: Path) -> None:
    data, report = FOLDERS["classification"](tmp_path / "data", 40), Told()
    bundle = run(tiny("classification", data, tmp_path / "bundle", run=tmp_path / "run", ok_classes=("dark",)), report)
    rows = read_curves(tmp_path / "run")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["loss"] for row in rows] == pytest.approx([float(str(one["loss"])) for one in report.metrics], rel=1e-6)
    assert (tmp_path / "run" / SPLIT).read_bytes() == (bundle.folder / SPLIT).read_bytes()
    told = read_report(tmp_path / "run" / REPORT)
    assert told.metrics["accuracy"].value == bundle.card.metrics["accuracy"]
    assert told.metrics["accuracy"].low <= told.metrics["accuracy"].value <= told.metrics["accuracy"].high
    assert told.confusion is not None
    assert sum(map(sum, told.confusion.counts)) == bundle.card.dataset["test"] == told.counts["test"]
    page = (tmp_path / "run" / REPORT_HTML).read_text("utf-8")
    assert "<script" not in page
    assert "dark" in page
    assert str(tmp_path) not in page
    assert list((tmp_path / "run").glob("events.out.tfevents.*"))
    assert not (tmp_path / "run" / CHECKPOINT).exists()  # nothing goes on from a run that is done


@pytest.mark.parametrize("changes", [{}, {"ema": 0.9}, {"optimizer": "sgd", "accumulate": 2}])
def test_an_interrupted_run_goes_on_with_the_same_curve(tmp_path: Path, changes: dict[str, object]) -> None:
    data = FOLDERS["segmentation"](tmp_path / "data", 16)

    def settings(name: str) -> TrainSettings:
        return tiny("segmentation", data, tmp_path / f"{name}.bundle", run=tmp_path / name, epochs=6, **changes)

    whole = run(settings("whole"))
    with pytest.raises(Cancelled):
        run(settings("broken"), Told(cancel_after=3))
    assert len(losses(tmp_path / "broken")) == 3
    again = Told()
    mended = run(settings("broken"), again, resume=True)
    # The last one that was saved is told again: a process that is killed may have saved it and not told of it.
    assert [row["epoch"] for row in again.metrics] == [3, 4, 5, 6]
    assert losses(tmp_path / "broken") == losses(tmp_path / "whole")
    assert all(np.array_equal(array, weights(whole)[name]) for name, array in weights(mended).items())


def test_a_killed_run_goes_on_with_the_same_curve(tmp_path: Path) -> None:
    data = FOLDERS["classification"](tmp_path / "data", 40)
    command = [sys.executable, "-m", "inspector", "train"]
    tiny_options = ["--size", "32", "--option", "head=gap", "--option", "filters=4", "--batch", "4", "--lr", "0.01"]
    options = ["--task", "classification", "--data", str(data), *tiny_options, "--threads", "1", "--epochs", "60"]
    broken, folder = tmp_path / "broken", tmp_path / "broken.run"
    with subprocess.Popen(
        [*command, *options, "--out", str(broken)], stderr=subprocess.DEVNULL, start_new_session=True
    ) as parent:
        end = time.monotonic() + 60
        while len(losses(folder)) < 3:
            assert time.monotonic() < end
            time.sleep(0.02)
        worker = read_run(folder).pid
        os.kill(worker, signal.SIGKILL)
        parent.wait(60)
    assert parent.returncode == 1
    assert not broken.exists()
    done = len(losses(folder))
    assert done < 60
    subprocess.run([*command, "--resume", str(folder)], check=True, capture_output=True, timeout=110)
    asked = read_run(folder).train_settings()
    whole = run(asked.model_copy(update={"out": tmp_path / "whole", "run": tmp_path / "whole.run"}))
    assert losses(folder) == losses(tmp_path / "whole.run")
    assert len(losses(folder)) == 60
    assert all(np.array_equal(array, weights(whole)[name]) for name, array in weights(Bundle.open(broken)).items())


@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd"])
def test_a_fused_optimizer_steps_as_torch_loops_over_the_parameters(tmp_path: Path, kind: str) -> None:
    settings = tiny("detection", tmp_path, tmp_path / "bundle", optimizer=kind, backbone_rate=0.5, weight_decay=0.05)
    plain = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}[kind]
    ours, theirs = (
        build(outputs=6, channels=3, height=64, width=64, filters=16).to(memory_format=torch.channels_last) for _ in range(2)
    )
    theirs.load_state_dict(ours.state_dict())
    fused = optimizer_for(settings, ours)
    own = {id(parameter): name for name, parameter in ours.named_parameters()}
    named = dict(theirs.named_parameters())
    groups = [
        {**{key: group[key] for key in ("lr", "weight_decay")}, "params": [named[own[id(one)]] for one in group["params"]]}
        for group in fused.param_groups
    ]
    loop = plain(groups, foreach=False, fused=False, **({"momentum": 0.9, "nesterov": True} if kind == "sgd" else {}))
    torch.manual_seed(0)
    for _ in range(20):
        for parameter in ours.parameters():
            parameter.grad = torch.randn_like(parameter)
            named[own[id(parameter)]].grad = parameter.grad.clone()
        fused.step()
        loop.step()
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter, named[name], rtol=1e-4, atol=1e-6)


def test_mirrored_views_are_refused_where_they_cannot_be_averaged(tmp_path: Path) -> None:
    data = FOLDERS["detection"](tmp_path / "data")
    with pytest.raises(ConfigError, match="cannot be averaged for Detection"):
        run(tiny("detection", data, tmp_path / "bundle", mirrored=True))


def test_resuming_needs_the_same_settings_and_a_state(tmp_path: Path) -> None:
    data = FOLDERS["classification"](tmp_path / "data", 12)
    settings = tiny("classification", data, tmp_path / "bundle", run=tmp_path / "run")
    with pytest.raises(ConfigError, match="no checkpoint"):
        run(settings, resume=True)
    with pytest.raises(Cancelled):
        run(settings, Told(cancel_after=1))
    with pytest.raises(ConfigError, match="setting lr has changed"):
        run(settings.model_copy(update={"lr": 0.5}), resume=True)
    shutil.copy(tmp_path / "run" / CHECKPOINT, tmp_path / "state")
    (tmp_path / "run" / CHECKPOINT).write_bytes((tmp_path / "state").read_bytes()[:500])
    with pytest.raises(ConfigError, match="cannot be read"):
        run(settings, resume=True)


def test_accumulated_batches_step_as_one(tmp_path: Path) -> None:
    """Without batch statistics, two batches of 3 are one of 6: the same samples, the same mean gradient."""
    data = FOLDERS["thermal"](tmp_path / "data", 24)
    one = run(tiny("thermal", data, tmp_path / "one", epochs=2, batch=6, accumulate=1, augment="none", val=0.25, test=0.25))
    two = run(tiny("thermal", data, tmp_path / "two", epochs=2, batch=3, accumulate=2, augment="none", val=0.25, test=0.25))
    for name, array in weights(one).items():
        np.testing.assert_allclose(array, weights(two)[name], rtol=2e-3, atol=2e-4)


def test_pieces_are_learnt_and_whole_inputs_validated_so_often_that_it_pays(tmp_path: Path) -> None:
    """16 of 24 images in pieces of a quarter: each fourth epoch of 40, the last one, and with patience every one."""
    data, report = FOLDERS["segmentation"](tmp_path / "data"), Told()
    settings = tiny("segmentation", data, tmp_path / "bundle", width=64, height=64, piece=32, epochs=40, run=tmp_path / "run")
    bundle = run(settings, report)
    rows = read_curves(tmp_path / "run")
    assert [int(row["epoch"]) for row in rows if "val_loss" in row] == [*range(1, 40, 4), 40]
    assert all("loss" in row and "seconds" in row for row in rows)
    assert [bool(message.get("val")) for message in report.metrics] == ["val_loss" in row for row in rows]
    assert (bundle.card.input.width, bundle.card.input.height) == (64, 64)
    assert bundle.card.metrics["dice"] > 0.5
    assert epochs_a_check(settings, 1.0) == 4
    assert epochs_a_check(settings, 0.25) == 1  # validation takes little
    assert epochs_a_check(settings.model_copy(update={"patience": 3}), 1.0) == 1
    with pytest.raises(ConfigError, match="learns from whole images, not from pieces"):
        run(tiny("classification", FOLDERS["classification"](tmp_path / "classes"), tmp_path / "none", piece=16))


def test_patience_ends_a_training_that_gets_no_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_module, "learning_rate", lambda settings, epochs, seconds: 0.0)
    report = Told()
    run(tiny("classification", FOLDERS["classification"](tmp_path / "data", 16), tmp_path / "b", epochs=30, patience=2), report)
    assert 3 <= len(report.metrics) < 30
    best = max(index for index, metric in enumerate(report.metrics) if metric["best"])
    assert len(report.metrics) - 1 - best == 2


def test_stopping_keeps_the_best_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = Told()
    monkeypatch.setattr(report, "stopping", lambda: len(report.metrics) >= 2)
    bundle = run(tiny("classification", FOLDERS["classification"](tmp_path / "data", 16), tmp_path / "b", epochs=50), report)
    assert bundle.card.training["epochs_done"] == 2


def test_a_copy_in_the_data_is_named_and_used_once(tmp_path: Path) -> None:
    data, report = FOLDERS["classification"](tmp_path / "data", 24), Told()
    shutil.copy(data / "dark" / "000.png", data / "dark" / "again.png")
    card = run(tiny("classification", data, tmp_path / "bundle"), report).card
    assert sum(card.dataset[part] for part in ("train", "val", "test")) == 24  # type: ignore[misc] # counts are numbers
    assert any("again.png" in line and "same image" in line for line in report.logs)


def test_the_average_follows_the_weights() -> None:
    """Against the recursion written out (decay growing as (1 + n) / (10 + n) to its full value)."""
    layer = nn.Linear(3, 2)
    average = Average(layer, 0.5)
    expected = layer.weight.detach().clone()
    for count in range(12):
        with torch.no_grad():
            layer.weight.add_(1.0)
        average.update(layer)
        decay = 0.0 if count == 0 else min(0.5, (1 + count) / (10 + count))
        expected = decay * expected + (1 - decay) * layer.weight.detach()
    module = average.module
    assert isinstance(module, nn.Linear)
    torch.testing.assert_close(module.weight.detach(), expected)


def test_a_backbone_thaws_stage_by_stage_and_learns_more_slowly(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    from inspector.ml.networks.transfer import build_efficientnet_lite0

    network = build_efficientnet_lite0(outputs=2, channels=3, height=32, width=32)
    stages = network.stages()
    thaw, learning = Thaw(network, 4), []
    for epoch in range(5):
        thaw.before(epoch)
        learning.append([any(parameter.requires_grad for parameter in stage) for stage in stages])
    assert learning[0] == learning[1] == [False] * (len(stages) - 1) + [True]
    assert all(sum(later) >= sum(sooner) for sooner, later in pairwise(learning))
    assert learning[4] == [True] * len(stages)
    # Three stages that never learn: of the later ones the statistics follow as soon as all of them learn.
    thaw, network = Thaw(network, 2, 3), network.train()
    for epoch in range(3):
        thaw.before(epoch)
        assert not any(parameter.requires_grad for stage in stages[:3] for parameter in stage)
    assert all(parameter.requires_grad for stage in stages[3:] for parameter in stage)
    norms = [module.training for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms == sorted(norms)  # still ones first
    assert 0 < norms.index(True) < len(norms) / 2
    settings = tiny("classification", tmp_path, tmp_path / "b", backbone_rate=0.5, layer_decay=0.8)
    assert stage_factors(settings, 3) == pytest.approx([0.5 * 0.64, 0.5 * 0.8, 1.0])
