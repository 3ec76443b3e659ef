"""PyTorch in eager mode: the bundle's weights in the registry's network. Runs in a worker process (see `remote.py`)."""

import torch

from inspector.bundles.bundle import Bundle
from inspector.core.errors import EngineError
from inspector.core.types import Floats, Precision
from inspector.engines.base import Engine
from inspector.engines.checks import check_batch, check_output, first_line, probe
from inspector.imaging.preprocessing import Prepared
from inspector.ml.graph import as_tensor, load_graph


class TorchEagerEngine(Engine):
    """Runs the graph eagerly on the CPU."""

    def __init__(self, bundle: Bundle, *, precision: Precision = "fp32", threads: int = 0) -> None:
        super().__init__(bundle, precision=precision, threads=threads)
        if threads > 0:
            torch.set_num_threads(threads)
        self._graph: torch.nn.Module | None = self._open(bundle)
        probe(self)

    def _open(self, bundle: Bundle) -> torch.nn.Module:
        return load_graph(bundle)

    def infer(self, batch: Prepared) -> Floats:
        check_batch(self.bundle, batch)
        if self._graph is None:
            raise EngineError("The engine of {bundle} is closed.", bundle=self.bundle.name)
        try:
            with torch.inference_mode():
                output: Floats = self._graph(as_tensor(batch)).float().numpy()
        except RuntimeError as error:
            raise EngineError(
                "PyTorch could not run {bundle} ({detail}).", bundle=self.bundle.name, detail=first_line(error)
            ) from error
        check_output(self.bundle, output.shape, len(batch))
        return output

    def close(self) -> None:
        self._graph = None
