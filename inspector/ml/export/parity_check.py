"""The parity gate with torch running the trained network."""

from collections.abc import Callable

import torch

from inspector.bundles.bundle import Bundle
from inspector.bundles.reference import Reference
from inspector.core.registry import ENGINES
from inspector.core.types import Floats
from inspector.imaging.preprocessing import Prepared
from inspector.ml.graph import as_tensor, load_graph
from inspector.tasks import parity_check as gate


class Gate(gate.Gate):
    """The reference images of a bundle and the trained network's answers to them; those of its own graph if it was imported."""

    def __init__(self, bundle: Bundle, reference: Reference, *, tick: Callable[[], None] = lambda: None) -> None:
        """Runs the trained network on every judged image. Raises ConfigError if its weights do not fit."""
        if bundle.card.family:
            with ENGINES["onnxruntime"].load()(bundle) as engine:
                super().__init__(bundle, reference, engine.infer, tick=tick)
            return
        graph = load_graph(bundle)

        def trained(batch: Prepared) -> Floats:
            with torch.inference_mode():
                answer: Floats = graph(as_tensor(batch)).numpy()
            return answer

        super().__init__(bundle, reference, trained, tick=tick)
