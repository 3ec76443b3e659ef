"""A bundle of a small network with random weights, which every engine can run."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from inspector.bundles.bundle import Bundle, Card
from inspector.imaging.preprocessing import InputSpec

_CARD = Card(
    name="states",
    task="classification",
    network="simple_cnn",
    network_options={"filters": 4},
    classes=("normal", "mild", "severe"),
    ok_classes=("normal",),
    input=InputSpec(width=64, height=64),
    mean=(120.0,) * 3,
    std=(60.0,) * 3,
    created=datetime(2026, 1, 1, tzinfo=UTC),
    software="test",
)


def write_untrained(folder: Path, *, seed: int = 3, **fields: Any) -> Bundle:
    """Write a classifier of three states, or what the fields of the card say, with the real exporter. Skips without torch."""
    torch = pytest.importorskip("torch")
    from inspector.ml.export.network import write_trained_bundle
    from inspector.ml.graph import build_network

    torch.manual_seed(seed)
    card = _CARD.model_copy(update=fields)
    return write_trained_bundle(folder, card, build_network(card))
