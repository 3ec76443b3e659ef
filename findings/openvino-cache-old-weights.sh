#!/usr/bin/env bash
# With CACHE_DIR set, compile_model(PATH) of OpenVINO recognises a network by its .xml file alone. A network that was trained
# again may have the very same .xml; a tool that copies only what differs then replaces the .bin, and the old network keeps
# judging from the cache. Keep each trained network in a folder of its own, or compile what read_model has read.
# Why it matters: A plant that rolls out a retrained network goes on judging by the old one, while every record names the new
# one.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 openvino==2026.4.1
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import pathlib
import shutil

import numpy as np
import openvino
from onnx import TensorProto, helper, numpy_helper

print("openvino", openvino.get_version())


def save(folder, weight):
    kernels = np.full((8, 1, 3, 3), weight, np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "kernels"], ["y"], name="layer")],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 14, 14])],
        [numpy_helper.from_array(kernels, "kernels")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()
    openvino.save_model(openvino.Core().read_model(model), folder / "network.xml", compress_to_fp16=False)


def judge(path, cache, *, read_first):
    core = openvino.Core()
    core.set_property({"CACHE_DIR": cache})
    network = core.compile_model(core.read_model(path) if read_first else path, "CPU")
    return float(network(np.ones((1, 1, 16, 16), np.float32))[0].mean()), bool(network.get_property("LOADED_FROM_CACHE"))


first, retrained, station = folders = [pathlib.Path(name) for name in ("first", "retrained", "station")]
for folder in folders:
    folder.mkdir()
save(first, 2.0)
save(retrained, 3.0)
assert (first / "network.xml").read_bytes() == (retrained / "network.xml").read_bytes()
print("the .xml files of the first and the retrained network are equal, the .bin files differ")
shutil.copyfile(first / "network.xml", station / "network.xml")
seen = {}
for folder in (first, retrained):
    shutil.copyfile(folder / "network.bin", station / "network.bin")
    for read_first in (False, True):
        how = "read_model, then compile" if read_first else "compile_model(path)"
        result, cached = judge(station / "network.xml", f"cache-{read_first}", read_first=read_first)
        seen[folder.name, read_first] = result, cached
        print(f"{folder.name:9} weights, {how:24}: mean output {result:.1f}{', from the cache' if cached else ''}")
assert seen["first", False] == (18.0, False) and seen["first", True] == (18.0, False)
assert seen["retrained", False] == (18.0, True), "the new weights are noticed now"
assert seen["retrained", True] == (27.0, False)
PYTHON
