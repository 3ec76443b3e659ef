#!/usr/bin/env bash
# On Linux, ONNX Runtime leaves a device id and an event store in the user's cache folder as soon as a session is made.
# disable_telemetry_events() cannot prevent it; only ORT_DISABLE_TELEMETRY=1 in the environment before the import does.
# A station that promises to be offline and to leave nothing behind must set the variable first, in each process it starts.
# Why it matters: Plants forbid programs that identify the PC or collect usage, and an audit finds files that the station never
# announced.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
cd "$work"
cat >session.py <<'PYTHON'
import sys

import onnxruntime
from onnx import TensorProto, helper

if sys.argv[1] == "call":
    onnxruntime.disable_telemetry_events()
value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "graph", value[:1], value[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
onnxruntime.InferenceSession(model.SerializeToString())
print("onnxruntime", onnxruntime.__version__)
PYTHON

offline=(unshare --map-root-user --net) # so that nothing can be sent, where the system allows it
"${offline[@]}" true 2>/dev/null || offline=()
# The environment is empty but for what is named: the variables of a CI service switch the telemetry off.
for case in plain call variable; do
    mkdir "$case"
    environment=(PATH="$PATH" HOME="$work/$case")
    [ "$case" != variable ] || environment+=(ORT_DISABLE_TELEMETRY=1)
    "${offline[@]}" env -i "${environment[@]}" "$work/venv/bin/python" session.py "$case"
    printf '%s: files left in the home folder:\n' "$case"
    (cd "$case" && find . -type f -printf '  %P, %s bytes\n' | sort)
done
count() { find "$1" -type f -path '*/.onnxruntime/*' | wc -l; }
[ "$(count plain)" = 2 ] && [ "$(count call)" = 2 ] && [ "$(find variable -type f | wc -l)" = 0 ]
