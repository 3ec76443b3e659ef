"""TorchScript: the graph is traced and frozen on opening. Runs in a worker process (see `remote.py`)."""

import warnings

import torch

from inspector.bundles.bundle import Bundle
from inspector.core.types import Precision
from inspector.engines.checks import not_here
from inspector.engines.torch_eager import TorchEagerEngine
from inspector.ml.graph import example_batch, load_graph


class TorchScriptEngine(TorchEagerEngine):
    """Traces the graph from the weights on each opening: a saved archive would contain a pickle, which bundles must not.

    In bf16, convolutions and matrix products use bfloat16 and all other operations float32, as chosen by autocast.
    """

    @classmethod
    def ensure_here(cls, precision: Precision) -> None:
        able = torch.cpu.get_capabilities()
        if precision == "bf16" and not any(value for name, value in able.items() if name.endswith("bf16")):
            raise not_here("TorchScript", precision)

    def _open(self, bundle: Bundle) -> torch.nn.Module:
        half = self.precision == "bf16"
        graph = load_graph(bundle)
        casting = torch.autocast("cpu", torch.bfloat16, enabled=half, cache_enabled=False)
        with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad(), casting:
            warnings.simplefilter("ignore")  # tracing is deprecated, and warns of every shape that becomes a constant
            traced = torch.jit.trace(graph, (example_batch(bundle.card, 2),), check_trace=False)  # type: ignore[no-untyped-call]
            frozen: torch.nn.Module = torch.jit.freeze(traced.eval())
        return frozen
