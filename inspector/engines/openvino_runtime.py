"""OpenVINO: the default engine, in process."""

from pathlib import Path

import numpy as np

from inspector.core.bundle import GRAPH, Bundle
from inspector.core.errors import EngineError
from inspector.core.images import Prepared
from inspector.core.offline import no_usage_statistics
from inspector.core.types import Floats
from inspector.core.variants import Precision
from inspector.engines.base import Engine
from inspector.engines.checks import cannot_open, check_batch, check_output, first_line, not_here, probe


class OpenVinoEngine(Engine):
    """Compiles the bundle's graph for this CPU; nothing is cached on disk.

    fp32 and bf16 run the ONNX graph, fp16 (stored so, computed in float32) and int8 a graph of OpenVINO's own.

    All threads work on one batch (the latency hint): with one caller, the throughput hint's streams leave half of a two-core
    machine idle (66 against 122 images/s, SimpleCNN at 224 px in batches of 4). Threads are not pinned to cores, since the
    cameras and other bundles need them too. What is not quantised computes in float32 unless bf16 is asked for, even where
    the CPU would offer it, so that a variant gives the same verdicts on every machine.
    """

    def __init__(self, bundle: Bundle, *, precision: Precision = "fp32", threads: int = 0) -> None:
        super().__init__(bundle, precision=precision, threads=threads)
        import openvino  # type: ignore[import-untyped]  # it ships no types
        from openvino import frontend

        properties, hint = openvino.properties, openvino.properties.hint
        options: dict[str, object] = {
            hint.performance_mode(): hint.PerformanceMode.LATENCY,
            hint.inference_precision(): openvino.Type.bf16 if precision == "bf16" else openvino.Type.f32,
            hint.enable_cpu_pinning(): False,
        }
        if threads > 0:
            options[properties.inference_num_threads()] = threads
        own = precision in ("fp16", "int8")
        path = bundle.variant_file("openvino", precision, ".xml") if own else bundle.path(GRAPH)
        # The errors of its readers derive from Exception only.
        readers = (getattr(frontend, name) for name in dir(frontend) if name.endswith("Failure"))
        unreadable: tuple[type[Exception], ...] = (RuntimeError, TypeError, ValueError, *readers)
        try:
            core = openvino.Core()
            model = _read(path, "ir" if own else "onnx")
            if not (model.inputs and model.outputs):
                raise ValueError("it holds no graph")
            self._request: openvino.InferRequest | None = core.compile_model(model, "CPU", options).create_infer_request()
        except unreadable as error:
            raise cannot_open(path, "OpenVINO", error) from error
        probe(self)

    @classmethod
    def ensure_here(cls, precision: Precision) -> None:
        no_usage_statistics()
        import openvino

        if precision.upper() in {"BF16", "INT8"} - set(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")):
            raise not_here("OpenVINO", precision)

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


def _read(path: Path, kind: str) -> "openvino.Model":  # type: ignore[name-defined]  # noqa: F821 - see above
    """A graph by the reader of its own kind: Core.read_model would show a broken file to every other one too, which complain
    on stderr.
    """
    from openvino.frontend import FrontEndManager  # type: ignore[import-untyped]  # it ships no types

    reader = FrontEndManager().load_by_framework(kind)
    return reader.convert(reader.load(str(path)))
