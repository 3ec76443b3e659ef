"""A small bundle that every engine can run, made once."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from inspector.bundles.bundle import Card
from inspector.imaging.preprocessing import InputSpec


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classification bundle of three states with random weights, whose scores differ from frame to frame."""
    torch = pytest.importorskip("torch")
    from inspector.ml.export.network import write_trained_bundle
    from inspector.ml.graph import build_network

    torch.manual_seed(3)
    card = Card(
        name="states",
        task="classification",
        network="simple_cnn",
        network_options={"filters": 4},
        classes=("normal", "mild", "severe"),
        ok_classes=("normal",),
        input=InputSpec(width=64, height=64),
        mean=(100.0,) * 3,
        std=(20.0,) * 3,
        thresholds={"score": 0.345},
        created=datetime(2026, 1, 1, tzinfo=UTC),
        software="test",
    )
    folder = tmp_path_factory.mktemp("bundles") / "states"
    write_trained_bundle(folder, card, build_network(card))
    return folder
