"""ONNX Runtime: the other in-process engine."""

import numpy as np

from inspector.core.bundle import GRAPH, Bundle
from inspector.core.errors import EngineError
from inspector.core.images import Prepared
from inspector.core.types import Floats
from inspector.engines.base import Engine
from inspector.engines.checks import cannot_open, check_batch, check_output, first_line, probe

_FATAL_ONLY = 4


class OnnxRuntimeEngine(Engine):
    """Runs the bundle's ONNX graph on the CPU. Idle threads sleep instead of spinning: the cameras need the cores."""

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        super().__init__(bundle, threads=threads)
        import onnxruntime  # type: ignore[import-untyped]  # it ships no types

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY  # what matters arrives as an exception
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = bundle.path(GRAPH)
        try:
            self._session: onnxruntime.InferenceSession | None = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            self._input = self._session.get_inputs()[0].name
        except Exception as error:
            raise cannot_open(path, "ONNX Runtime", error) from error
        probe(self)

    def infer(self, batch: Prepared) -> Floats:
        check_batch(self.bundle, batch)
        if self._session is None:
            raise EngineError("The engine of {bundle} is closed.", bundle=self.bundle.name)
        try:
            results = self._session.run(None, {self._input: np.ascontiguousarray(batch)})
        except Exception as error:
            raise EngineError(
                "ONNX Runtime could not run {bundle} ({detail}).", bundle=self.bundle.name, detail=first_line(error)
            ) from error
        output: Floats = np.asarray(results[0], np.float32)
        check_output(self.bundle, output.shape, len(batch))
        return output

    def close(self) -> None:
        self._session = None
