"""A bundle that was never trained: what it costs does not depend on its weights, so it shows what a training would bring."""

from pathlib import Path

from inspector.bundles.bundle import Bundle, Card
from inspector.ml.export.network import write_trained_bundle
from inspector.ml.graph import build_network


def write_untrained(card: Card, folder: Path) -> Bundle:
    """Return a bundle at `folder` like this card's, of its input size and network options, with random weights.

    Raises ConfigError for a size or options that the network cannot have, EngineError, StorageError.
    """
    fresh = card.model_copy(update={"files": {}, "variants": (), "training": {}})
    return write_trained_bundle(folder, fresh, build_network(fresh, pretrained=False).eval())
