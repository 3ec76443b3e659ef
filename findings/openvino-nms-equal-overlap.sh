#!/usr/bin/env bash
# NonMaxSuppression in ONNX removes a box whose IoU with a better one is greater than the threshold. OpenVINO also removes it
# at exactly the threshold. Boxes on a pixel grid reach values such as 0.5 exactly, so one of two neighbouring defects is gone
# in one engine and kept in the other. Keep suppression out of the exported network, in code of the station's own.
# Why it matters: A rule that counts defects gives another verdict when only the engine is changed.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
cd "$work"
export ORT_DISABLE_TELEMETRY=1
"$work/venv/bin/python" -I - <<'PYTHON'
import numpy as np
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

print("onnxruntime", onnxruntime.__version__, "| openvino", openvino.get_version())
constants = {"most": np.array([10], np.int64), "overlap": np.array([0.5], np.float32), "least": np.array([0.1], np.float32)}
graph = helper.make_graph(
    [helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "overlap", "least"], ["kept"])],
    "graph",
    [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 3, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 1, 3]),
    ],
    [helper.make_tensor_value_info("kept", TensorProto.INT64, None)],
    [numpy_helper.from_array(value, name) for name, value in constants.items()],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()
session = onnxruntime.InferenceSession(model)
core = openvino.Core()
network = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
scores = np.array([[[0.9, 0.8, 0.7]]], np.float32)
for height, both in ((3, ([0, 2], [0, 2])), (2, ([0, 1, 2], [0, 2])), (1, ([0, 1, 2], [0, 1, 2]))):
    boxes = np.array([[[0, 0, 4, 4], [0, 0, height, 4], [40, 40, 50, 50]]], np.float32)
    seen = tuple(
        [int(index) for _, _, index in result if index >= 0]
        for result in (session.run(None, {"boxes": boxes, "scores": scores})[0], network([boxes, scores])[0])
    )
    print(f"IoU {height / 4}, threshold 0.5: kept by onnxruntime {seen[0]}, by openvino {seen[1]}")
    assert seen == both, height
PYTHON
