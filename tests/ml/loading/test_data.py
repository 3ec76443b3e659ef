"""From labelled files to batches."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.types import Region, TaskName
from inspector.data.annotations import read_dataset
from inspector.imaging.files import read_image
from inspector.imaging.preprocessing import InputSpec, prepare
from inspector.ml.train.loading import dataset as loading
from inspector.ml.train.loading.dataset import Inputs, balanced_weights, batch_count, batches, load_sample
from inspector.ml.train.loading.transforms import augmentation_for
from inspector.tasks.base import task_of
from inspector.tasks.statistics.truth import input_view
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
        truth = task_of(task).truth(loaded.target, card.input)
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


def test_an_image_is_decoded_once_for_all_of_its_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_dataset(FOLDERS["segmentation"](tmp_path / "data", 4), "segmentation")
    task, card = task_of("segmentation"), card_for("segmentation", found.classes)
    corners = [Region(x, y, 20, 20) for x in (0, 12) for y in (0, 12)]
    tiles = [
        replace(sample, name=f"{sample.name}#{tile.x},{tile.y}", region=tile) for sample in found.samples for tile in corners
    ]
    alone = [load_sample(tile, task, card) for tile in tiles]
    tiles[5].path.write_bytes(b"damaged")
    read = list[Path]()
    monkeypatch.setattr(loading, "read_image", lambda path: read.append(path) or read_image(path))
    inputs, ticks = Inputs(tiles, task, card, memory=10**9), list[None]()
    inputs.load(lambda: ticks.append(None))
    assert sorted(read) == sorted(sample.path for sample in found.samples)
    assert len(ticks) == 16
    assert len(inputs.problems) == 1
    assert inputs.samples == [tile for tile in tiles if tile.path != tiles[5].path]
    kept = [one for tile, one in zip(tiles, alone, strict=True) if tile.path != tiles[5].path]
    for index, one in enumerate(kept):
        np.testing.assert_array_equal(inputs[index].pixels, one.pixels)
        np.testing.assert_array_equal(inputs[index].target["mask"], one.target["mask"])


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


def epoch_of(inputs: Inputs, **changes: object) -> list[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
    arguments: dict[str, Any] = {"size": 4, "seed": 3, "epoch": 1, "how": augmentation_for("classification"), **changes}
    return list(batches(inputs, **arguments))


def same(
    one: list[tuple[torch.Tensor, dict[str, torch.Tensor]]], two: list[tuple[torch.Tensor, dict[str, torch.Tensor]]]
) -> bool:
    return len(one) == len(two) and all(
        torch.equal(a, b) and all(torch.equal(s[name], t[name]) for name in s) for (a, s), (b, t) in zip(one, two, strict=True)
    )


@pytest.mark.parametrize("task", ["classification", "detection", "segmentation"])
def test_an_epoch_is_the_same_with_any_number_of_threads(tmp_path: Path, task: TaskName) -> None:
    dataset = read_dataset(FOLDERS[task](tmp_path / "data", 18), task)
    epochs = []
    for threads, memory in ((1, 10**9), (5, 10**9), (3, 0)):
        inputs = Inputs(dataset.samples, task_of(task), card_for(task, dataset.classes), memory=memory, threads=threads)
        inputs.load(lambda: None)
        assert [sample.name for sample in inputs.samples] == [sample.name for sample in dataset.samples]
        assert inputs.kept == (18 if memory else 0)
        epochs.append(epoch_of(inputs, how=augmentation_for(task)))
    assert same(epochs[0], epochs[1])
    assert same(epochs[0], epochs[2])


def test_what_memory_has_no_room_for_is_kept_on_disk(tmp_path: Path) -> None:
    dataset = read_dataset(FOLDERS["segmentation"](tmp_path / "data", 9), "segmentation")
    card = card_for("segmentation", dataset.classes)
    disk = tmp_path / "disk"
    disk.mkdir()
    inputs = Inputs(dataset.samples, task_of("segmentation"), card, memory=25_000, disk=disk)
    inputs.load(lambda: None)
    assert inputs.kept == 9
    kept = load(tmp_path / "b", "segmentation")
    for sample in inputs.samples:
        sample.path.unlink()
    assert same(epoch_of(inputs, how=None), epoch_of(kept, how=None))
    assert not list(disk.iterdir()) or os.name == "nt"  # a killed process leaves nothing either


def test_a_disk_without_room_only_makes_it_slower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = read_dataset(FOLDERS["classification"](tmp_path / "data", 9), "classification")
    card = card_for("classification", dataset.classes)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("inspector.ml.train.loading.disk_cache.shutil.disk_usage", lambda folder: usage._replace(free=60_000))
    inputs = Inputs(dataset.samples, task_of("classification"), card, memory=0, disk=tmp_path)
    inputs.load(lambda: None)
    assert 0 < inputs.kept < 9
    assert [problem.text for problem in inputs.take_problems()] == [
        f"Neither memory nor {tmp_path} has room for more than {inputs.kept} prepared images; the others are prepared anew in "
        "every epoch, which takes longer."
    ]
    assert same(epoch_of(inputs), epoch_of(load(tmp_path / "b", "classification")))


def test_a_folder_that_cannot_be_written_to_only_makes_it_slower(tmp_path: Path) -> None:
    dataset = read_dataset(FOLDERS["classification"](tmp_path / "data", 4), "classification")
    card = card_for("classification", dataset.classes)
    inputs = Inputs(dataset.samples, task_of("classification"), card, memory=0, disk=tmp_path / "nowhere")
    inputs.load(lambda: None)
    assert (len(inputs), inputs.kept) == (4, 0)


def test_a_file_that_vanishes_during_training_is_named_once_and_training_goes_on(tmp_path: Path) -> None:
    inputs = load(tmp_path, "classification", memory=0, count=8)
    gone = inputs.samples[3].path
    gone.unlink()
    shown = [len(frames) for epoch in range(2) for frames, _ in epoch_of(inputs, epoch=epoch)]
    assert shown == [4, 4, 4, 4]
    assert [str(gone) in problem.text for problem in inputs.take_problems()] == [True]
    assert inputs.take_problems() == []
    for sample in inputs.samples:
        sample.path.unlink(missing_ok=True)
    with pytest.raises(ConfigError, match="None of the 8 images can be read any more"):
        epoch_of(inputs)


@pytest.mark.parametrize("count", [16, 17, 18, 19, 3])
def test_processes_share_an_epoch_evenly(tmp_path: Path, count: int) -> None:
    inputs = load(tmp_path, "classification", count=count)
    shards = [epoch_of(inputs, how=None, shard=(rank, 2)) for rank in range(2)]
    assert [len(frames) for frames, _ in shards[0]] == [len(frames) for frames, _ in shards[1]]
    assert len(shards[0]) == batch_count(count, 4, 2)
    shown = {frame.numpy().tobytes() for shard in shards for frames, _ in shard for frame in frames}
    # A last batch of one is left out in each process; with an odd count one of the two is a repetition.
    dropped = 2 - count % 2 if (count + 1) // 2 % 4 == 1 else 0
    assert len(shown) == count - dropped
    assert shown <= {inputs[index].pixels.tobytes() for index in range(count)}


def test_weights_show_rare_classes_as_often_as_frequent_ones_and_vary_what_is_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    FOLDERS["classification"](folder, 60)
    for path in sorted((folder / "bright").iterdir())[3:]:
        path.unlink()
    dataset = read_dataset(folder, "classification")
    inputs = Inputs(dataset.samples, task_of("classification"), card_for("classification", dataset.classes), memory=10**9)
    inputs.load(lambda: None)
    weights = balanced_weights(inputs.samples)
    assert weights.sum() == pytest.approx(2)
    rare = dataset.classes.index("bright")
    labels, frames = [], set()
    for epoch in range(20):
        for pixels, target in epoch_of(inputs, epoch=epoch, weights=weights):
            labels += target["label"].tolist()
            frames |= {pixels[at].numpy().tobytes() for at in range(len(pixels)) if int(target["label"][at]) == rare}
    # 660 draws of probability 0.5: six standard deviations of their share are 0.117.
    assert labels.count(rare) / len(labels) == pytest.approx(0.5, abs=0.117)
    assert len(frames) > 0.9 * labels.count(rare)
