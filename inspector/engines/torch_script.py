"""TorchScript: the graph traced and frozen when it is opened. Runs in a worker process (see `remote.py`)."""

import warnings

import torch

from inspector.core.bundle import Bundle
from inspector.engines.torch_eager import TorchEagerEngine
from inspector.ml.graph import example_batch, load_graph


class TorchScriptEngine(TorchEagerEngine):
    """Traces from the weights at every open: an archive on disk would be a pickle, which bundles do not hold."""

    def _open(self, bundle: Bundle) -> torch.nn.Module:
        graph = load_graph(bundle)
        with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
            warnings.simplefilter("ignore")  # tracing is deprecated, and warns of every shape that it turns into a constant
            traced = torch.jit.trace(graph, (example_batch(bundle.card, 2),), check_trace=False)  # type: ignore[no-untyped-call]
            frozen: torch.nn.Module = torch.jit.freeze(traced.eval())
        return frozen
