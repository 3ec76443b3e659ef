#!/usr/bin/env bash
# OpenVINO reads a Resize layer of ONNX opset 18 and leaves out two of its attributes: "antialias" and
# "keep_aspect_ratio_policy". Nothing is reported; the picture is sampled instead of averaged, or comes out in another size.
# A network that shrinks its own input then sees fine texture as moire and judges differently from where it was trained.
# Shrink the picture before the network, and compare the engines on real pictures before a network is used.
# Why it matters: A foreign network that shrinks its own input judges fine texture differently on the line than where it was
# trained.
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


def resize(picture, size, **attributes):
    graph = helper.make_graph(
        [helper.make_node("Resize", ["x", "", "", "size"], ["y"], axes=[2, 3], **attributes)],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, picture.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.array(size, np.int64), "size")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()
    expected = onnxruntime.InferenceSession(model).run(None, {"x": picture})[0]
    core = openvino.Core()
    return expected, core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(picture)[0]


line = np.zeros((1, 1, 16, 16), np.float32)
line[..., 8] = 1.0  # a bright vertical line, one pixel wide
expected, seen = resize(line, [4, 4], mode="linear", antialias=1)
plain = resize(line, [4, 4], mode="linear", antialias=0)[0]
print("one row of a thin line, 16 to 4 pixels, antialias=1")
print("  onnxruntime        ", expected[0, 0, 0])
print("  openvino           ", seen[0, 0, 0])
print("  without antialias  ", plain[0, 0, 0])
assert expected.max() > 0.1 and np.array_equal(seen, plain) and not np.allclose(seen, expected)

wide = np.zeros((1, 1, 4, 8), np.float32)
for policy, size in (("not_larger", (2, 4)), ("not_smaller", (4, 8))):
    expected, seen = (result.shape[2:] for result in resize(wide, [4, 4], mode="nearest", keep_aspect_ratio_policy=policy))
    print(f"4 x 8 to 4 x 4 with {policy}: onnxruntime {expected}, openvino {tuple(seen)}")
    assert tuple(expected) == size and tuple(seen) == (4, 4), policy
PYTHON
