#!/usr/bin/env bash
# OpenVINO's CPU device turns NaN into 0 in Relu and Clip, and into 1 in HardSigmoid; ONNX Runtime keeps it.
# A station that checks the scores for NaN never learns that its input was broken (a flat-field division by zero, a hole in a
# height map): the part gets an ordinary verdict. Check that the input is finite; a check of the output comes too late.
# Why it matters: A broken input gets an ordinary verdict, mostly OK, and no check of the scores can see it.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
cd "$work"
export ORT_DISABLE_TELEMETRY=1
"$work/venv/bin/python" -I - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

print("onnxruntime", onnxruntime.__version__, "| openvino", openvino.get_version())


def run(nodes, feed, constants):
    """The output of a graph from "x" to "y" in both engines, in single precision."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, feed.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()
    expected = onnxruntime.InferenceSession(model).run(None, {"x": feed})[0]
    core = openvino.Core()
    seen = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(feed)[0]
    return expected, seen


row = np.array([[np.nan, -1.0, 2.0, 9.0]], np.float32)
limits = {"low": np.float32(0).reshape(()), "high": np.float32(6).reshape(())}
for name, inputs, constants, first in (
    ("Relu", ["x"], {}, 0.0),
    ("Clip", ["x", "low", "high"], limits, 0.0),
    ("HardSigmoid", ["x"], {}, 1.0),
):
    expected, seen = run([helper.make_node(name, inputs, ["y"])], row, constants)
    print(f"{name}({row[0]}): onnxruntime {expected[0]}, openvino {seen[0]}")
    assert np.isnan(expected[0, 0]) and seen[0, 0] == first, name

picture = np.full((1, 1, 8, 8), 0.5, np.float32)
picture[0, 0, 4, 4] = np.nan
kernels = np.ones((4, 1, 3, 3), np.float32)
layers = [helper.make_node("Conv", ["x", "kernels"], ["z"]), helper.make_node("Relu", ["z"], ["y"])]
expected, seen = (int(np.isnan(result).sum()) for result in run(layers, picture, {"kernels": kernels}))
print(f"Conv + Relu on a picture with one NaN pixel: {expected} NaN values by onnxruntime, {seen} by openvino")
assert (expected, seen) == (36, 0)
PYTHON
