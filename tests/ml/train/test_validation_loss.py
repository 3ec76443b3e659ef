"""The loss on validation images: measured along with the metrics, told, kept over an interruption, and reported."""

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch.nn import functional

from inspector.data.annotations import read_dataset
from inspector.data.split import read_split
from inspector.imaging.files import read_image
from inspector.imaging.preprocessing import prepare
from inspector.ml.channel import Cancelled
from inspector.ml.networks.simple_cnn import SimpleCNN, build
from inspector.ml.reports.report import by_heart
from inspector.ml.train import trainer
from inspector.runs.folder import CHECKPOINT, REPORT, REPORT_HTML, read_curves
from inspector.runs.report import Epoch, read_report
from inspector.runs.settings import TrainSettings
from tests.ml.making import FOLDERS, SIDE, TINY, Told, tiny


@pytest.fixture(autouse=True)
def _threads_as_before() -> object:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(settings: TrainSettings, report: Told, *, resume: bool = False) -> None:
    trainer.train(settings, report, resume=resume)  # type: ignore[arg-type] # has the methods of Report


def small(tmp_path: Path, task: str, name: str = "run", **changes: object) -> TrainSettings:
    data = tmp_path / task
    if not data.exists():
        FOLDERS[task](data, 24)
    return tiny(task, data, tmp_path / f"{name}.bundle", **{"run": tmp_path / name, "epochs": 4, **changes})


def test_it_is_the_cross_entropy_of_the_validation_images(tmp_path: Path) -> None:
    """Computed again from the files, with the weights of the checkpoint."""
    settings, report = small(tmp_path, "classification", balance="none"), Told(cancel_after=2)
    with pytest.raises(Cancelled):
        run(settings, report)
    state = torch.load(tmp_path / "run" / CHECKPOINT, weights_only=True)["network"]
    network = build(outputs=2, channels=3, height=SIDE, width=SIDE, head="gap", filters=4).eval()
    network.load_state_dict(state)
    data = read_dataset(settings.data, "classification")
    names = set(read_split(tmp_path / "run")["val"])
    samples = [sample for sample in data.samples if sample.name in names]
    assert len(samples) == 6
    losses = []
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in SimpleCNN.normalisation)
    spec = trainer.choose_input(settings, samples)
    for sample in samples:
        pixels = torch.from_numpy(prepare(read_image(sample.path).pixels, spec))[None].permute(0, 3, 1, 2).float()
        with torch.inference_mode():
            logits = network((pixels - mean) / std)
        losses.append(float(functional.cross_entropy(logits, torch.tensor([sample.truth.label]))))
    assert report.metrics[-1]["val_loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert read_curves(tmp_path / "run")[-1]["val_loss"] == pytest.approx(np.mean(losses), rel=1e-4)


def test_no_image_is_judged_twice_for_it(tmp_path: Path) -> None:
    counted: list[int] = []

    def count(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], out: object) -> None:
        if isinstance(module, SimpleCNN) and not module.training:
            counted.append(len(inputs[0]))

    handle = torch.nn.modules.module.register_module_forward_hook(count)
    try:
        with pytest.raises(Cancelled):
            run(small(tmp_path, "classification", run=None), Told(cancel_after=1))
    finally:
        handle.remove()
    assert counted == [4, 2]


@pytest.mark.parametrize("task", list(TINY))
def test_every_task_has_one_and_a_run_goes_on_with_the_same(tmp_path: Path, task: str) -> None:
    whole, again = Told(), Told()
    run(small(tmp_path, task, "whole", ema=0.5), whole)
    losses = [float(str(row["val_loss"])) for row in whole.metrics]
    assert all(math.isfinite(loss) and loss > 0 for loss in losses)
    with pytest.raises(Cancelled):
        run(small(tmp_path, task, "broken", ema=0.5), Told(cancel_after=2))
    run(small(tmp_path, task, "broken", ema=0.5), again, resume=True)
    rows = [read_curves(tmp_path / name) for name in ("whole", "broken")]
    assert [row["val_loss"] for row in rows[0]] == [row["val_loss"] for row in rows[1]] == pytest.approx(losses, rel=1e-6)
    report = read_report(tmp_path / "broken" / REPORT)
    assert [one.val_loss for one in report.course] == [row["val_loss"] for row in rows[1]]
    assert [one.loss for one in report.course] == [row["loss"] for row in rows[1]]
    assert all(one.value == row[report.primary] for one, row in zip(report.course, rows[1], strict=True))
    page = (tmp_path / "broken" / REPORT_HTML).read_text("utf-8")
    assert "Loss on training images (whole line) and on validation images (dashed)" in page
    assert "on validation images</h2>" in page


def course(training: list[float], validation: list[float | None]) -> list[Epoch]:
    return [
        Epoch(epoch=number, loss=one, val_loss=other)
        for number, (one, other) in enumerate(zip(training, validation, strict=True), start=1)
    ]


def test_learning_by_heart_is_told_with_the_epoch_from_which_it_happened() -> None:
    falling = [1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.08]
    turning: list[float | None] = [1.0, 0.8, 0.7, 0.6, 0.61, 0.65, 0.7, 0.8, 0.9, 1.0]
    said = by_heart(course(falling, turning), 5)
    assert said is not None
    assert said.values["epoch"] == 5
    assert said.values["best"] == 5
    assert "from 0.62 to 0.9" in said.text
    assert by_heart(course(falling, list(falling)), 10) is None  # both fall
    assert by_heart(course(falling[::-1], turning), 4) is None  # training fails, too: that is something else
    assert by_heart(course(falling[:6], turning[:6]), 4) is None  # too early to tell
    assert by_heart(course(falling, [None] * 10), 4) is None
