#!/usr/bin/env bash
# Arithmetic on unsigned bytes wraps around in ONNX (100 - 200 = 156). OpenVINO stops at the ends of the range instead
# (100 - 200 = 0, 200 + 100 = 255). A network that subtracts a reference picture before it converts to float therefore sees
# every pixel darker than the reference as "no difference" in one engine, and as a bright one in the other.
# Let the first layer be the conversion to float, or subtract before the network.
# Why it matters: Comparing a part with a golden sample is the oldest inspection there is: missing material becomes invisible in
# one engine.
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
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

print("onnxruntime", onnxruntime.__version__, "| openvino", openvino.get_version())
picture, reference = np.array([100, 200], np.uint8), np.array([200, 100], np.uint8)
for name, wrapped, stopped in (("Sub", [156, 100], [0, 100]), ("Add", [44, 44], [255, 255])):
    graph = helper.make_graph(
        [helper.make_node(name, ["a", "b"], ["y"])],
        "graph",
        [helper.make_tensor_value_info(side, TensorProto.UINT8, [2]) for side in "ab"],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, [2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    feed = {"a": picture, "b": reference}
    standard = ReferenceEvaluator(model).run(None, feed)[0]
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feed)[0]
    core = openvino.Core()
    seen = core.compile_model(core.read_model(model.SerializeToString()), "CPU")([picture, reference])[0]
    print(f"{name} of {picture} and {reference}: ONNX reference {standard}, onnxruntime {expected}, openvino {seen}")
    assert standard.tolist() == expected.tolist() == wrapped and seen.tolist() == stopped, name
PYTHON
