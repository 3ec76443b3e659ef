#!/usr/bin/env bash
# safetensors.numpy writes the memory of an array, not its values in order: a transposed picture or weight comes back with the
# right shape and the values in the wrong places. Nothing is reported, and sums and extremes still agree.
# A reference picture turned from height x width x channel to channel first is such an array: np.ascontiguousarray before save.
# Why it matters: Reference images and weights are what later verdicts are checked against; scrambled ones pass every check of
# shape and sum.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 safetensors==0.8.0
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import numpy as np
import safetensors
from safetensors.numpy import load, save

print("safetensors", safetensors.__version__, "| numpy", np.__version__)
picture = np.arange(24, dtype=np.float32).reshape(2, 4, 3)  # height, width, channel
channels_first = picture.transpose(2, 0, 1)
back = load(save({"reference": channels_first}))["reference"]
fixed = load(save({"reference": np.ascontiguousarray(channels_first)}))["reference"]
print("first channel written:", channels_first[0].ravel().tolist())
print("first channel read:   ", back[0].ravel().tolist())
print("after ascontiguousarray:", fixed[0].ravel().tolist())
assert back.shape == channels_first.shape and back.sum() == channels_first.sum()
assert not np.array_equal(back, channels_first) and np.array_equal(fixed, channels_first)
PYTHON
