#!/usr/bin/env bash
# Height maps mark missing points by NaN. tifffile stores them in a LERC TIFF, but every NaN comes back as 0: a hole is then a
# valid height. The decoder of imagecodecs can return the mask of valid pixels, tifffile's reader does not ask for it.
# Store height maps with zlib or zstd and predictor 3 (bit-exact, with NaN), or a mask beside the picture.
# Why it matters: A hole in a height map becomes a valid height of 0, and a part with a missing surface measures as complete.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 tifffile==2026.3.3 imagecodecs==2026.3.6
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import imagecodecs
import numpy as np
import tifffile

print("tifffile", tifffile.__version__, "| imagecodecs", imagecodecs.__version__)
heights = np.linspace(0.5, 2.5, 64 * 64, dtype=np.float32).reshape(64, 64)
heights[20:24, 30:40] = np.nan
holes = {}
for compression, predictor in (("zstd", 3), ("lerc", None)):
    path = f"{compression}.tif"
    tifffile.imwrite(path, heights, compression=compression, predictor=predictor)
    back = tifffile.imread(path)
    holes[compression] = int(np.isnan(back).sum())
    print(f"{compression}: {int(np.isnan(heights).sum())} holes written, {holes[compression]} read, value there {back[20, 30]}")
assert holes == {"zstd": 40, "lerc": 0} and back[20, 30] == 0
decoded, valid = imagecodecs.lerc_decode(imagecodecs.lerc_encode(heights), masks=True)
print("pixels marked invalid in the LERC data itself:", int((valid == 0).sum()))
assert int((valid == 0).sum()) == 40
PYTHON
