"""TensorRT on an NVIDIA GPU, through ONNX Runtime."""

from collections.abc import Sequence

from inspector.bundles.bundle import Bundle
from inspector.core.errors import EngineError
from inspector.core.types import Precision
from inspector.engines.onnx_runtime import OnnxRuntimeEngine, Provider

_PROVIDER = "TensorrtExecutionProvider"


class TensorRtEngine(OnnxRuntimeEngine):
    """Builds a TensorRT engine on opening, which takes up to minutes; nothing is cached on disk.

    fp32, fp16 and bf16 run the bundle's ONNX graph, int8 the quantised one, which includes the scales. Operations that TensorRT
    does not support fall back to CUDA and then to the CPU.
    """

    name = "tensorrt"
    label = "TensorRT"

    def __init__(self, bundle: Bundle, *, precision: Precision = "fp32", threads: int = 0) -> None:
        super().__init__(bundle, precision=precision, threads=threads)
        if _PROVIDER not in self.providers:  # TensorRT's libraries did not load; ONNX Runtime continues without it
            self.close()
            raise _missing()

    @classmethod
    def ensure_here(cls, precision: Precision) -> None:
        import onnxruntime

        if _PROVIDER not in onnxruntime.get_available_providers():
            raise _missing()

    def _providers(self, available: Sequence[str]) -> Sequence[Provider]:
        own = {"trt_engine_cache_enable": "0"}
        if self.precision != "fp32":
            own[f"trt_{self.precision}_enable"] = "1"
        return [(_PROVIDER, own), ("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"]


def _missing() -> EngineError:
    return EngineError(
        "TensorRT is not on this machine: it needs an NVIDIA graphics card, TensorRT and onnxruntime-gpu.",
        remedy="Install the extra gpu on a machine with such a card, or use openvino.",
    )
