"""Pictures of predictions during training: the same samples each time, the truth beside the prediction, few on disk."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

import torch

from inspector.core.types import Annotation, TaskName
from inspector.data.samples import Sample
from inspector.ml.train import trainer
from inspector.ml.train.loading import sample_images as sample_pictures
from inspector.ml.train.loading.sample_images import Pace, chosen
from inspector.ml.train.run_folder import EPOCHS_SHOWN, RunFolder
from inspector.runs.settings import TrainSettings
from tests.ml.making import FOLDERS, Told, tiny


@pytest.fixture(autouse=True)
def _threads_as_before() -> object:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def trained(settings: TrainSettings) -> Told:
    told = Told()
    trainer.train(settings, told)  # type: ignore[arg-type] # Told has the methods of Report
    return told


def read(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The halves of a picture, RGB."""
    picture = cv2.imread(str(path))
    assert picture is not None
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.float32)
    width = (rgb.shape[1] - 6) // 2
    return rgb[:, :width], rgb[:, width + 6 :]


@pytest.mark.parametrize("task", ["classification", "detection", "segmentation", "thermal"])
def test_every_task_shows_the_same_samples_each_time(tmp_path: Path, task: TaskName, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_pictures, "_EVERY_S", 0.0)
    data = FOLDERS[task](tmp_path / "data")
    report = trained(tiny(task, data, tmp_path / "bundle", run=tmp_path / "run", epochs=3))
    files = sorted((tmp_path / "run" / "samples").iterdir())
    assert [file.name for file in files] == [f"epoch-{epoch:03d}-{k}.jpg" for epoch in (1, 2, 3) for k in range(1, 7)]
    assert [path.name for path in report.artifacts if path.suffix == ".jpg"] == [f"epoch-{n:03d}-1.jpg" for n in (1, 2, 3)]
    assert all(file.stat().st_size < 60_000 for file in files)
    for k in range(1, 7):
        truths = [
            read(tmp_path / "run" / "samples" / f"epoch-{epoch:03d}-{k}.jpg")[0][:, :-16] for epoch in (1, 2, 3)
        ]  # JPEG's blocks
        assert np.array_equal(truths[0], truths[1])
        assert np.array_equal(truths[0], truths[2])


def test_the_truth_is_drawn_left_and_what_is_said_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the areas are learnt, both halves are tinted alike; before, only the left one is."""
    monkeypatch.setattr(sample_pictures, "_EVERY_S", 0.0)
    data = FOLDERS["segmentation"](tmp_path / "data", 40)
    trained(tiny("segmentation", data, tmp_path / "bundle", run=tmp_path / "run", epochs=12))
    folder = tmp_path / "run" / "samples"
    last = max(int(file.stem.split("-")[1]) for file in folder.iterdir())
    for k in range(1, 7):
        left, right = read(folder / f"epoch-{last:03d}-{k}.jpg")
        saturated = [(np.ptp(half, axis=2) > 60) for half in (left, right)]  # grey pictures: colour is drawn
        assert saturated[0].mean() > 0.05
        both = (saturated[0] & saturated[1]).sum() / (saturated[0] | saturated[1]).sum()
        assert both > 0.8


def test_pictures_are_rare_or_cheap() -> None:
    pace = Pace()
    assert pace.due(0.1)
    pace.done(0.05)
    assert not pace.due(1.0)
    assert pace.due(3.0)
    pace.done(0.0)
    assert pace.due(0.0)


def test_every_class_has_its_turn() -> None:
    def sample(index: int, label: int) -> Sample:
        return Sample(f"{index}", Path(), f"{index}", f"{label}", Annotation(label=label))

    samples = [sample(index, 0) for index in range(50)] + [sample(50, 1), sample(51, 2), sample(52, 2)]
    found = chosen(samples)
    assert len(found) == 6
    assert {50, 51, 52} <= set(found)
    assert chosen(samples[:3]) == [0, 1, 2]


def test_only_the_newest_epochs_stay_on_disk(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    for epoch in (*range(1, 9), 1000):
        files = folder.save_samples(epoch, [b"a", b"b"])
    assert [file.name for file in files] == ["epoch-1000-1.jpg", "epoch-1000-2.jpg"]
    epochs = {int(file.stem.split("-")[1]) for file in (tmp_path / "run" / "samples").iterdir()}
    assert sorted(epochs) == [*range(10 - EPOCHS_SHOWN, 9), 1000]
