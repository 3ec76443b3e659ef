#!/usr/bin/env bash
# OpenVINO does not compile a valid ONNX graph that cuts one tensor into neighbouring slices and picks rows of each by GatherElements:
# while it rewrites the slices it hangs the gather on the tensor from before the cut, and then says that the shapes do not fit.
# ONNX's checker and ONNX Runtime accept the same file. Write the cut as Gather with a list of places; the answer is then equal.
# Why it matters: Exporters of detectors that end with their best rows (end-to-end heads with masks) write just this pair, so a network
# that runs everywhere else cannot be opened on the station's processor.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
cd "$work"
export ORT_DISABLE_TELEMETRY=1
"$work/venv/bin/python" -I - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

print("openvino", version("openvino"), "| onnxruntime", onnxruntime.__version__, "| onnx", onnx.__version__)


def graph(cut: str) -> bytes:
    """Boxes [1, 8, 4] and scores [1, 8, 2] out of [1, 8, 6]; of each the rows with the 3 best scores."""
    given = {"zero": [0], "four": [4], "six": [6], "last": [2], "best": [3], "wide": [1, 1, 4], "narrow": [1, 1, 2]}
    places = {"box_places": [0, 1, 2, 3], "score_places": [4, 5]}
    constants = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in {**given, **places}.items()]
    slices = [
        helper.make_node("Slice", ["x", "zero", "four", "last"], ["boxes"]),
        helper.make_node("Slice", ["x", "four", "six", "last"], ["scores"]),
    ]
    gathers = [
        helper.make_node("Gather", ["x", "box_places"], ["boxes"], axis=2),
        helper.make_node("Gather", ["x", "score_places"], ["scores"], axis=2),
    ]
    rest = [
        helper.make_node("ReduceMax", ["scores", "last"], ["top"], keepdims=1),
        helper.make_node("TopK", ["top", "best"], ["values", "rows"], axis=1),
        helper.make_node("Tile", ["rows", "wide"], ["box_rows"]),
        helper.make_node("Tile", ["rows", "narrow"], ["score_rows"]),
        helper.make_node("GatherElements", ["boxes", "box_rows"], ["best_boxes"], axis=1),
        helper.make_node("GatherElements", ["scores", "score_rows"], ["best_scores"], axis=1),
    ]
    ends = [
        helper.make_tensor_value_info("best_boxes", TensorProto.FLOAT, [1, 3, 4]),
        helper.make_tensor_value_info("best_scores", TensorProto.FLOAT, [1, 3, 2]),
    ]
    begin = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 6])]
    made = helper.make_graph((slices if cut == "Slice" else gathers) + rest, "best", begin, ends, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


x = np.random.default_rng(0).random((1, 8, 6)).astype(np.float32)
said = {}
for cut in ("Slice", "Gather"):
    data = graph(cut)
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 3
    expected = onnxruntime.InferenceSession(data, quiet, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    core = openvino.Core()
    try:
        found = core.compile_model(core.read_model(data), "CPU")(x)
        said[cut] = "equal" if all(np.array_equal(found[n], expected[n]) for n in range(2)) else "different"
    except RuntimeError as error:
        said[cut] = next(line for line in str(error).splitlines() if "not consistent" in line)
    print(f"{cut:6} in ONNX Runtime: runs; in OpenVINO: {said[cut]}")
assert "[1,8,6]" in said["Slice"] and said["Gather"] == "equal", said
PYTHON
