"""INT8 by post-training quantisation with NNCF: layers are reverted to floating point until the variant agrees well enough."""

import io
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inspector.core.errors import EngineError
from inspector.core.types import Floats
from inspector.imaging.preprocessing import Prepared
from inspector.ml.evaluate import Infer

_FATAL_ONLY = 4  # ONNX Runtime's severity; errors that matter are raised as exceptions
Judge = Callable[[Infer, list[int]], float]
_INSIDE = "^(?!/network/).*"  # nodes of normalisation and of the task's activation, which stay in floating point
_WEIGHTED = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")
_WEIGHTED_ONNX = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True, slots=True)
class Quantised:
    """The files written, and the layers kept in floating point."""

    files: tuple[Path, ...]
    full_precision: tuple[str, ...]


def quantise_openvino(
    graph: Path, frames: Prepared, *, judge: Judge, judged: int, target: Path, tick: Callable[[], None]
) -> Quantised:
    """Quantise the ONNX file `graph` into OpenVINO's files `target` (.xml) and .bin.

    `frames` [N, H, W, C] are the calibration set. `judge` returns the distance of a graph from its limits, measured on the
    judged frames with the given indices (0..`judged`-1). Layers are reverted to floating point until that distance is at most
    1. `tick` is called once per frame and may raise. Raises EngineError if NNCF fails.
    """
    nncf = _nncf()
    import openvino

    model = openvino.Core().read_model(graph)

    def runner(compiled: Any) -> Infer:  # noqa: ANN401 - openvino.CompiledModel
        request = compiled.create_infer_request()

        def infer(batch: Prepared) -> Floats:
            return np.array(request.infer({0: batch}, share_inputs=True)[0], np.float32)

        return infer

    items = [frames[index : index + 1] for index in range(len(frames))]
    quantised = _quantise(nncf, model, items, runner, judge, judged, tick)
    openvino.save_model(quantised, target, compress_to_fp16=False)
    weighted = [node for node in quantised.get_ops() if node.get_type_name() in _WEIGHTED]
    return _result((target, target.with_suffix(".bin")), {node.get_friendly_name(): _narrow(node) for node in weighted})


def quantise_onnx(
    graph: Path, frames: Prepared, *, judge: Judge, judged: int, target: Path, tick: Callable[[], None]
) -> Quantised:
    """Quantise as `quantise_openvino` does, into an ONNX file `target` with QuantizeLinear and DequantizeLinear nodes."""
    nncf = _nncf()
    import onnx
    import onnxruntime

    model = onnx.load(graph)
    name = model.graph.input[0].name

    def runner(proto: Any) -> Infer:  # noqa: ANN401 - onnx.ModelProto
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL_ONLY
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the cores to the line
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])

        def infer(batch: Prepared) -> Floats:
            return np.asarray(session.run(None, {name: batch})[0], np.float32)

        return infer

    items = [{name: frames[index : index + 1]} for index in range(len(frames))]
    quantised = _quantise(nncf, model, items, runner, judge, judged, tick)
    onnx.save(quantised, target)
    narrow = {output for node in quantised.graph.node if node.op_type == "DequantizeLinear" for output in node.output}
    weighted = [node for node in quantised.graph.node if node.op_type in _WEIGHTED_ONNX]
    return _result((target,), {node.name: node.input[1] in narrow for node in weighted})


def _result(files: tuple[Path, ...], layers: Mapping[str, bool]) -> Quantised:
    """Return the result. `layers`: whether each layer computes in eight bits. Raises EngineError if none does."""
    if not any(layers.values()):
        raise EngineError(
            "No layer of the bundle can compute in eight bits: with any of them it judges differently than it was trained to.",
            remedy="Use bf16 or fp32 for this network, or allow a larger drop.",
        )
    return Quantised(files, tuple(name for name, narrow in layers.items() if not narrow))


def _quantise(
    nncf: Any,  # noqa: ANN401 - the module
    model: Any,  # noqa: ANN401 - of either backend
    items: list[Any],
    runner: Callable[[Any], Infer],
    judge: Judge,
    judged: int,
    tick: Callable[[], None],
) -> Any:  # noqa: ANN401 - of the same backend
    def calibrate(item: Any) -> Any:  # noqa: ANN401
        tick()
        return item

    last: list[tuple[Any, Infer]] = []  # cache: NNCF asks for the same graph frame by frame, and opening one takes long

    def validate(prepared: Any, indices: Iterable[int]) -> tuple[float, None]:  # noqa: ANN401
        tick()
        if not last or last[0][0] is not prepared:
            last[:] = [(prepared, runner(prepared))]
        # 1 for the original network, 0 at the limit: NNCF divides by the former.
        return 1.0 - judge(last[0][1], list(indices)), None

    try:
        with _quiet():
            return nncf.quantize_with_accuracy_control(
                model,
                calibration_dataset=nncf.Dataset(items, calibrate),
                validation_dataset=nncf.Dataset(list(range(judged))),
                validation_fn=validate,
                max_drop=1.0,
                drop_type=nncf.DropType.ABSOLUTE,
                subset_size=len(items),
                advanced_quantization_parameters=_ranges(nncf),
                ignored_scope=nncf.IgnoredScope(patterns=[_INSIDE], validate=False),
            )
    except (RuntimeError, ValueError, KeyError, nncf.ValidationError, nncf.InternalError, nncf.UnsupportedModelError) as error:
        raise EngineError(
            "The bundle cannot be quantised ({detail}).",
            remedy="Use bf16 or fp32 for this network.",
            detail=(str(error).strip().splitlines() or [type(error).__name__])[0][:200],
        ) from error


def _ranges(nncf: Any) -> Any:  # noqa: ANN401 - its own type
    """Return activation ranges that cover all observed values.

    NNCF's default, the mean of the images' maxima, cuts off rare values: a defect, a hot spot (mean error of the demo bundle
    for temperatures: 22 K with the default, 2.7 K with the whole range).
    """
    from nncf.quantization import range_estimator

    whole = range_estimator.RangeEstimatorParametersSet.MINMAX
    return nncf.AdvancedQuantizationParameters(activations_range_estimator_params=whole)


def _narrow(node: Any) -> bool:  # noqa: ANN401 - openvino.Node
    """Return whether the node's weights are stored as eight-bit numbers."""
    for _ in range(5):
        node = node.input_value(1 if node.get_type_name() in _WEIGHTED else 0).get_node()
        if node.get_type_name() == "Constant":
            return node.get_element_type().to_string() in ("i8", "u8")
        if node.get_type_name() == "FakeQuantize":
            return True
    return False


def _nncf() -> Any:  # noqa: ANN401 - the module
    """Import NNCF without its log output. Raises EngineError if it is not installed."""
    # NNCF looks for a CUDA compiler on import and warns if there is none.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    try:
        import nncf
    except ImportError as error:
        raise EngineError(
            "Quantising needs the Python package {package}, which is not installed.",
            remedy="Install it from the program's folder: packaging/run.sh --with train (Windows: run.ps1).",
            package=error.name or "nncf",
        ) from error
    logging.getLogger("nncf").setLevel(logging.ERROR)  # its own function also changes handlers that others have added
    return nncf


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress NNCF's progress bars, which go to standard output."""
    with redirect_stdout(io.StringIO()):
        yield
