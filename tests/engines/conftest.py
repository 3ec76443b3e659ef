"""Small bundles of every task, written once a run by the real exporter."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from inspector.bundles.bundle import Bundle, Card
from inspector.imaging.preprocessing import InputSpec, Prepared

CLASSES = ("scratch", "stain", "dent")
CARDS: Mapping[str, Mapping[str, Any]] = {
    "classification": {"network": "simple_cnn", "network_options": {"filters": 4}},
    "detection": {"network": "simple_yolo", "network_options": {"filters": 4, "boxes": 2}},
    "segmentation": {"network": "unet", "network_options": {"filters": 4}},
    "thermal": {"network": "thermal_cnn", "network_options": {"filters": 4}},
}


def make_card(task: str) -> Card:
    thermal = task == "thermal"
    return Card(
        name=f"small-{task}",
        task=task,
        classes=() if thermal else CLASSES,
        input=InputSpec(
            width=48,
            height=32,
            channels=1 if thermal else 3,
            kind="float" if thermal else "uint8",
            unit="kelvin" if thermal else "intensity",
        ),
        mean=(120.0,) if thermal else (120.0, 110.0, 100.0),
        std=(20.0,) if thermal else (60.0, 58.0, 57.0),
        target_mean=(330.0, 300.0, 290.0) if thermal else (),
        target_std=(15.0, 8.0, 5.0) if thermal else (),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        software="test",
        thresholds={"floor": 0.002},  # an untrained detector is sure of nothing
        max_batch=4,
        **CARDS[task],
    )


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bundle]:
    """The small bundle of a task. Its weights are random but spread, so that outputs differ from frame to frame."""
    torch = pytest.importorskip("torch")
    from inspector.ml.export.network import write_trained_bundle
    from inspector.ml.graph import build_network

    folder = tmp_path_factory.mktemp("bundles")
    made: dict[str, Bundle] = {}

    def get(task: str) -> Bundle:
        if task not in made:
            card = make_card(task)
            torch.manual_seed(7)
            network = build_network(card)
            with torch.no_grad():
                for name, value in network.named_parameters():
                    if name.endswith("weight") and value.ndim > 1:
                        value.mul_(2.0)
            made[task] = write_trained_bundle(folder / task, card, network)
        return made[task]

    return get


@pytest.fixture
def batch() -> Callable[[Card, int], Prepared]:
    """Random frames of a card's input."""

    def make(card: Card, count: int) -> Prepared:
        random = np.random.default_rng(count)
        shape = (count, *card.input.shape)
        if card.input.kind == "float":
            return random.normal(120, 20, shape).astype(np.float32)
        return random.integers(0, 256, shape, np.uint8)

    return make
