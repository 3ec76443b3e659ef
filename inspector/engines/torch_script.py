"""TorchScript: the graph traced and frozen when it is opened. Runs in a worker process (see `remote.py`)."""

import warnings

import torch

from inspector.bundles.bundle import Bundle
from inspector.core.types import Precision
from inspector.engines.checks import not_here
from inspector.engines.torch_eager import TorchEagerEngine
from inspector.ml.graph import example_batch, load_graph


class TorchScriptEngine(TorchEagerEngine):
    """Traces from the weights at every open: an archive on disk would be a pickle, which bundles do not hold.

    In bf16, convolutions and matrix products compute in it, the rest in float32, as autocast chooses.
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
            warnings.simplefilter("ignore")  # tracing is deprecated, and warns of every shape that it turns into a constant
            traced = torch.jit.trace(graph, (example_batch(bundle.card, 2),), check_trace=False)  # type: ignore[no-untyped-call]
            frozen: torch.nn.Module = torch.jit.freeze(traced.eval())
        return frozen
