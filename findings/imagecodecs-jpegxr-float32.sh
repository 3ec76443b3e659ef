#!/usr/bin/env bash
# JPEG XR at level 100 is lossless for integers and 16-bit floats, but not for 32-bit floats: they are rounded to 13 bits of
# mantissa. A thermal picture around room temperature keeps steps of 1/32 kelvin, and nothing says that anything was lost.
# Store 32-bit floats as TIFF with zlib or as JPEG XL; read back and compare before the original is deleted.
# Why it matters: Temperatures from an archive differ from those the verdict was made of, and a camera that resolves 10 mK looks
# as if it had steps.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 imagecodecs==2026.3.6
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import imagecodecs
import numpy as np

print("imagecodecs", imagecodecs.__version__, "|", imagecodecs.jpegxr_version())
kelvin = (298.15 + np.random.default_rng(0).normal(0, 20, (480, 640))).astype(np.float32)
back = imagecodecs.jpegxr_decode(imagecodecs.jpegxr_encode(kelvin, level=100))
assert back.dtype == np.float32
error = float(np.abs(back - kelvin).max())
print(f"32-bit float: {np.unique(kelvin).size} different temperatures became {np.unique(back).size}; largest error {error} K")
assert error == 1 / 64, error
assert set(np.diff(np.unique(back[(back > 270) & (back < 320)]))) == {1 / 32}
for name, same in (("16-bit float", kelvin.astype(np.float16)), ("16-bit integer", (kelvin * 100).astype(np.uint16))):
    assert np.array_equal(imagecodecs.jpegxr_decode(imagecodecs.jpegxr_encode(same, level=100)), same)
    print(f"{name}: equal")
assert np.array_equal(imagecodecs.jpegxl_decode(imagecodecs.jpegxl_encode(kelvin, lossless=True)), kelvin)
print("32-bit float in JPEG XL: equal")
PYTHON
