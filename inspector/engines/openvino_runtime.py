"""OpenVINO: the default engine, in process."""

import sys

import numpy as np

from inspector.core.bundle import GRAPH, Bundle
from inspector.core.errors import EngineError
from inspector.core.images import Prepared
from inspector.core.types import Floats
from inspector.engines.base import Engine
from inspector.engines.checks import cannot_open, check_batch, check_output, first_line, probe


class OpenVinoEngine(Engine):
    """Compiles the bundle's ONNX graph for this CPU; nothing is cached on disk.

    All threads work on one batch (the latency hint): with one caller, the throughput hint's streams leave half of a two-core
    machine idle (66 against 122 images/s, SimpleCNN at 224 px in batches of 4). Threads are not pinned to cores, since the
    cameras and other bundles need them too. Computes in float32 even where the CPU would offer bfloat16, so that every engine
    gives the same verdicts.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        super().__init__(bundle, threads=threads)
        # Importing openvino would start its usage statistics, a process that calls a server on the internet. A station beside
        # a line does not do that; without this package openvino uses a stand-in of its own.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: Python's mark for "not to be had"
        import openvino  # type: ignore[import-untyped]  # it ships no types
        from openvino import frontend

        properties, hint = openvino.properties, openvino.properties.hint
        options: dict[str, object] = {
            hint.performance_mode(): hint.PerformanceMode.LATENCY,
            hint.inference_precision(): openvino.Type.f32,
            hint.enable_cpu_pinning(): False,
        }
        if threads > 0:
            options[properties.inference_num_threads()] = threads
        path = bundle.path(GRAPH)
        # The errors of its readers derive from Exception only.
        readers = (getattr(frontend, name) for name in dir(frontend) if name.endswith("Failure"))
        unreadable: tuple[type[Exception], ...] = (RuntimeError, TypeError, ValueError, *readers)
        try:
            core = openvino.Core()
            # Core.read_model would show a broken file to the readers of every other format too, which complain on stderr.
            reader = frontend.FrontEndManager().load_by_framework("onnx")
            model = reader.convert(reader.load(str(path)))
            if not (model.inputs and model.outputs):
                raise ValueError("it holds no graph")
            self._request: openvino.InferRequest | None = core.compile_model(model, "CPU", options).create_infer_request()
        except unreadable as error:
            raise cannot_open(path, "OpenVINO", error) from error
        probe(self)

    def infer(self, batch: Prepared) -> Floats:
        check_batch(self.bundle, batch)
        if self._request is None:
            raise EngineError("The engine of {bundle} is closed.", bundle=self.bundle.name)
        try:
            results = self._request.infer({0: np.ascontiguousarray(batch)}, share_inputs=True)
        except (RuntimeError, TypeError, ValueError) as error:
            raise EngineError(
                "OpenVINO could not run {bundle} ({detail}).", bundle=self.bundle.name, detail=first_line(error)
            ) from error
        output: Floats = np.asarray(results[0], np.float32)
        check_output(self.bundle, output.shape, len(batch))
        return output

    def close(self) -> None:
        self._request = None
