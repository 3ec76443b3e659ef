#!/usr/bin/env bash
# tifffile stores big-endian pictures correctly with zlib; with JPEG 2000 the two bytes of each value come back swapped
# (1 is 256). No call fails and the file is valid TIFF, so an archive of "lossless" pictures is silently worthless.
# Arrays read from PGM, FITS or network cameras are big-endian: convert to the machine's own order before any encoder.
# Why it matters: Arrays read from PGM, FITS or network cameras are big-endian, and the "lossless" archive of them is worthless.
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
picture = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
seen = {}
for compression in ("zlib", "jpeg2000"):
    for name, order in (("little", "<"), ("big", ">")):
        path = f"{compression}-{name}.tif"
        tifffile.imwrite(path, picture.astype(order + "u2"), byteorder=order, compression=compression)
        back = tifffile.imread(path)
        seen[compression, name] = bool(np.array_equal(back, picture))
        print(f"{compression:8} {name}-endian: 0, 1, 2 come back as {back[0, :3].tolist()}")
assert seen == {("zlib", "little"): True, ("zlib", "big"): True, ("jpeg2000", "little"): True, ("jpeg2000", "big"): False}
assert np.array_equal(back, picture.byteswap())
PYTHON
