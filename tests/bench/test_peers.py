"""Training beside peers: the same images, the same judge, processor time of all processes, and a sentence for each refusal."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from click.testing import CliRunner

from inspector.bench.peers.budget import ProcessorTime, core_share
from inspector.bench.peers.judging import judged
from inspector.bench.peers.known import PEERS, check_installed
from inspector.bench.peers.order import (
    Learnt,
    Order,
    read_answer,
    read_learnt,
    read_order,
    write_boxes,
    write_class_map,
    write_learnt,
    write_order,
)
from inspector.bundles.bundle import CARD, Card
from inspector.cli.main import cli
from inspector.core.errors import ConfigError, JobError
from inspector.core.types import Boxes, Floats, Masks, TaskName
from inspector.data.annotations import training_data
from inspector.data.samples import Sample
from inspector.data.split import SPLIT, split_samples
from inspector.data.survey import survey
from inspector.imaging.files import read_image
from inspector.imaging.preprocessing import Prepared
from inspector.runs.report import Interval
from inspector.runs.settings import TrainSettings, train_settings
from inspector.tasks.masks import class_planes
from tests.ml.plates import PLATES

pytest.importorskip("torch")

from inspector.bench.peers.comparison import Comparison, Side, compare, peer_advice, run_peer
from inspector.bench.steps import card_of
from inspector.ml.evaluate import Item, measure, predict_items, sample_items

_NETWORKS = {"detection": "fpn_lite0", "segmentation": "unet_effnet"}
_BURN = "import time\nwhile time.process_time() < 0.7: pass"


def _settings(folder: Path, task: TaskName, **values: object) -> TrainSettings:
    data = PLATES[task](folder / "data", "crowded", count=20, side=128)
    return train_settings({"task": task, "network": _NETWORKS[task], "data": data, "out": folder / "ours", **values})


def _ordered(folder: Path, task: TaskName) -> tuple[Order, Card, dict[str, list[str]]]:
    """An order as after our training, our card, and the split: what it needs of a bundle."""
    settings = _settings(folder, task, seed=3)
    bundle = folder / "ours"
    bundle.mkdir()
    dataset = training_data(settings)
    split = split_samples(dataset.samples, val=settings.val, test=settings.test, seed=settings.seed)
    (bundle / SPLIT).write_text(json.dumps(split.names()), "utf-8")
    card = card_of(task, settings.network, 64, 64, dataset.classes)
    (bundle / CARD).write_text(card.model_dump_json(), "utf-8")
    return Order(settings=settings.model_dump(mode="json"), bundle=bundle, budget_s=60), card, split.names()


def test_arguments_that_cannot_be_are_refused(tmp_path: Path) -> None:
    data = PLATES["classification"](tmp_path / "classes", "crowded", count=8, side=96)
    for arguments, words in (
        ([], "Missing argument 'DATA'"),
        ([str(data), "--task", "thermal"], "Invalid value for '--task'"),
        ([str(data), "--minutes", "0.1"], "Invalid value for '--minutes'"),
        ([str(data), "--seed", "-1"], "Invalid value for '--seed'"),
    ):
        result = CliRunner().invoke(cli, ["bench", "peers", *arguments])
        assert result.exit_code == 2
        assert words in result.output


@pytest.mark.parametrize("task", [[], ["--task", "segmentation"]])
def test_data_without_boxes_or_masks_has_no_peer(tmp_path: Path, task: list[str]) -> None:
    data = PLATES["classification"](tmp_path / "classes", "crowded", count=8, side=96)
    result = CliRunner().invoke(cli, ["bench", "peers", str(data), *task], standalone_mode=False)
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith(f"{data} holds nothing labelled for ")


@pytest.mark.parametrize("task", list(PEERS))
def test_a_peer_that_is_not_installed_is_named_with_what_to_install(tmp_path: Path, task: TaskName) -> None:
    (module, package), *_ = PEERS[task].packages.items()
    if importlib.util.find_spec(module) is not None:
        pytest.skip(f"{module} is installed")
    with pytest.raises(ConfigError) as refused:
        check_installed(task)
    assert PEERS[task].name in str(refused.value)
    assert f"install {package} with pip" in str(refused.value)
    data = PLATES[task](tmp_path / "data", "crowded", count=12, side=96)
    result = CliRunner().invoke(cli, ["bench", "peers", str(data), "--task", task], standalone_mode=False)
    assert str(result.exception) == str(refused.value)


@pytest.mark.parametrize("task", list(PEERS))
def test_the_peer_learns_from_the_split_that_ours_was_trained_with(tmp_path: Path, task: TaskName) -> None:
    order, card, names = _ordered(tmp_path, task)
    write_order(tmp_path, order)
    parts = read_order(tmp_path).parts()
    assert {part: [sample.name for sample in samples] for part, samples in parts.items()} == names
    assert all(names.values())
    assert read_order(tmp_path).input_size() == (64, 64)
    # A split from elsewhere, in which one image has changed its part, is what counts.
    names["val"].append(names["test"].pop())
    (order.bundle / SPLIT).write_text(json.dumps(names), "utf-8")
    assert [sample.name for sample in order.parts()["val"]] == names["val"]
    assert card.input.width == 64


def _near(sample: Sample, rng: np.random.Generator) -> Boxes:
    """The labelled boxes, moved a little, with scores and now and then another class."""
    assert sample.truth.boxes is not None
    real = sample.truth.boxes
    moved = (real.xyxy + rng.normal(0, 1.5, real.xyxy.shape)).astype(np.float32)
    classes = np.where(rng.random(len(real)) < 0.2, (real.classes + 1) % 3, real.classes)
    return Boxes(moved, rng.random(len(real)).astype(np.float32), classes.astype(np.int64))


def test_the_same_boxes_get_the_same_figures_from_either_side(tmp_path: Path) -> None:
    order, card, _ = _ordered(tmp_path, "detection")
    write_order(tmp_path, order)
    samples, rng = order.parts()["train"], np.random.default_rng(0)
    ours = {index: _near(sample, rng) for index, sample in enumerate(samples)}
    for index, boxes in ours.items():
        rows = np.column_stack([boxes.xyxy, boxes.scores, boxes.classes])
        write_boxes(tmp_path, index, rows)
    one = judged(card, samples, ours.get).compute()
    other = judged(card, samples, lambda index: read_answer(tmp_path, index, card)).compute()
    assert one == other
    assert 0.2 < one["map50"] < 0.95


def test_the_same_masks_get_the_same_figures_from_either_side(tmp_path: Path) -> None:
    order, card, _ = _ordered(tmp_path, "segmentation")
    write_order(tmp_path, order)
    samples = order.parts()["train"]
    ours: dict[int, Masks] = {}
    for index, sample in enumerate(samples):
        mask = sample.annotation(*read_image(sample.path).pixels.shape[:2]).mask
        assert mask is not None
        grown = np.asarray(cv2.dilate(mask, np.ones((5, 5), np.uint8)), np.uint8)
        ours[index] = Masks(np.stack(class_planes(grown, len(card.classes))))
        write_class_map(tmp_path, index, grown)
    one = judged(card, samples, ours.get).compute()
    other = judged(card, samples, lambda index: read_answer(tmp_path, index, card)).compute()
    assert one == other
    assert 0.3 < one["defect_iou"] < 0.9


def test_the_judge_agrees_with_the_one_of_training(tmp_path: Path) -> None:
    order, card, _ = _ordered(tmp_path, "segmentation")
    samples, rng = order.parts()["train"], np.random.default_rng(0)
    outputs = (rng.random((len(samples), len(card.classes), 64, 64)) ** 8).astype(np.float32)

    def engine() -> Callable[[Prepared], Floats]:
        queue = iter(outputs)
        return lambda frames: np.stack([next(queue) for _ in frames])

    def items() -> Iterator[Item]:
        return sample_items(samples, card, problems=[])

    usual = measure(engine(), card, items()).compute()
    answers = [prediction.answer for _, prediction in predict_items(engine(), card, items())]
    assert judged(card, samples, answers.__getitem__).compute() == usual
    assert 0 < usual["defect_iou"] < 0.5


def test_an_image_without_an_answer_counts_for_neither(tmp_path: Path) -> None:
    order, card, _ = _ordered(tmp_path, "detection")
    write_order(tmp_path, order)
    samples = order.parts()["train"]
    write_boxes(tmp_path, 0, np.zeros((0, 6), np.float32))
    metrics = judged(card, samples, lambda index: read_answer(tmp_path, index, card))
    assert samples[0].truth.boxes is not None
    assert sum(metrics.support().values()) == len(samples[0].truth.boxes)
    assert metrics.compute()["map50"] == 0


def test_a_peer_that_fails_is_told_by_its_last_word(tmp_path: Path) -> None:
    settings = _settings(tmp_path, "detection")
    place = tmp_path / "peer"
    place.mkdir()
    write_order(place, Order(settings=settings.model_dump(mode="json"), bundle=tmp_path / "none", budget_s=1))
    told: list[str] = []
    with pytest.raises(JobError, match=r"ultralytics YOLO11n failed: .*none"):
        run_peer(PEERS["detection"], place, 60.0, told.append)
    assert told
    with pytest.raises(JobError, match="without saying what it did"):
        read_learnt(place)


def test_what_a_peer_did_comes_back_whole(tmp_path: Path) -> None:
    learnt = Learnt(
        settings={"batch": 16, "lr": 2e-4, "pretrained": False, "network": "Unet"},
        versions={"torch": "2"},
        images={"train": 1, "val": 2, "test": 3},
        epochs=4,
        learning_s=5.5,
        images_s=6.5,
    )
    write_learnt(tmp_path, learnt)
    assert read_learnt(tmp_path) == learnt


def test_processor_time_counts_descendants_that_have_ended_and_that_have_not() -> None:
    code = (
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {_BURN!r}], check=True)\n{_BURN}\n"
        "other = subprocess.Popen([sys.executable, '-c', "
        f"{_BURN + chr(10) + 'print(1, flush=True)' + chr(10) + 'input()'!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "other.stdout.readline()\nprint('done', flush=True)\ninput()\nother.communicate(b'x')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    spent = ProcessorTime(process.pid)
    assert process.stdout.readline() == "done\n"
    used = spent.seconds()
    process.communicate("\n")
    expected = 3 * 0.7 if hasattr(psutil.Process().cpu_times(), "children_user") and sys.platform != "win32" else 2 * 0.7
    assert expected <= used + 0.05
    assert used < expected + 3
    assert spent.seconds() == used  # the process has ended


def test_a_busy_thread_gets_at_most_a_core() -> None:
    assert 0 < core_share() <= 1


def test_advice_for_more_minutes_names_more_epochs(tmp_path: Path) -> None:
    found = survey(PLATES["detection"](tmp_path / "data", "crowded", count=40, side=256))
    epochs = [peer_advice(found, "detection", minutes).settings["epochs"] for minutes in (1, 4)]
    assert epochs[0] < epochs[1]


def _side(name: str, learning_min: float, value: float) -> Side:
    figures = {"map50": Interval(value=value, low=value, high=value)}
    return Side(name, {}, {}, {}, 1, learning_min, learning_min, 1.0, figures)


@pytest.mark.parametrize(
    ("ours", "peer", "ahead", "over"),
    [
        ((2.0, 0.6), (2.1, 0.5), True, ()),
        ((2.0, 0.5), (2.0, 0.5), False, ()),
        ((3.0, 0.6), (2.0, 0.5), True, ("ours",)),
        ((2.0, 0.6), (2.3, 0.7), False, ("other",)),
    ],
)
def test_who_is_ahead_and_who_took_more_than_the_budget(
    ours: tuple[float, float], peer: tuple[float, float], ahead: bool, over: tuple[str, ...]
) -> None:
    done = Comparison("detection", 2.0, 0, 10, ("hole",), _side("ours", *ours), _side("other", *peer))
    assert done.ahead is ahead
    assert done.over_budget == over


@pytest.mark.slow
@pytest.mark.parametrize("task", list(PEERS))
def test_both_sides_learn_and_are_judged_on_the_same_images(tmp_path: Path, task: TaskName) -> None:
    for module in PEERS[task].packages:
        pytest.importorskip(module)
    data = PLATES[task](tmp_path / "data", "crowded", count=40, side=128)
    done = compare(data, survey(data), task, minutes=1.0, seed=0, tell=lambda text: None)
    assert done.ours.images == done.peer.images
    assert done.judged == done.ours.images["test"]
    assert done.ours.figures.keys() == done.peer.figures.keys()
    for side in (done.ours, done.peer):
        assert 0 < side.learning_min < 1.5
        assert side.images_s > 0
    assert done.peer.learning_min > 0.9
