"""ONNX Runtime, in process."""

from collections.abc import Mapping, Sequence

import numpy as np

from inspector.bundles.bundle import GRAPH, Bundle
from inspector.core.errors import EngineError
from inspector.core.types import Floats, Precision
from inspector.engines.base import Engine
from inspector.engines.checks import cannot_open, check_batch, check_output, first_line, probe
from inspector.imaging.preprocessing import Prepared

_FATAL_ONLY = 4
Provider = str | tuple[str, Mapping[str, object]]


class OnnxRuntimeEngine(Engine):
    """Runs an ONNX graph: the bundle's own, or the quantised one for int8.

    On an NVIDIA GPU if the installed package has that provider, otherwise on the CPU. Idle threads sleep instead of spinning,
    because the cameras need the cores.
    """

    name = "onnxruntime"
    label = "ONNX Runtime"

    def __init__(self, bundle: Bundle, *, precision: Precision = "fp32", threads: int = 0) -> None:
        super().__init__(bundle, precision=precision, threads=threads)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY  # errors that matter are raised as exceptions
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = self._providers(onnxruntime.get_available_providers())
        path = bundle.variant_file(self.name, precision, ".onnx") if precision == "int8" else bundle.path(GRAPH)
        try:
            self._session: onnxruntime.InferenceSession | None = onnxruntime.InferenceSession(
                str(path), options, providers=list(providers)
            )
            self._input = self._session.get_inputs()[0].name
            self.providers: list[str] = self._session.get_providers()
        except Exception as error:
            raise cannot_open(path, self.label, error) from error
        probe(self)

    def _providers(self, available: Sequence[str]) -> Sequence[Provider]:
        """Return the providers that can run the graph, best first. Raises EngineError if this machine has none."""
        own: list[Provider] = ["CPUExecutionProvider"]
        if "CUDAExecutionProvider" in available and self.precision == "fp32":
            own.insert(0, ("CUDAExecutionProvider", {"use_tf32": "0"}))  # TF32 has a mantissa of ten bits and is no fp32
        return own

    def infer(self, batch: Prepared) -> Floats:
        check_batch(self.bundle, batch)
        if self._session is None:
            raise EngineError("The engine of {bundle} is closed.", bundle=self.bundle.name)
        try:
            results = self._session.run(None, {self._input: np.ascontiguousarray(batch)})
        except Exception as error:
            raise EngineError(
                "{engine} could not run {bundle} ({detail}).",
                engine=self.label,
                bundle=self.bundle.name,
                detail=first_line(error),
            ) from error
        output: Floats = np.asarray(results[0], np.float32)
        check_output(self.bundle, output.shape, len(batch))
        return output

    def close(self) -> None:
        self._session = None
