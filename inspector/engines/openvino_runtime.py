"""OpenVINO: the default engine, in process."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inspector.bundles.bundle import GRAPH, Bundle
from inspector.core.errors import EngineError
from inspector.core.types import Floats, Precision
from inspector.engines.base import Engine
from inspector.engines.checks import cannot_open, check_batch, check_output, first_line, not_here, probe
from inspector.imaging.preprocessing import Prepared

if TYPE_CHECKING:
    import openvino

_STREAMS = 2  # number of batches computed concurrently


class OpenVinoEngine(Engine):
    """Compiles the bundle's graph for this CPU; nothing is cached on disk.

    fp32 and bf16 run the ONNX graph; fp16 (16-bit weights, computed in float32) and int8 run a graph of OpenVINO's own.

    A single batch uses all threads (the latency hint): with two streams a single batch would leave half of a two-core machine
    idle (66 against 122 images/s, SimpleCNN at 224 px in batches of 4). If there are as many threads as cores, each thread is
    pinned to its core. Otherwise Linux occasionally puts two threads on one core and corrects that at its next tick, 4 ms
    later. Pinning gives a p99 latency of 2.3 instead of 5.3 times the engine's own time (SimpleCNN int8 at 70 % load).

    Of several concurrent batches each has the threads of one stream. No batch then waits for the slowest core, which prepares
    frames or decodes between two layers. These threads are not pinned, so that they can avoid cores used by the station.

    Operations that are not quantised compute in float32 unless bf16 is requested, even if the CPU offers bf16, so that a
    variant gives the same verdicts on every machine.
    """

    def __init__(self, bundle: Bundle, *, precision: Precision = "fp32", threads: int = 0) -> None:
        super().__init__(bundle, precision=precision, threads=threads)
        import openvino
        from openvino import frontend

        properties, hint = openvino.properties, openvino.properties.hint
        self._tensor = openvino.Tensor
        self._options: dict[str, object] = {
            hint.inference_precision(): openvino.Type.bf16 if precision == "bf16" else openvino.Type.f32,
            hint.enable_cpu_pinning(): False,
        }
        if threads > 0:
            self._options[properties.inference_num_threads()] = threads
        self._one_thread = threads == 1
        own = precision in ("fp16", "int8")
        self._path = bundle.variant_file("openvino", precision, ".xml") if own else bundle.path(GRAPH)
        # Errors of OpenVINO's readers derive from Exception only.
        readers = (getattr(frontend, name) for name in dir(frontend) if name.endswith("Failure"))
        self._unreadable: tuple[type[Exception], ...] = (RuntimeError, TypeError, ValueError, *readers)
        self._model: openvino.Model | None = None
        try:
            self._model = _read(self._path, "ir" if own else "onnx")
            if not (self._model.inputs and self._model.outputs):
                raise ValueError("it holds no graph")
        except self._unreadable as error:
            raise cannot_open(self._path, "OpenVINO", error) from error
        pinned = sys.platform == "linux" and not 0 < threads < (os.cpu_count() or 1)
        alone = {hint.performance_mode(): hint.PerformanceMode.LATENCY, hint.enable_cpu_pinning(): pinned}
        self._lone: _Requests | None = self._compiled(alone)
        self._many: _Requests | None = None
        probe(self)

    @classmethod
    def ensure_here(cls, precision: Precision) -> None:
        import openvino

        if precision.upper() in {"BF16", "INT8"} - set(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")):
            raise not_here("OpenVINO", precision)

    def infer(self, batch: Prepared) -> Floats:
        return self.start(batch)()

    def side_by_side(self) -> int:
        if self._one_thread or self._model is None:
            return 0
        if self._many is None:
            from openvino import properties

            self._many = self._compiled({properties.streams.num(): _STREAMS})
        return _STREAMS  # one batch is ready when another ends

    def start(self, batch: Prepared, *, beside: bool = False) -> Callable[[], Floats]:
        check_batch(self.bundle, batch)
        requests = self._many if beside and self._many is not None else self._lone
        if requests is None:
            raise EngineError("The engine of {bundle} is closed.", bundle=self.bundle.name)
        # shared with the request; copied only if not contiguous and writable
        batch = np.require(batch, requirements=("C", "W"))
        with self._sentence():
            request = requests.take()
            request.set_input_tensor(0, self._tensor(batch, shared_memory=True))
            request.start_async()
        return _Running(batch, request, lambda: self._outputs(request, requests, len(batch)))

    def close(self) -> None:
        self._lone = self._many = self._model = None

    def _outputs(self, request: "openvino.InferRequest", requests: "_Requests", count: int) -> Floats:
        with self._sentence():
            request.wait()
            # copied, because the memory belongs to the request
            output: Floats = np.array(request.get_output_tensor(0).data, np.float32)
        requests.give_back(request)
        check_output(self.bundle, output.shape, count)
        return output

    def _compiled(self, mode: dict[str, object]) -> "_Requests":
        import openvino

        try:
            return _Requests(openvino.Core().compile_model(self._model, "CPU", {**self._options, **mode}))
        except self._unreadable as error:
            raise cannot_open(self._path, "OpenVINO", error) from error

    @contextmanager
    def _sentence(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, TypeError, ValueError) as error:
            raise EngineError(
                "OpenVINO could not run {bundle} ({detail}).", bundle=self.bundle.name, detail=first_line(error)
            ) from error


class _Requests:
    """The pool of requests of one compiled graph. Each request holds the memory of one batch and is reused."""

    def __init__(self, compiled: "openvino.CompiledModel") -> None:
        self._compiled = compiled
        self._idle = [compiled.create_infer_request()]

    def take(self) -> "openvino.InferRequest":
        return self._idle.pop() if self._idle else self._compiled.create_infer_request()

    def give_back(self, request: "openvino.InferRequest") -> None:
        self._idle.append(request)


class _Running:
    """A batch under way. Its memory is released only after the request has ended, even if nobody asks for the outputs."""

    def __init__(self, batch: Prepared, request: "openvino.InferRequest", outputs: Callable[[], Floats]) -> None:
        self._batch, self._request, self._outputs = batch, request, outputs

    def __call__(self) -> Floats:
        return self._outputs()

    def __del__(self) -> None:
        with suppress(RuntimeError):
            self._request.wait()


def _read(path: Path, kind: str) -> "openvino.Model":
    """Read a graph with the reader of its own format.

    Core.read_model would pass a broken file to every other reader too, and these complain on stderr. The weights are read, not
    mapped: a mapped file that is written over changes the network under the line, and one that is cut short ends the process.
    """
    from openvino.frontend import FrontEndManager

    reader = FrontEndManager().load_by_framework(kind)
    return reader.convert(reader.load(str(path), enable_mmap=False))
