"""An untrained bundle for measuring speed, which does not depend on the weights."""

from pathlib import Path

from inspector.bundles.bundle import Bundle, Card
from inspector.ml.export.network import write_trained_bundle
from inspector.ml.graph import build_network


def write_untrained(card: Card, folder: Path) -> Bundle:
    """Write a bundle with random weights at `folder`, with this card's input size and network options.

    Raises ConfigError for an unsupported size or option, EngineError, StorageError.
    """
    fresh = card.model_copy(update={"files": {}, "variants": (), "training": {}})
    return write_trained_bundle(folder, fresh, build_network(fresh, pretrained=False).eval())
