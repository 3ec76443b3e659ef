"""From labelled files to batches."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from inspector.core.annotations import read_dataset
from inspector.core.bundle import Card
from inspector.core.files import read_image
from inspector.core.images import InputSpec, prepare
from inspector.core.types import TaskName
from inspector.ml.data import Inputs, batch_count, batches, input_view, load_sample, truth_of
from inspector.ml.transforms import augmentation_for
from inspector.tasks.base import task_of
from tests.ml.making import FOLDERS
from tests.tasks.making import card as make_card


def card_for(task: TaskName, classes: tuple[str, ...]) -> Card:
    spec = InputSpec(
        width=64, height=48, channels=1 if task == "thermal" else 3, levels=(280, 400) if task == "thermal" else None
    )
    return make_card(task, classes=classes).model_copy(update={"input": spec})


def load(tmp_path: Path, task: TaskName, *, memory: int = 10**9, count: int = 9) -> Inputs:
    dataset = read_dataset(FOLDERS[task](tmp_path / "data", count), task)
    inputs = Inputs(dataset.samples, task_of(task), card_for(task, dataset.classes), memory=memory)
    inputs.load(lambda: None)
    return inputs


@pytest.mark.parametrize("task", ["classification", "detection", "segmentation", "thermal"])
def test_a_sample_is_prepared_and_its_truth_kept(tmp_path: Path, task: TaskName) -> None:
    dataset = read_dataset(FOLDERS[task](tmp_path / "data", 4), task)
    card = card_for(task, dataset.classes)
    for sample in dataset.samples:
        loaded = load_sample(sample, task_of(task), card)
        np.testing.assert_array_equal(loaded.pixels, prepare(read_image(sample.path).pixels, card.input))
        truth = truth_of(loaded.target, card.input)
        assert truth.label == sample.truth.label
        if sample.truth.temperatures is not None:
            assert truth.temperatures == pytest.approx(sample.truth.temperatures, rel=1e-6)
        if sample.truth.boxes is not None:
            assert truth.boxes is not None
            np.testing.assert_allclose(truth.boxes.xyxy, sample.truth.boxes.xyxy * [2, 1.5, 2, 1.5], atol=1e-3)
        if task == "segmentation":
            mask = sample.annotation(32, 32).mask
            assert mask is not None
            assert truth.mask is not None
            assert (truth.mask > 0).sum() == pytest.approx((mask > 0).sum() * 3, rel=0.12)  # 64 x 48 for 32 x 32
            assert set(np.unique(truth.mask)) == set(np.unique(mask))


def test_the_view_of_an_input_is_itself() -> None:
    spec = InputSpec(width=64, height=48, fit="letterbox")
    geometry = input_view(spec)
    boxes = np.array([[1, 2, 60, 40]], np.float32)
    np.testing.assert_array_equal(geometry.to_frame(boxes), boxes)
    assert (geometry.content(spec).width, geometry.content(spec).height) == (64, 48)


def test_an_epoch_shows_every_sample_once_in_a_repeatable_order(tmp_path: Path) -> None:
    inputs = load(tmp_path, "classification", count=10)
    how = augmentation_for("classification")
    first = list(batches(inputs, size=4, seed=1, epoch=0, how=how))
    again = list(batches(inputs, size=4, seed=1, epoch=0, how=how))
    later = list(batches(inputs, size=4, seed=1, epoch=1, how=how))
    assert [len(frames) for frames, _ in first] == [4, 4, 2]
    assert batch_count(10, 4) == 3
    assert sorted(torch.cat([target["label"] for _, target in first]).tolist()) == [0] * 5 + [1] * 5
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a[0], b[0]) for a, b in zip(first, later, strict=True))
    plain = torch.cat([frames for frames, _ in batches(inputs, size=4, seed=1, epoch=0, how=None)])
    stacked = {inputs[index].pixels.tobytes() for index in range(10)}
    assert {frame.numpy().tobytes() for frame in plain} == stacked


def test_a_last_batch_of_one_is_left_out(tmp_path: Path) -> None:
    inputs = load(tmp_path, "classification", count=9)
    assert [len(frames) for frames, _ in batches(inputs, size=4, seed=0, epoch=0, how=None)] == [4, 4]
    assert batch_count(9, 4) == 2
    assert batch_count(1, 4) == 1


def test_samples_that_do_not_fit_into_memory_are_read_again(tmp_path: Path) -> None:
    kept = load(tmp_path / "a", "segmentation")
    read = load(tmp_path / "b", "segmentation", memory=25_000)
    assert 0 <= read.memory_left < 25_000
    for index in range(len(kept)):
        np.testing.assert_array_equal(kept[index].pixels, read[index].pixels)
        np.testing.assert_array_equal(kept[index].target["mask"], read[index].target["mask"])
    assert kept[0] is kept[0]
    assert read[8] is not read[8]


def test_files_that_cannot_be_read_are_named_and_left_out(tmp_path: Path) -> None:
    dataset = read_dataset(FOLDERS["classification"](tmp_path / "data", 6), "classification")
    broken = dataset.samples[2].path
    broken.write_bytes(broken.read_bytes()[:60])
    inputs = Inputs(dataset.samples, task_of("classification"), card_for("classification", dataset.classes), memory=10**8)
    inputs.load(lambda: None)
    assert len(inputs) == 5
    assert [str(broken) in problem.text for problem in inputs.problems] == [True]
    assert broken not in {sample.path for sample in inputs.samples}
